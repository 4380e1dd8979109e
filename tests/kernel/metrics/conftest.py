"""Code run on frames, and what its metrics say then."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dynmon.models import CubeType, DataplaneConfig, LogLevel
from dynmon.trial import Rehearsal, rehearse, workbench
from tests.unit.trial.capture_files import pcap

HANDLER = """
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{{
	u32 zero = 0, length = md->packet_len;
	{body}
	return RX_OK;
}}
"""


@pytest.fixture(scope="session")
def foundry(tmp_path_factory):
    with workbench(tmp_path_factory.mktemp("cache")) as bench:
        config = DataplaneConfig.model_validate({"ingress-path": {"code": HANDLER.format(body="")}}, by_alias=True)
        rehearse(bench, Rehearsal(config, CubeType.TC, LogLevel.INFO))  # starts the compiler
        yield bench


class Exposed:
    """An exposition as the strict parser reads it."""

    def __init__(self, report):
        self.text = report["open-metrics"]
        self.families = {family.name: family for family in text_string_to_metric_families(self.text)}

    @property
    def samples(self):
        """Samples by name and labels, without those that say when counting began."""
        return {
            (item.name, *(f"{key}={value}" for key, value in item.labels.items())): item.value
            for family in self.families.values()
            for item in family.samples
            if not item.name.endswith("_created")
        }

    def labels(self, name):
        """The labels of each sample of this name."""
        return [item.labels for family in self.families.values() for item in family.samples if item.name == name]

    def histogram(self, name):
        """The cumulated counts by bound, the sum and the count of a family with one series."""
        found = {key: value for key, value in self.samples.items() if key[0].startswith(f"{name}_")}
        bounds = {
            float(key[-1].removeprefix("le=")): value for key, value in found.items() if key[0] == f"{name}_bucket"
        }
        (total,) = [value for key, value in found.items() if key[0] == f"{name}_sum"]
        (count,) = [value for key, value in found.items() if key[0] == f"{name}_count"]
        return bounds, total, count


@pytest.fixture
def rehearsed(foundry, no_leaks):
    """Runs a document's ingress code on frames."""

    def run(document, *frames):
        config = DataplaneConfig.model_validate(document, by_alias=True)
        trial = Rehearsal(config, CubeType.TC, LogLevel.INFO, capture=pcap(*frames))
        return Exposed(rehearse(foundry, trial))

    return run


@pytest.fixture
def exported(rehearsed):
    """Runs the body of a handler on frames; its metrics are given by their names as (map, metadata)."""

    def run(declarations, body, metrics, *frames):
        path = {
            "code": declarations + HANDLER.format(body=body),
            "metric-configs": [
                {"name": name, "map-name": map_name, "open-metrics-metadata": {"help": "Help.", **metadata}}
                for name, (map_name, metadata) in metrics.items()
            ],
        }
        return rehearsed({"ingress-path": path}, *frames)

    return run

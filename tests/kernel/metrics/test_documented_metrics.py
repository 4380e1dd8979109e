"""The examples of docs/reference/configuration.md run, and export what stands behind them."""

import json
import re

import pytest

from dynmon.models import DecoderConfig, KeyLabel, MetricConfig, OpenMetricsMetadata, ValueConfig
from tests.packets import Payload, ethernet
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
FRAMES = [ethernet(Payload(bytes(46), 0x88B5))] * 7


def examples(repository):
    """Each example with metrics, and the lines that are promised of it."""
    text = (repository / "docs/reference/configuration.md").read_text()
    found = re.findall(r"```json\n(.*?)```\n((?:\n(?:    [^\n]*\n)+)?)", text, re.DOTALL)
    return [
        (json.loads(document), [line.strip() for line in promised.splitlines() if line.strip()])
        for document, promised in found
        if "metric-configs" in document
    ]


def test_every_example_exports_what_it_says(repository, rehearsed):
    for document, promised in examples(repository):
        document.pop("egress-path", None)
        shown = rehearsed(document, *FRAMES)
        lines = {re.sub(r'cpu="[0-9]+"', 'cpu="0"', line) for line in shown.text.splitlines()}

        assert [] == [line for line in promised if line not in lines]
        for metric in document["ingress-path"]["metric-configs"]:
            stem, is_exported = metric["name"].removesuffix("_total"), "open-metrics-metadata" in metric
            assert is_exported is any(name.startswith(stem) for name in shown.families)
        assert "left out" not in shown.text


@pytest.mark.parametrize("model", [MetricConfig, OpenMetricsMetadata, KeyLabel, DecoderConfig, ValueConfig])
def test_every_key_is_in_an_example(repository, model):
    written = "".join(json.dumps(document) for document, _ in examples(repository))
    keys = {field.alias for field in model.model_fields.values()}

    assert [] == sorted(key for key in keys if f'"{key}"' not in written)

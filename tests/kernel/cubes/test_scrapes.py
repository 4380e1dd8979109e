"""A cube that cannot be read takes nothing from the others in the daemon's exposition."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from dynmon.api.exposition import daemon_exposition
from dynmon.api.metrics import Telemetry
from dynmon.metrics import ExpositionFormat
from dynmon.models import Direction
from tests.expositions import text_of
from tests.kernel.cubes.test_failures import running, taken_away
from tests.kernel.cubes.test_reads import COUNTING, SWAP, metric, path


@pytest.fixture
def scrape(registry):
    """The numbers of an exposition, those of ingress where there are two, by cube and name."""
    telemetry = Telemetry(registry)

    def found():
        families = parse(text_of(daemon_exposition(registry, telemetry, ExpositionFormat.OPENMETRICS)))
        return {
            (sample.labels.get("cube"), sample.name): sample.value
            for family in families
            for sample in family.samples
            if sample.labels.get("direction") != "egress"
        }

    return found


def exported(options):
    counter = metric("packets_total", "COUNTS", options)
    return path(COUNTING, {**counter, "open-metrics-metadata": {"help": "Packets", "type": "counter"}})


def test_a_cube_that_cannot_be_switched_is_missing_and_counted(bench, scrape):
    broken, well = bench(ingress=exported(SWAP)), bench(ingress=exported({}))
    well.send(3)
    link = broken.cube._dataplane.attachments[0].links[Direction.INGRESS]
    with taken_away(link.fd):
        seen = scrape()

    assert (broken.cube.name, "packets_total") not in seen
    assert 1 == seen[(broken.cube.name, "dynmon_cube_failed_scrapes_total")]
    assert 3 == seen[(well.cube.name, "packets_total")]
    assert 0 == seen[(well.cube.name, "dynmon_cube_failed_scrapes_total")]
    assert 3 == scrape()[(broken.cube.name, "packets_total")]


def test_a_map_that_cannot_be_read_is_missing_and_counted(bench, scrape):
    broken, well = bench(ingress=exported({})), bench(ingress=exported({}))
    well.send(3)
    with taken_away(running(broken).maps["COUNTS"].fd):
        seen = scrape()

    assert (broken.cube.name, "packets_total") not in seen
    assert 1 == seen[(broken.cube.name, "dynmon_metric_failed_reads_total")]
    assert 3 == seen[(well.cube.name, "packets_total")]
    assert 0 == seen[(well.cube.name, "dynmon_metric_failed_reads_total")]
    assert 3 == scrape()[(broken.cube.name, "packets_total")]

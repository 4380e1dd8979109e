"""What the daemon says of its cubes: where they run, what their code costs, how well their maps can be read.

Labels are the names of cubes, directions, interfaces and metrics: as many as were configured. None comes out of a
packet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.errors import DynmonError
from dynmon.models import Direction

PATH = ("cube", "direction")
METRIC = (*PATH, "metric")
NANOSECOND = 1e-9
TIMED = "counted only while dynmon_program_timing is 1"
HEARD = "counted only while somebody listens"

FAILED_SCRAPES = "dynmon_cube_failed_scrapes"
LINKS = "dynmon_link_attached"
RUNS = "dynmon_program_runs"
RUN_SECONDS = "dynmon_program_run_seconds"
ANOMALIES = "dynmon_anomalies"
WITHHELD = "dynmon_withheld_drops"
DROPPED = "dynmon_dropped_entries"
READS = "dynmon_metric_read_duration_seconds"
FAILED_READS = "dynmon_metric_failed_reads"
ENTRIES = "dynmon_map_entries"
FOLDED = "dynmon_folded_series"
LEFT_OUT = "dynmon_left_out_series"
MAX_ENTRIES = "dynmon_map_max_entries"
EVENTS = "dynmon_events"
LOST_EVENTS = "dynmon_lost_events"
UNDECODED_EVENTS = "dynmon_undecoded_events"

FAMILIES: Mapping[str, tuple[Callable[..., Any], str, tuple[str, ...]]] = {
    FAILED_SCRAPES: (CounterMetricFamily, "Scrapes in which nothing of the cube could be read", ("cube",)),
    LINKS: (GaugeMetricFamily, "1 where the code runs at a port, 0 where it should and does not", (*PATH, "port")),
    RUNS: (CounterMetricFamily, f"Runs of the code since it was injected, {TIMED}", PATH),
    RUN_SECONDS: (CounterMetricFamily, f"Time that these runs took, on all CPUs together, {TIMED}", PATH),
    ANOMALIES: (
        CounterMetricFamily,
        "Packets whose verdict was neither pass nor drop since the code was injected; they passed",
        PATH,
    ),
    WITHHELD: (
        CounterMetricFamily,
        "Packets that the code of a passive cube wanted to drop since it was injected; they passed",
        PATH,
    ),
    DROPPED: (CounterMetricFamily, "Entries that reads took out of maps and had no room to keep", PATH),
    READS: (SummaryMetricFamily, "Reads of the metric by anybody, and the time they took without decoding", METRIC),
    FAILED_READS: (CounterMetricFamily, "Reads of the metric, and drains of its map, that failed", METRIC),
    ENTRIES: (GaugeMetricFamily, "Entries that the last read found in the metric's map, if it can fill up", METRIC),
    FOLDED: (GaugeMetricFamily, "Series beyond the limit that the last scrape found, exported as one: other", METRIC),
    LEFT_OUT: (GaugeMetricFamily, "Series that the last scrape found and did not export, and why", (*METRIC, "reason")),
    MAX_ENTRIES: (GaugeMetricFamily, "Entries that such a map has room for", METRIC),
    EVENTS: (CounterMetricFamily, f"Records taken out of the metric's map, {HEARD}", METRIC),
    LOST_EVENTS: (CounterMetricFamily, f"Records that the kernel had no room for, {HEARD}", METRIC),
    UNDECODED_EVENTS: (CounterMetricFamily, "Records that have fewer bytes than their type", METRIC),
}

_log = logging.getLogger(__name__)


class CubeCollector(Collector):
    """What the cubes say of themselves at the time of the scrape."""

    def __init__(self, registry: CubeRegistry) -> None:
        self.registry = registry

    def collect(self) -> Iterator[Metric]:
        cubes = self.registry.cubes()
        yield GaugeMetricFamily("dynmon_cubes", "Cubes there are", value=len(cubes))
        yield GaugeMetricFamily(
            "dynmon_program_timing", "1 while the kernel counts and times runs", value=self.registry.timing.is_on
        )
        families = {name: kind(name, text, labels=labels) for name, (kind, text, labels) in FAMILIES.items()}
        for cube in cubes:
            try:
                _add(families, cube)
            except (DynmonError, OSError) as error:  # what the others say is worth having
                _log.warning("cube %r cannot be looked at: %s", cube.name, error)
        yield from families.values()


def _add(families: Mapping[str, Any], cube: DynmonCube) -> None:
    def add(name: str, labels: tuple[str, ...], *values: float) -> None:
        families[name].add_metric([cube.name, *labels], *values)

    add(FAILED_SCRAPES, (), cube.failed_scrapes)
    for metric, tally, limits in cube.tallies():
        labels = (metric.direction.value, metric.config.name)
        add(READS, labels, tally.reads, tally.seconds)
        add(FAILED_READS, labels, tally.failures)
        if metric.export:
            add(FOLDED, labels, sum(each.folded for each in limits))
            add(LEFT_OUT, (*labels, "no-match"), sum(each.unmatched for each in limits))
            add(LEFT_OUT, (*labels, "no-count"), sum(each.uncountable for each in limits))
        if tally.entries is not None:
            add(ENTRIES, labels, tally.entries)
            add(MAX_ENTRIES, labels, metric.bpf_map.info.max_entries)
    for events in cube.event_metrics():
        labels = (events.direction.value, events.name)
        add(EVENTS, labels, events.tally.records)
        add(LOST_EVENTS, labels, events.tally.lost)
        add(UNDECODED_EVENTS, labels, events.tally.undecoded)
    for direction in Direction:
        path = (direction.value,)
        add(ANOMALIES, path, cube.anomalies(direction))
        add(WITHHELD, path, cube.withheld_drops(direction))
        add(DROPPED, path, cube.dropped_entries(direction))
        runs = cube.runs(direction)
        add(RUNS, path, runs.count)
        add(RUN_SECONDS, path, runs.nanoseconds * NANOSECOND)
    for port, direction, is_attached in cube.attached():
        add(LINKS, (direction.value, port), is_attached)

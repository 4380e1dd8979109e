"""What a cube exports → panels: counters as rates, gauges as they are, histograms as heatmaps and quantiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dynmon.cli.grafana import Panel, Query

if TYPE_CHECKING:
    from prometheus_client import Metric

QUANTILES = (0.5, 0.9, 0.99)
MOST_SERIES = 20
DIRECTION = "direction"
# Not in legends: a dashboard has one cube, and the others are axes.
AXES = frozenset({"cube", "le", "quantile"})
# The last word of a name, and Grafana's units for the number and for its rate.
UNITS = {
    "seconds": ("s", "percentunit"),
    "bytes": ("bytes", "Bps"),
    "bits": ("bits", "bps"),
    "packets": ("short", "pps"),
    "ratio": ("percentunit", "short"),
    "celsius": ("celsius", "short"),
}
NUMBER, A_SECOND = "short", "cps"


def panels_of(families: Sequence[Metric], cube: str) -> list[Panel]:
    """The panels of the families that the exposition of a cube has."""
    return [
        panel
        for family in families
        if not _is_left_out(family)
        for panel in KINDS.get(family.type, _as_it_is)(family, cube)
    ]


def health_of(cube: str) -> list[Panel]:
    """What the daemon says of the cube: whether the other panels can be trusted, and what they cost."""
    metric, here = "{{direction}} {{metric}}", selector(cube)
    reads, runs = "dynmon_metric_read_duration_seconds", "dynmon_program_run"
    failures = {
        "dynmon_metric_failed_reads_total": f"failed reads {metric}",
        "dynmon_cube_failed_scrapes_total": "failed scrapes",
        "dynmon_anomalies_total": "anomalies {{direction}}",
        "dynmon_dropped_entries_total": "dropped entries {{direction}}",
    }
    return [
        Panel(
            "Maps",
            "How full the maps are; one that is full counts no new keys",
            [Query(f"dynmon_map_entries{here} / dynmon_map_max_entries{here}", metric)],
            "percentunit",
        ),
        Panel(
            "Time of a read",
            "Of each metric, by anybody, without decoding",
            [Query(f"{rate(f'{reads}_sum', cube)} / {rate(f'{reads}_count', cube)}", metric)],
            "s",
        ),
        Panel(
            "Time of a run",
            "What the code takes for each packet; only while the kernel is told to time programs",
            [Query(f"{rate(f'{runs}_seconds_total', cube)} / {rate(f'{runs}s_total', cube)}", "{{direction}}")],
            "s",
        ),
        Panel(
            "Failures",
            "What went wrong, a second; anomalies are packets whose verdict is none, which passed",
            [Query(rate(name, cube), legend) for name, legend in failures.items()],
            A_SECOND,
        ),
        Panel(
            "Attached",
            "1 where the code runs at a port, 0 where it should and does not",
            [Query(f"dynmon_link_attached{here}", "{{direction}} {{port}}")],
            NUMBER,
        ),
    ]


def selector(cube: str, direction: str = "") -> str:
    """The labels of the series of a cube, of one daemon."""
    more = f',direction="{direction}"' if direction else ""
    return f'{{cube="{cube}"{more},job="$job",instance="$instance"}}'


def rate(name: str, cube: str, direction: str = "") -> str:
    """How much a counter grows in a second."""
    return f"rate({name}{selector(cube, direction)}[$__rate_interval])"


def _counter(family: Metric, cube: str) -> list[Panel]:
    return [_series(family, rate(f"{family.name}_total", cube), _units(family)[1])]


def _as_it_is(family: Metric, cube: str) -> list[Panel]:
    return [_series(family, f"{family.name}{selector(cube)}", _units(family)[0])]


def _info(family: Metric, cube: str) -> list[Panel]:
    return [Panel(family.name, family.documentation, [Query(f"{family.name}_info{selector(cube)}")], NUMBER, "table")]


def _summary(family: Metric, cube: str) -> list[Panel]:
    legend = _legend(family)
    mean = f"{rate(f'{family.name}_sum', cube)} / {rate(f'{family.name}_count', cube)}"
    queries = [Query(_top(family, mean), f"mean {legend}")]
    if any("quantile" in sample.labels for sample in family.samples):
        queries.append(Query(_top(family, f"{family.name}{selector(cube)}"), f"{{{{quantile}}}} {legend}"))
    return [Panel(family.name, family.documentation, queries, _units(family)[0]), _count(family, cube)]


def _histogram(family: Metric, cube: str) -> list[Panel]:
    buckets = [rate(f"{family.name}_bucket", cube, direction) for direction in ("", *_directions(family))]
    return [*_distribution(family, buckets), _count(family, cube)]


def _gauge_histogram(family: Metric, cube: str) -> list[Panel]:
    buckets = [f"{family.name}_bucket{selector(cube, direction)}" for direction in ("", *_directions(family))]
    return _distribution(family, buckets)


def _distribution(family: Metric, buckets: Sequence[str]) -> list[Panel]:
    """A heatmap for each direction, and quantiles; `buckets` are those of all directions, and of each."""
    unit, legend = _units(family)[0], _legend(family)
    heatmaps = [
        Panel(f"{family.name} {way}", family.documentation, [Query(f"sum by (le) ({each})")], unit, "heatmap")
        for way, each in zip(_directions(family), buckets[1:], strict=True)
    ]
    together = f"sum by ({', '.join(['le', *_labels(family)])}) ({buckets[0]})"
    quantiles = [
        Query(_top(family, f"histogram_quantile({each}, {together})"), f"p{each * 100:g} {legend}")
        for each in QUANTILES
    ]
    return [*heatmaps, Panel(f"{family.name} quantiles", family.documentation, quantiles, unit)]


def _directions(family: Metric) -> list[str]:
    """Those that there are; both where nothing was counted yet."""
    found = {sample.labels[DIRECTION] for sample in family.samples if DIRECTION in sample.labels}
    return sorted(found or {"ingress", "egress"}, reverse=True)


def _count(family: Metric, cube: str) -> Panel:
    query = Query(_top(family, rate(f"{family.name}_count", cube)), _legend(family))
    return Panel(f"{family.name} count", f"Observations a second: {family.documentation}", [query], A_SECOND)


def _series(family: Metric, expression: str, unit: str) -> Panel:
    return Panel(family.name, family.documentation, [Query(_top(family, expression), _legend(family))], unit)


def _top(family: Metric, expression: str) -> str:
    """The greatest only where labels may come out of packets: there may be a million."""
    is_open = not family.samples or set(_labels(family)) - {DIRECTION}
    return f"topk({MOST_SERIES}, {expression})" if is_open else expression


def _labels(family: Metric) -> list[str]:
    """What tells the series of a panel apart; nothing is known of that where there is no series yet."""
    return list(dict.fromkeys(name for sample in family.samples for name in sample.labels if name not in AXES))


def _legend(family: Metric) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in _labels(family))


def _units(family: Metric) -> tuple[str, str]:
    return UNITS.get(family.unit or family.name.rpartition("_")[2], (NUMBER, A_SECOND))


def _is_left_out(family: Metric) -> bool:
    """Whether there is nothing of it but its help, which says why."""
    return not family.samples and family.type == "unknown" and " is left out: " in family.documentation


KINDS: Mapping[str, Callable[[Metric, str], list[Panel]]] = {
    "counter": _counter,
    "info": _info,
    "summary": _summary,
    "histogram": _histogram,
    "gaugehistogram": _gauge_histogram,
}

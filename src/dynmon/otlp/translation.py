"""OpenMetrics text → the data model of OpenTelemetry.

A counter is a cumulative, monotonic sum by the name of its family, without ``_total``. A histogram is one with explicit
bounds. The SDK has no summaries: their count and sum are sums, their quantiles gauges. All the rest is gauges by the
names of the samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dynmon.otlp.starts import Starts

CUMULATIVE = AggregationTemporality.CUMULATIVE
INT64 = range(-(2**63), 2**63)
NANOSECONDS = 10**9
UNITS = {"seconds": "s", "bytes": "By", "bits": "bit", "ratio": "1", "celsius": "Cel", "meters": "m", "volts": "V"}
BOUND = "le"


def translated(text: str, resource: Resource, version: str, starts: Starts, now_ns: int) -> MetricsData:
    """Everything in the text, as of now."""
    moment = _Moment(starts, now_ns)
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    metrics = [metric for family in families for metric in KINDS.get(family.type, _gauges)(family, moment)]
    scope = InstrumentationScope("dynmon", version)
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])


@dataclass(frozen=True, slots=True)
class _Moment:
    starts: Starts
    now_ns: int

    def start(self, sample: Sample, created: Mapping[frozenset[tuple[str, str]], float]) -> int:
        """Since when the series of a sample counts: what the exposition says, or else what we saw."""
        labels = {name: value for name, value in sample.labels.items() if name != BOUND}
        told = created.get(frozenset(labels.items()))
        if told is not None:
            return int(told * NANOSECONDS)
        return self.starts.of((sample.name, tuple(labels.items())), sample.value)

    def point(self, sample: Sample, start_ns: int) -> NumberDataPoint:
        """A number with its labels."""
        return NumberDataPoint(sample.labels, start_ns, self.now_ns, _number(sample.value))


def _counter(family: Family, moment: _Moment) -> Iterator[Metric]:
    yield _sum(family.name, family, _named(family, "_total"), moment)


def _summary(family: Family, moment: _Moment) -> Iterator[Metric]:
    for suffix in ("_count", "_sum"):
        yield _sum(family.name + suffix, family, _named(family, suffix), moment)
    quantiles = _named(family, "")
    if quantiles:
        points = [moment.point(sample, moment.now_ns) for sample in quantiles]
        yield Metric(family.name, family.documentation, _unit(family), Gauge(points))


def _gauges(family: Family, moment: _Moment) -> Iterator[Metric]:
    for name in dict.fromkeys(sample.name for sample in family.samples):
        points = [moment.point(sample, moment.now_ns) for sample in family.samples if sample.name == name]
        yield Metric(name, family.documentation, _unit(family), Gauge(points))


def _histogram(family: Family, moment: _Moment) -> Iterator[Metric]:
    buckets: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    for sample in _named(family, "_bucket"):
        labels = frozenset((name, value) for name, value in sample.labels.items() if name != BOUND)
        buckets.setdefault(labels, []).append((float(sample.labels[BOUND]), sample.value))
    sums = {frozenset(sample.labels.items()): sample.value for sample in _named(family, "_sum")}
    created = _created(family)
    points = [
        _distribution(
            sample, sorted(buckets[labels]), sums.get(labels, math.nan), moment, moment.start(sample, created)
        )
        for sample in _named(family, "_count")
        if (labels := frozenset(sample.labels.items())) in buckets
    ]
    yield Metric(family.name, family.documentation, _unit(family), Histogram(points, CUMULATIVE))


def _distribution(
    count: Sample, buckets: Sequence[tuple[float, float]], total: float, moment: _Moment, start_ns: int
) -> HistogramDataPoint:
    """One point: what OpenMetrics adds up from bound to bound is here for each bucket alone."""
    before = [0.0, *(number for _, number in buckets[:-1])]
    return HistogramDataPoint(
        attributes=count.labels,
        start_time_unix_nano=start_ns,
        time_unix_nano=moment.now_ns,
        count=int(count.value),
        sum=total,
        bucket_counts=[int(number - lower) for (_, number), lower in zip(buckets, before, strict=True)],
        explicit_bounds=[bound for bound, _ in buckets if bound != math.inf],
        min=None,  # type: ignore[arg-type]  # not known, which the encoder takes
        max=None,  # type: ignore[arg-type]
    )


def _sum(name: str, family: Family, samples: Sequence[Sample], moment: _Moment) -> Metric:
    created = _created(family)
    points = [moment.point(sample, moment.start(sample, created)) for sample in samples]
    return Metric(name, family.documentation, _unit(family), Sum(points, CUMULATIVE, is_monotonic=True))


def _named(family: Family, suffix: str) -> list[Sample]:
    return [sample for sample in family.samples if sample.name == family.name + suffix]


def _created(family: Family) -> dict[frozenset[tuple[str, str]], float]:
    return {frozenset(sample.labels.items()): sample.value for sample in _named(family, "_created")}


def _number(value: float) -> float:
    return value if isinstance(value, float) or value in INT64 else float(value)


def _unit(family: Family) -> str:
    return UNITS.get(family.unit, family.unit)


KINDS: Mapping[str, Callable[[Family, _Moment], Iterator[Metric]]] = {
    "counter": _counter,
    "summary": _summary,
    "histogram": _histogram,
}

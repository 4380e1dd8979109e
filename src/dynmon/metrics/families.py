"""Metric families: what OpenMetrics calls a name with its type, help and samples.

One number makes one sample: without a label of its own in an array of one entry or a variable, with the label ``index``
where an array, queue or stack has room for several or a variable is an array, with the label ``key`` in a hash. Per-CPU
values are summed. What is not a number is left out, and so are histograms and summaries, and the family's help says
why: OpenMetrics has no comments (prometheus_client and Prometheus itself refuse the whole exposition for one), so HELP
is the place for a sentence.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dynmon.bpf import MapType
from dynmon.btf import Plan, Repeated
from dynmon.errors import DynmonError
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import Entries
from dynmon.metrics.merging import merge
from dynmon.metrics.model import Family, FamilyType, Labels, Number, Sample
from dynmon.metrics.readings import NOT_DRAINED, QUEUES, entries_of
from dynmon.models import Direction, MetricType, OpenMetricsMetadata

if TYPE_CHECKING:
    from prometheus_client import Metric

# What is to be exported, and the metric with the plans that it is decoded by.
Reader = Callable[[BoundMetric], tuple[BoundMetric, Entries | None]]

TOTAL = "_total"
KEY = "key"
INDEX = "index"
POSITIONAL = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY}) | QUEUES
TYPES = {
    MetricType.COUNTER: FamilyType.COUNTER,
    MetricType.GAUGE: FamilyType.GAUGE,
    MetricType.UNTYPED: FamilyType.UNKNOWN,
}


def families_of(
    metrics: Sequence[BoundMetric], read: Reader | None = None, *, drain: bool = False, cube: str | None = None
) -> list[Family]:
    """The families of one cube's metrics, ingress before egress if they come so.

    `read` gives what is to be exported of a metric; by default that is what its map holds. Without `cube`, samples have
    the user's own labels; only a name that both directions use gets the label ``direction``. With it, for an exposition
    of many cubes, every sample has ``cube`` and ``direction``: labels must not come and go with other cubes. `drain`
    allows to empty queues and stacks, which cannot be read otherwise.
    """
    read = read or partial(_as_it_is, drain=drain)
    exported = [(metric, metadata) for metric in metrics if (metadata := metric.config.open_metrics_metadata)]
    names = [family_name(metric.config.name, metadata) for metric, metadata in exported]
    directions: defaultdict[str, set[Direction]] = defaultdict(set)
    for name, (metric, _) in zip(names, exported, strict=True):
        directions[name].add(metric.direction)
    families = []
    for name, (metric, metadata) in zip(names, exported, strict=True):
        labels = [("cube", cube)] if cube is not None else []
        if cube is not None or len(directions[name]) > 1:
            labels.append(("direction", metric.direction.value))
        if metric.interface:
            labels.append(("interface", metric.interface))
        place = f"cube {cube!r} {metric.direction}" if cube is not None else metric.direction.value
        families.append(_family_of(metric, metadata, labels, place, read, drain=drain))
    return merge(families)


def family_name(name: str, metadata: OpenMetricsMetadata) -> str:
    """The name of a metric's family, which for a counter is that of its samples without ``_total``."""
    return name.removesuffix(TOTAL) or name if metadata.type is MetricType.COUNTER else name


def family_from_prometheus(metric: Metric) -> Family:
    """A family of the daemon's own, as a prometheus_client collector gives it; exemplars are not kept."""
    samples = tuple(
        Sample(sample.name.removeprefix(metric.name), tuple(sample.labels.items()), sample.value)
        for sample in metric.samples
    )
    return Family(metric.name, FamilyType(metric.type), metric.documentation, samples, unit=metric.unit)


def _as_it_is(metric: BoundMetric, *, drain: bool) -> tuple[BoundMetric, Entries | None]:
    return metric, entries_of(metric, drain=drain and metric.bpf_map.info.map_type in QUEUES)


def _family_of(
    metric: BoundMetric,
    metadata: OpenMetricsMetadata,
    labels: list[tuple[str, str]],
    place: str,
    read: Reader,
    *,
    drain: bool,
) -> Family:
    subject = f"{metric.config.name} ({place})"
    reason = why_left_out(metric, metadata, drain=drain)
    entries = None
    if reason is None:
        try:
            metric, entries = read(metric)
        except DynmonError as error:
            reason = f"its map could not be read: {error}"
    if reason is not None or entries is None:
        note = f"{subject} is left out: {reason}"
        return Family(metric.config.name, FamilyType.UNKNOWN, metadata.help, notes=(note,), source=place)
    labels += [(label.name, label.value) for label in metadata.labels or ()]
    samples, notes = samples_of(metric, entries, tuple(labels), is_counter=metadata.type is MetricType.COUNTER)
    return Family(
        family_name(metric.config.name, metadata),
        TYPES[metadata.type],
        metadata.help,
        tuple(samples),
        tuple(f"{subject}: {note}" for note in notes),
        source=place,
    )


def why_left_out(metric: BoundMetric, metadata: OpenMetricsMetadata, *, drain: bool) -> str | None:
    """The reason that keeps a metric out of the exposition whatever its map holds; None when there is none."""
    map_type = metric.bpf_map.info.map_type
    if metadata.type not in TYPES:
        return f"a {metadata.type} cannot be made of single numbers"
    if not sampled(metric).is_number:
        return f"its values are {metric.value.plural}, not numbers"
    if map_type in QUEUES and not drain:
        return NOT_DRAINED.format(kind=map_type.name.lower())
    if map_type in POSITIONAL or metric.key is None:
        return None
    if not metric.key.is_scalar:
        return f"its keys are {metric.key.plural}"
    if any(label.name == KEY for label in metadata.labels or ()):
        return "its constant label 'key' stands where the map's keys go"
    return None


def samples_of(
    metric: BoundMetric, entries: Entries, constant: Labels, *, is_counter: bool
) -> tuple[list[Sample], list[str]]:
    """Entries → samples with the `constant` labels and their own, and notes on those that had to be left out."""
    suffix = TOTAL if is_counter else ""
    numbers = _numbers(sampled(metric), entries)
    samples = [
        Sample(suffix, constant + own, number)
        for own, number in zip(_own_labels(metric, entries, len(numbers)), numbers, strict=True)
        if not is_counter or number >= 0
    ]
    missing = len(numbers) - len(samples)
    if not missing:
        return samples, []
    return samples, [f"{missing} of {len(numbers)} samples are left out: a counter cannot be negative or NaN"]


def sampled(metric: BoundMetric) -> Plan:
    """What one sample is made of: a value, or, of a variable that is an array, each element."""
    return metric.value.element if metric.variable and isinstance(metric.value, Repeated) else metric.value


def places(metric: BoundMetric) -> int:
    """How many samples a map or variable without keys can make."""
    if metric.variable and isinstance(metric.value, Repeated):
        return metric.value.count
    return metric.bpf_map.info.max_entries


def own_label(metric: BoundMetric) -> str | None:
    """The label that tells a metric's samples apart; None where there is one sample only."""
    if metric.bpf_map.info.map_type not in POSITIONAL and metric.key is not None:
        return KEY
    return None if places(metric) == 1 else INDEX


def _numbers(plan: Plan, entries: Entries) -> Sequence[Number]:
    if entries.values.ndim == 2:
        rows = np.ascontiguousarray(entries.values)
        return plan.numbers(rows.reshape(-1, plan.size))
    _, cpus, size = entries.values.shape
    flat = plan.numbers(np.ascontiguousarray(entries.values).reshape(-1, size))
    return [sum(flat[start : start + cpus]) for start in range(0, len(flat), cpus)]


def _own_labels(metric: BoundMetric, entries: Entries, count: int) -> list[Labels]:
    label = own_label(metric)
    if label == KEY and metric.key is not None:
        return [((KEY, label_text(key)),) for key in metric.key.decode(entries.keys)]
    return [() if label is None else ((INDEX, str(index)),) for index in range(count)]


def label_text(value: Any) -> str:
    """A decoded scalar as the value of a label: names as they are, numbers and truth as JSON writes them."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else json.dumps(value)

"""Metric families: what OpenMetrics calls a name with its type, help and samples.

A metric makes the families that its export says (`dynmon.metrics.exports`), out of what its map holds. What cannot be
exported is left out, and the family's help says why: OpenMetrics has no comments (prometheus_client and Prometheus
itself refuse the whole exposition for one), so HELP is the place for a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dynmon.btf.plans import Rows
from dynmon.errors import DynmonError
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.blocks import Subject, families_from
from dynmon.metrics.exports import QUEUES, Export
from dynmon.metrics.extraction import Entries
from dynmon.metrics.limits import SeriesBudget
from dynmon.metrics.merging import merge
from dynmon.metrics.model import Family, FamilyType, Labels, Sample
from dynmon.metrics.readings import NOT_DRAINED, entries_of
from dynmon.models import Direction

if TYPE_CHECKING:
    from prometheus_client import Metric

# What is to be exported, and the metric with the plans that it is decoded by.
Reader = Callable[[BoundMetric], tuple[BoundMetric, Entries | None]]


def families_of(
    metrics: Sequence[BoundMetric],
    read: Reader | None = None,
    *,
    drain: bool = False,
    cube: str | None = None,
    budget: SeriesBudget | None = None,
) -> list[Family]:
    """The families of one cube's metrics, ingress before egress if they come so.

    `read` gives what is to be exported of a metric; by default that is what its map holds. Without `cube`, samples have
    the user's own labels; only a name that both directions use gets the label ``direction``. With it, for an exposition
    of many cubes, every sample has ``cube`` and ``direction``: labels must not come and go with other cubes. `drain`
    allows to empty queues and stacks, which cannot be read otherwise. `budget` limits series, as each metric does.
    """
    read = read or partial(_as_it_is, drain=drain)
    exported = [(metric, metric.export) for metric in metrics if metric.export]
    directions: defaultdict[str, set[Direction]] = defaultdict(set)
    for metric, export in exported:
        for name in export.names or [metric.config.name]:
            directions[name].add(metric.direction)
    families: list[Family] = []
    for metric, export in exported:
        place = f"cube {cube!r} {metric.direction}" if cube is not None else metric.direction.value
        if budget:
            metric.series_limit.share(budget)
        for family in _of_metric(metric, export, place, read, drain=drain):
            labels = [("cube", cube)] if cube is not None else []
            if cube is not None or len(directions[family.name]) > 1:
                labels.append(("direction", metric.direction.value))
            if metric.interface:
                labels.append(("interface", metric.interface))
            families.append(_with_labels(family, tuple(labels)))
    return merge(families)


def family_from_prometheus(metric: Metric) -> Family:
    """A family of the daemon's own, as a prometheus_client collector gives it; exemplars are not kept."""
    samples = tuple(
        Sample(sample.name.removeprefix(metric.name), tuple(sample.labels.items()), sample.value)
        for sample in metric.samples
    )
    return Family(metric.name, FamilyType(metric.type), metric.documentation, samples, unit=metric.unit)


def _as_it_is(metric: BoundMetric, *, drain: bool) -> tuple[BoundMetric, Entries | None]:
    return metric, entries_of(metric, drain=drain and metric.bpf_map.info.map_type in QUEUES)


def _of_metric(metric: BoundMetric, export: Export, place: str, read: Reader, *, drain: bool) -> Iterator[Family]:
    subject = f"{metric.config.name} ({place})"
    reason = why_left_out(metric, export, drain=drain)
    families: list[Family] = []
    if reason is None:
        try:
            found, entries = read(metric)
            constant = tuple((label.name, label.value) for label in export.metadata.labels or ())
            if entries is not None:
                families = families_from(export, _subject(found, entries), metric.series_limit, constant)
        except DynmonError as error:
            reason = f"its map could not be read: {error}"
    if not families:
        note = f"{subject} is left out: {reason}"
        yield Family(metric.config.name, FamilyType.UNKNOWN, export.metadata.help, notes=(note,), source=place)
    for number, family in enumerate(families):
        # What is said of the metric as a whole is said once.
        notes = tuple(f"{subject}: {note}" for note in (*(export.notes if not number else ()), *family.notes))
        yield replace(family, notes=notes, source=place)


def _with_labels(family: Family, labels: Labels) -> Family:
    """The family with more labels on all its samples, before those they have."""
    blocks = tuple(replace(block, constant=labels + block.constant) for block in family.blocks)
    return replace(family, blocks=blocks)


def why_left_out(metric: BoundMetric, export: Export, *, drain: bool) -> str | None:
    """The reason that keeps a metric out of the exposition whatever its map holds; None when there is none."""
    map_type = metric.bpf_map.info.map_type
    if export.reason is not None:
        return export.reason
    if map_type in QUEUES and not drain:
        return NOT_DRAINED.format(kind=map_type.name.lower())
    return None


def _subject(metric: BoundMetric, entries: Entries) -> Subject:
    """The entries as rows: those without keys by their index, the elements of a variable as values of their own."""
    shape = metric.shape
    cpus = entries.values.shape[1] if entries.values.ndim > 2 else 1
    values = np.ascontiguousarray(entries.values).reshape(-1, shape.value.plan.size)
    keys = entries.keys if shape.key is not None else _indexes(len(values) // cpus)
    return Subject(keys, values, shape.value, cpus)


def _indexes(count: int) -> Rows:
    return np.arange(count, dtype="<u4").view(np.uint8).reshape(count, 4)

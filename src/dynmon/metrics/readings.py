"""A metric's value as JSON, and when it was read.

The shapes are those that clients know: a list of values for arrays, queues and stacks; a list of
``{"key": …, "value": …}`` for hashes and tries, and for every per-CPU map, where the value is a list with one slot for
each possible CPU. A map without entries is ``[]``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynmon.bpf import MapType
from dynmon.btf import Plan
from dynmon.errors import KernelError
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import Entries, extract

QUEUES = frozenset({MapType.QUEUE, MapType.STACK})
NOT_DRAINED = "reading a {kind} empties it, and this look must not change anything"


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric's `value` (a list), read at `timestamp`: microseconds since the epoch.

    `value` is None when the map cannot be read without emptying it and nobody asked for that; `note` says so.
    """

    name: str
    value: list[Any] | None
    timestamp: int
    note: str = ""


def read(metric: BoundMetric, *, drain: bool) -> Reading:
    """Read a metric.

    With `drain`, queues and stacks are emptied, and so is any other map whose options say ``empty-on-read``; without
    it, the map stays as it is. A map that asks for ``swap-on-read`` is read like any other for now.

    Raises:
        KernelError: The kernel refused the read.
    """
    entries = entries_of(metric, drain=drain)
    timestamp = time.time_ns() // 1000
    if entries is None:
        note = NOT_DRAINED.format(kind=metric.bpf_map.info.map_type.name.lower())
        return Reading(metric.config.name, None, timestamp, note)
    return Reading(metric.config.name, SHAPES[metric.bpf_map.info.map_type](metric, entries), timestamp)


def read_or_explain(metric: BoundMetric, *, drain: bool) -> Reading:
    """Read a metric among others: one that cannot be read says why and leaves the others alone."""
    try:
        return read(metric, drain=drain)
    except KernelError as error:
        return Reading(metric.config.name, None, time.time_ns() // 1000, f"its map could not be read: {error}")


def entries_of(metric: BoundMetric, *, drain: bool) -> Entries | None:
    """What the metric's map, or its variable in there, holds; None for a queue or stack that must not be drained."""
    if metric.bpf_map.info.map_type in QUEUES:
        return extract(metric.bpf_map, drain=True) if drain else None
    entries = extract(metric.bpf_map, drain=drain and metric.config.extraction_options.empty_on_read)
    if metric.variable is None:
        return entries
    start = metric.variable.offset
    return Entries(entries.keys, entries.values[:, start : start + metric.variable.size])


def values_alone(metric: BoundMetric, entries: Entries) -> list[Any]:
    """The values without keys, in order."""
    return metric.value.decode(entries.values)


def keys_and_values(metric: BoundMetric, entries: Entries) -> list[Any]:
    """An object for each entry."""
    return _pairs(metric.key, entries, metric.value.decode(entries.values))


def keys_and_values_by_cpu(metric: BoundMetric, entries: Entries) -> list[Any]:
    """An object for each entry, its value a list by CPU."""
    _, cpus, size = entries.values.shape
    flat = metric.value.decode(np.ascontiguousarray(entries.values).reshape(-1, size))
    return _pairs(metric.key, entries, [flat[start : start + cpus] for start in range(0, len(flat), cpus)])


def _pairs(key: Plan | None, entries: Entries, values: list[Any]) -> list[Any]:
    keys = key.decode(entries.keys) if key else [None] * len(entries)
    return [{"key": one_key, "value": value} for one_key, value in zip(keys, values, strict=True)]


SHAPES: dict[MapType, Callable[[BoundMetric, Entries], list[Any]]] = {
    MapType.ARRAY: values_alone,
    MapType.QUEUE: values_alone,
    MapType.STACK: values_alone,
    MapType.HASH: keys_and_values,
    MapType.LRU_HASH: keys_and_values,
    MapType.LPM_TRIE: keys_and_values,
    MapType.PERCPU_ARRAY: keys_and_values_by_cpu,
    MapType.PERCPU_HASH: keys_and_values_by_cpu,
    MapType.LRU_PERCPU_HASH: keys_and_values_by_cpu,
}

"""What a map holds as JSON.

The shapes are those that clients know: a list of values for arrays, queues and stacks; a list of
``{"key": …, "value": …}`` for hashes and tries, and for every per-CPU map, where the value is a list with one slot for
each possible CPU. A map without entries is ``[]``. The value of a map of maps is what the map in that place holds, in
its own shape, and null where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dynmon.bpf import MapType
from dynmon.btf import Plan
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import Entries
from dynmon.metrics.nested import InnerMap, NestedEntries

# An inner map may be large; so many entries are decoded at once, for the sake of other threads.
PART_ENTRIES = 4096


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


def maps_alone(metric: BoundMetric, entries: Entries) -> list[Any]:
    """What each of the maps inside holds, in order."""
    assert isinstance(entries, NestedEntries)
    return [_inside(inner) for inner in entries.inner]


def keys_and_maps(metric: BoundMetric, entries: Entries) -> list[Any]:
    """An object for each entry, its value what the map inside holds."""
    return _pairs(metric.key, entries, maps_alone(metric, entries))


def _inside(inner: InnerMap | None) -> list[Any] | None:
    if inner is None:
        return None
    shape, entries = SHAPES[inner.metric.bpf_map.info.map_type], inner.entries
    starts = range(0, len(entries), PART_ENTRIES)
    return [item for start in starts for item in shape(inner.metric, entries.part(start, start + PART_ENTRIES))]


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
    MapType.ARRAY_OF_MAPS: maps_alone,
    MapType.HASH_OF_MAPS: keys_and_maps,
    MapType.PERCPU_ARRAY: keys_and_values_by_cpu,
    MapType.PERCPU_HASH: keys_and_values_by_cpu,
    MapType.LRU_PERCPU_HASH: keys_and_values_by_cpu,
}

"""A metric's value at one moment, decoded when somebody asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dynmon.bpf import MapType
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import Entries, extract, pop
from dynmon.metrics.json_parts import entries_as_json
from dynmon.metrics.nested import NestedEntries, read_nested
from dynmon.metrics.shapes import SHAPES

QUEUES = frozenset({MapType.QUEUE, MapType.STACK})
NOT_DRAINED = "reading a {kind} empties it, and this look must not change anything"
# So many are decoded at once: the interpreter is never kept from its other threads for long.
PART_ENTRIES = 4096
PART_BYTES = 1 << 20
# They are decoded sooner than a plan for their text is made.
FEW_BYTES = 1 << 10


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric held at `timestamp`: microseconds since the epoch.

    `metric` has the plans that `entries` are decoded by. `entries` is None when the map cannot be read without emptying
    it and nobody asked for that; `note` says so. `cursor` is where the next page begins, None at the end. `since` is
    the token for what happens from now on. A metric that is split has no entries itself, but in `split` a reading for
    each interface.
    """

    name: str
    timestamp: int
    metric: BoundMetric
    entries: Entries | None
    note: str = ""
    cursor: str | None = None
    since: str | None = None
    split: tuple[Reading, ...] | None = None

    @property
    def value(self) -> list[Any] | None:
        """The whole value as JSON has it, a list."""
        if self.split is not None:
            return [{"interface": each.metric.interface, "value": each.value} for each in self.split]
        return None if self.entries is None else self._decoded(self.entries)

    def parts(self) -> Iterator[list[Any]]:
        """The value in lists of no more than `PART_ENTRIES`, for answers that are written as they are made."""
        if self.entries is not None:
            step = _step(self.entries)
            for start in range(0, len(self.entries), step):
                yield self._decoded(self.entries.part(start, start + step))

    def json(self) -> Iterator[bytes] | None:
        """The same as the compact JSON of what stands in the list, written without decoding it.

        None where that is not worth it, or not possible.
        """
        if self.entries is None or self.entries.keys.nbytes + self.entries.values.nbytes <= FEW_BYTES:
            return None
        return entries_as_json(self.metric, self.entries, _step(self.entries))

    def _decoded(self, entries: Entries) -> list[Any]:
        return SHAPES[self.metric.bpf_map.info.map_type](self.metric, entries)


def _step(entries: Entries) -> int:
    row_bytes = (entries.keys.nbytes + entries.values.nbytes) // max(1, len(entries))
    return max(1, min(PART_ENTRIES, PART_BYTES // max(1, row_bytes)))


def now() -> int:
    """The time in microseconds since the epoch."""
    return time.time_ns() // 1000


def read(metric: BoundMetric, *, drain: bool) -> Reading:
    """Read what the metric's map holds now; with `drain` also a queue or stack, which is emptied by it.

    Raises:
        KernelError: The kernel refused the read.
    """
    entries = entries_of(metric, drain=drain)
    kind = metric.bpf_map.info.map_type.name.lower()
    note = note_on(entries) if entries is not None else NOT_DRAINED.format(kind=kind)
    return Reading(metric.config.name, now(), metric, entries, note)


def entries_of(metric: BoundMetric, *, drain: bool) -> Entries | None:
    """What the metric's map, or its variable in there, holds; None for a queue or stack that must not be drained."""
    info = metric.bpf_map.info
    if info.map_type in QUEUES:
        return pop(metric.bpf_map, info.max_entries) if drain else None
    if metric.inner is not None:
        return read_nested(metric)
    return own_part(metric, extract(metric.bpf_map))


def note_on(entries: Entries) -> str:
    """Why some of what was read has no value; "" where all has."""
    return entries.note if isinstance(entries, NestedEntries) else ""


def own_part(metric: BoundMetric, entries: Entries) -> Entries:
    """Of the entries of the metric's map, what is the metric's: of a section of variables, its variable."""
    if metric.variable is None:
        return entries
    start = metric.variable.offset
    return Entries(entries.keys, entries.values[:, start : start + metric.variable.size])

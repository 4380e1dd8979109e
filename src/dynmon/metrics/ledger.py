"""What was taken out of a metric's map, and who has seen how much of it.

A map that is emptied to be read has its entries in one place only: here. Several readers want different things of them:
a counter everything since the map was made, one client what happened since it last asked, another one since it last
asked. So a ledger is a journal. It is cut into segments at *marks*, a mark for each place where a reader stands; a
*window* puts together the segments behind a mark, the *total* all of them. A segment that no mark begins any more joins
the one before it.

Adding is cheap: rows wait until somebody asks, or until there are as many as were put together before, so that the
work for each row stays the same however many come. Wide rows do not wrap, and rows of one key are put together in the
order in which they came, as "the newest wins" needs.

Arrays are here as their touched entries: one that is all zero was not touched since the array was cleared.
"""

from __future__ import annotations

import itertools
from collections import Counter
from copy import copy
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dynmon.bpf import MapType, possible_cpus
from dynmon.btf import Rows
from dynmon.metrics.extraction import Entries
from dynmon.metrics.folding import Groups, Table, fold
from dynmon.metrics.widening import Widened
from dynmon.metrics.words import touched

ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY})
INDEX = "<u4"
BEGINNING = 0
WAITING_TABLES = 64
WAITING_ROWS = 1 << 18


@dataclass(slots=True)
class _Segment:
    """What came between two marks: `kept` has its place, `waiting` must still find out whether there is one."""

    kept: list[Table] = field(default_factory=list)
    waiting: list[Table] = field(default_factory=list)

    @property
    def tables(self) -> list[Table]:
        return [*self.kept, *self.waiting]

    @property
    def is_folded(self) -> bool:
        return not self.waiting and len(self.kept) < 2

    @property
    def is_due(self) -> bool:
        """Whether more waits than was put together before."""
        first, *others = map(len, self.tables)
        return len(others) > WAITING_TABLES or sum(others) > max(WAITING_ROWS, first)


class Ledger:
    """Wide rows by key, or by index, since the map was made and since each mark; for one thread at a time.

    A mark is a place in the journal. It stays until it is released as often as it was given.
    """

    def __init__(
        self,
        widened: Widened,
        *,
        map_type: MapType,
        key_size: int,
        max_entries: int,
        keeps_total: bool,
        max_bytes: int,
    ) -> None:
        """Begin a journal for a map that is now empty.

        Without `keeps_total`, what is older than the oldest mark is forgotten. Of keys that nobody knows yet, no more
        are kept than fit into `max_bytes`, of which each segment takes its share.
        """
        self.widened = widened
        self._is_array = map_type in ARRAYS
        self._is_per_cpu = map_type.is_per_cpu
        self._slots = possible_cpus() if map_type.is_per_cpu else 1
        self._key_size = key_size
        self._max_entries = max_entries
        self.keeps_total = keeps_total
        self._max_bytes = max_bytes
        self._segments: dict[int, _Segment] = {BEGINNING: _Segment()} if keeps_total else {}
        self._raw: list[Entries] = []  # on their way into the last segment
        self._marks: Counter[int] = Counter()
        self._positions = itertools.count(1)
        self._observed = self._nothing()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many entries were not kept because they were new and there was no room."""
        self._absorb()
        for segment in self._segments.values():
            self._fold(segment)
        return self._dropped

    def copy(self, mark: int, *, keeps_total: bool = True) -> Ledger:
        """Another ledger, without marks, whose beginning is a mark of this one, or its beginning."""
        self._absorb()
        other = copy(self)
        segments = [segment for position, segment in self._segments.items() if position >= mark]
        whole = _Segment([t for each in segments for t in each.kept], [t for each in segments for t in each.waiting])
        other._segments, other._marks, other._raw = {BEGINNING: whole}, Counter(), []
        other._dropped, other.keeps_total = 0, keeps_total
        return other

    def joined(self, mark: int, other: Ledger, others_mark: int) -> tuple[Ledger, int]:
        """A ledger that has what both have, and its one mark: behind it is what was behind the marks of the two."""
        older, newer = list[Table](), list[Table]()
        for ledger, end in ((self, mark), (other, others_mark)):
            ledger._absorb()
            for position, segment in ledger._segments.items():
                (older if position < end else newer).extend(segment.tables)
        joined, position = copy(self), next(self._positions)
        joined._segments = {BEGINNING: _Segment(waiting=older)} if self.keeps_total else {}
        joined._segments[position] = _Segment(waiting=newer)
        joined._marks, joined._raw, joined._dropped = Counter({position: 1}), [], self.dropped + other.dropped
        for segment in joined._segments.values():
            joined._fold(segment)
        return joined, position

    def add(self, entries: Entries) -> None:
        """Take over what was taken out of the map; it is kept even where there is no memory to put it in its place."""
        self._raw.append(entries)
        self._absorb()

    def observe(self, entries: Entries) -> None:
        """Look at a map that nobody empties: what was added to it since the last look comes in, at first everything."""
        then, now = self._observed, self._table(entries)
        groups = Groups.of([then, now])
        is_there = groups.last >= len(then)
        was_there = is_there & (groups.first < len(then))
        self._observed = groups.joined.rows(groups.last[is_there])
        self._append(groups.joined.rows(groups.last[is_there & ~was_there]))
        self._append(self._changes(groups.joined, groups.last[was_there], groups.first[was_there]))

    def mark(self) -> int:
        """A mark at the present end."""
        self._absorb()
        position = next(reversed(self._segments), None)
        if position is None or self._segments[position].tables:
            position = next(self._positions)
            self._segments[position] = _Segment()
        self._marks[position] += 1
        return position

    def mark_at(self, mark: int) -> int:
        """Once more the mark that is there, or the beginning."""
        assert mark in self._segments, "the place of a mark that was released is not known any more"
        self._marks[mark] += 1
        return mark

    def release(self, mark: int) -> None:
        """Nobody will ask for the window of this mark any more.

        Raises:
            KeyError: There is no such mark.
        """
        if not self._marks[mark]:
            raise KeyError(mark)
        self._absorb()
        self._marks[mark] -= 1
        if self._marks[mark]:
            return
        del self._marks[mark]
        earlier = [position for position in self._segments if position < mark]
        if earlier:
            self._join(self._segments[earlier[-1]], self._segments.pop(mark))
        elif not self.keeps_total:
            del self._segments[mark]

    def window(self, mark: int) -> Entries:
        """Everything since the mark.

        Raises:
            KeyError: There is no such mark.
        """
        if mark not in self._marks:
            raise KeyError(mark)
        return self._since(mark)

    def total(self) -> Entries:
        """Everything since the map was made; only for a ledger that keeps it."""
        assert self.keeps_total, "what is older than the oldest mark was forgotten"
        return self._since(BEGINNING)

    def nothing(self) -> Entries:
        """A window in which nothing happened."""
        return self._entries(self._nothing())

    def with_live(self, base: Entries, live: Entries) -> Entries:
        """A total or a window, together with what the map holds now."""
        return self._entries(self._folded(Groups.of([self._wide_table(base), self._table(live)])))

    def combined(self, older: Entries, newer: Entries) -> Entries:
        """Two windows, one after the other, as one."""
        return self._entries(self._folded(Groups.of([self._wide_table(older), self._wide_table(newer)])))

    def _absorb(self) -> None:
        while self._raw:
            table = self._table(self._raw[0])
            del self._raw[0]
            self._append(table)

    def _append(self, table: Table) -> None:
        segment = next(reversed(self._segments.values()), None)
        if segment is None or not len(table):
            return
        segment.waiting.append(table)
        if segment.is_due or sum(table.size for table in segment.waiting) > self._max_bytes:
            self._fold(segment)

    def _join(self, segment: _Segment, following: _Segment) -> None:
        if segment.waiting:
            self._fold(segment)
        segment.kept += following.kept
        segment.waiting = following.waiting
        if segment.tables and segment.is_due:
            self._fold(segment)

    def _since(self, mark: int) -> Entries:
        self._absorb()
        segments = [segment for position, segment in self._segments.items() if position >= mark]
        for segment in segments:
            self._fold(segment)
        tables = [table for segment in segments for table in segment.kept]
        if len(tables) == 1:
            return self._entries(tables[0])
        return self._entries(self._folded(Groups.of([self._nothing(), *tables])))

    def _fold(self, segment: _Segment) -> None:
        if segment.is_folded:
            return
        groups = Groups.of(segment.tables)
        folded = self._folded(groups)
        others = [table for other in self._segments.values() if other is not segment for table in other.tables]
        excess = folded.size + sum(table.size for table in others) - self._max_bytes
        if excess > 0:
            is_new = groups.first >= sum(map(len, segment.kept))
            for table in others:
                is_new &= ~np.isin(folded.hashes, table.hashes)
            folded = self._without(folded, groups, np.flatnonzero(is_new), excess)
        segment.kept, segment.waiting = [folded], []

    def _without(self, folded: Table, groups: Groups, new: NDArray[np.intp], excess: int) -> Table:
        """Of the rows that are `new`, leave out those that came last."""
        row_bytes = folded.size // len(folded)
        too_many = min(len(new), -(-excess // row_bytes))
        out = new[np.argsort(groups.first[new])[len(new) - too_many :]]
        self._dropped += int(groups.sizes[out].sum())
        stays = np.ones(len(folded), bool)
        stays[out] = False
        return folded.rows(np.flatnonzero(stays))

    def _folded(self, groups: Groups) -> Table:
        return fold(groups, self.widened, is_per_cpu=self._is_per_cpu)

    def _changes(self, joined: Table, now: NDArray[np.intp], then: NDArray[np.intp]) -> Table:
        is_changed = touched(joined.values.take(now, axis=0) ^ joined.values.take(then, axis=0))
        changed = joined.rows(now[is_changed])
        before = joined.values.take(then[is_changed], axis=0)
        width = self.widened.plan.size
        rows = self.widened.difference(changed.values.reshape(-1, width), before.reshape(-1, width))
        return Table(changed.keys, rows.reshape(changed.values.shape), changed.hashes)

    def _wide_table(self, entries: Entries) -> Table:
        table = Table.of(entries.keys, self._by_slot(entries.values))
        return table.rows(np.flatnonzero(touched(table.values))) if self._is_array else table

    def _table(self, entries: Entries) -> Table:
        keys, values = entries.keys, self._by_slot(entries.values)
        if self._is_array:
            rows = np.flatnonzero(touched(values))
            keys, values = keys.take(rows, axis=0), values.take(rows, axis=0)
        wide = self.widened.widen(values.reshape(len(values) * self._slots, values.shape[-1]))
        return Table.of(keys.copy(), wide.reshape(len(values), self._slots, self.widened.plan.size))

    def _by_slot(self, values: Rows) -> NDArray[np.uint8]:
        return values.reshape(len(values), self._slots, values.shape[-1])

    def _nothing(self) -> Table:
        values = np.empty((0, self._slots, self.widened.plan.size), np.uint8)
        return Table.of(np.empty((0, self._key_size), np.uint8), values)

    def _entries(self, table: Table) -> Entries:
        keys, values = table.keys, table.values
        if self._is_array:
            dense = np.zeros((self._max_entries, *values.shape[1:]), np.uint8)
            dense[np.ascontiguousarray(keys).view(INDEX)[:, 0]] = values
            keys, values = np.arange(self._max_entries, dtype=INDEX).view(np.uint8).reshape(-1, self._key_size), dense
        return Entries(keys, values if self._is_per_cpu else values[:, 0])

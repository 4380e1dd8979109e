"""Map of maps → what the maps inside of it hold.

To user space, the value behind a key is the number of a map. A program may put another map there, or none, between our
asking for the number and our opening it; a map that is gone by then has no value. Opening a map by its number takes
CAP_SYS_ADMIN, which a daemon may do without: then the numbers are all that can be known, and the note says so.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynmon.bpf import BpfMap
from dynmon.errors import KernelError
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import READERS, Entries, TooMuchToRead, extract
from dynmon.metrics.map_numbers import read_numbers
from dynmon.metrics.paging import Page, first
from dynmon.metrics.refusals import QUEUES, UNREADABLE

NOT_ALLOWED = "the maps inside of it are not shown: opening them takes CAP_SYS_ADMIN, which this process has not"
NO_VALUES = "maps inside of it are of type {kind}, which cannot be read: {reason}"
EMPTIED = "reading one empties it"


@dataclass(frozen=True, slots=True)
class InnerMap:
    """What one of the maps inside held; `metric` has its types. The map itself is closed."""

    metric: BoundMetric
    entries: Entries


@dataclass(frozen=True, slots=True)
class NestedEntries(Entries):
    """The entries of a map of maps, the values being numbers of maps; `inner` has for each what that map held.

    It is None where there is no map, or one that cannot be read; for the latter there is a reason in `note`. An array
    has all its places, as other arrays do; the number of an empty one is zero.
    """

    inner: tuple[InnerMap | None, ...] = ()
    note: str = ""

    def part(self, start: int, stop: int) -> NestedEntries:
        """Some of the entries."""
        return NestedEntries(self.keys[start:stop], self.values[start:stop], self.inner[start:stop], self.note)

    def rows(self, rows: NDArray[np.intp]) -> NestedEntries:
        """The entries in these rows, in their order."""
        inner = tuple(self.inner[row] for row in rows.tolist())
        return NestedEntries(self.keys[rows], self.values[rows], inner, self.note)


def read_nested(metric: BoundMetric, max_bytes: int | None = None) -> NestedEntries:
    """Read a map of maps and all that is inside, which stays as it is.

    Raises:
        KernelError: The kernel refused a read.
        TooMuchToRead: It is more than `max_bytes` altogether.
    """
    return _filled(metric, Entries(*read_numbers(metric.bpf_map)), max_bytes)


def nested_page(metric: BoundMetric, wanted: Page, max_bytes: int | None = None) -> tuple[NestedEntries, str | None]:
    """Read some entries of a map of maps and what is inside of them; and where the next page begins, None at the end.

    Raises:
        InvalidCursor: The cursor is none of this map's.
        KernelError: The kernel refused a read.
        TooMuchToRead: The page is more than `max_bytes`.
    """
    numbers, cursor = first(Entries(*read_numbers(metric.bpf_map)), wanted)
    return _filled(metric, numbers, max_bytes), cursor


def _filled(metric: BoundMetric, numbers: Entries, max_bytes: int | None) -> NestedEntries:
    reader = _Reader(metric, max_bytes)
    inner = tuple(reader.read(number) for number in numbers.values.copy().view("<u4")[:, 0].tolist())
    return NestedEntries(numbers.keys, numbers.values, inner, "; ".join(reader.notes))


class _Reader:
    """Reads one inner map after the other; `notes` say why some are left out."""

    def __init__(self, metric: BoundMetric, max_bytes: int | None) -> None:
        self._metric = metric
        self._max_bytes = max_bytes
        self._read_bytes = 0
        self.notes: dict[str, None] = {}

    def read(self, number: int) -> InnerMap | None:
        """What the map with this number holds; None where there is no such map, or no way to read it."""
        if not number or NOT_ALLOWED in self.notes:
            return None
        try:
            bpf_map = BpfMap.from_id(number)
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return None
            if error.errno == errno.EPERM:
                self.notes[NOT_ALLOWED] = None
                return None
            raise
        with bpf_map:
            return self._read(bpf_map)

    def _read(self, bpf_map: BpfMap) -> InnerMap | None:
        info, types = bpf_map.info, self._metric.inner
        if info.map_type not in READERS or info.map_type in QUEUES:
            reason = UNREADABLE.get(info.map_type, EMPTIED)
            self.notes[NO_VALUES.format(kind=info.map_type.name.lower(), reason=reason)] = None
            return None
        assert types is not None, "a map of maps is bound with the types of those inside"
        entries = self._extracted(bpf_map)
        metric = replace(
            self._metric, bpf_map=bpf_map, key_type=types.key_of(info), value_type=types.value_of(info), inner=None
        )
        return InnerMap(metric, entries)

    def _extracted(self, bpf_map: BpfMap) -> Entries:
        try:
            entries = extract(bpf_map, None if self._max_bytes is None else self._max_bytes - self._read_bytes)
        except TooMuchToRead as error:
            raise TooMuchToRead(
                self._metric.bpf_map.info.name, self._read_bytes + error.read_bytes, self._read_bytes + error.max_bytes
            ) from error
        self._read_bytes += entries.keys.nbytes + entries.values.nbytes
        return entries

"""Tables of wide rows, one for each key, and how many of them become one.

Rows are brought together by sorting a hash of their keys: one word sorts five times as fast as a key of two. Tables
that were folded once are sorted by it, and two sorted runs merge in one pass. The hash is seeded, because keys come
out of packets that somebody may have chosen; should two keys have the same one all the same, whole keys are sorted.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynmon.btf import Rows
from dynmon.metrics.widening import Widened
from dynmon.metrics.words import WORD_BYTES, touched

SEED = np.uint64(secrets.randbits(64))
# The finalizer of MurmurHash3, a bijection in which every bit of the input changes half of the output.
SHIFT = np.uint64(33)
FACTORS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


@dataclass(frozen=True, slots=True)
class Table:
    """Wide values by key: `values` has three dimensions, entries, slots (one, or one for each CPU) and bytes."""

    keys: Rows
    values: NDArray[np.uint8]
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, keys: Rows, values: NDArray[np.uint8]) -> Table:
        """A table that nobody sorted yet."""
        return cls(keys, values, hashes_of(keys))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def size(self) -> int:
        """The bytes it keeps."""
        return self.keys.nbytes + self.values.nbytes + self.hashes.nbytes

    def rows(self, numbers: NDArray[np.intp]) -> Table:
        """Some of its rows, copied."""
        # A sixth of the time that it takes to index by an array.
        return Table(
            self.keys.take(numbers, axis=0), self.values.take(numbers, axis=0), self.hashes.take(numbers, axis=0)
        )


@dataclass(frozen=True, slots=True)
class Groups:
    """The rows of several tables that have the same key, older ones first.

    `order` are the numbers of all rows, group by group; `starts` says where each group begins, `sizes` how many it has.
    """

    joined: Table
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]

    @classmethod
    def of(cls, tables: Sequence[Table]) -> Groups:
        """Bring together the rows of `tables`, which come in the order of time."""
        joined = tables[0] if len(tables) == 1 else _joined(tables)
        order = np.argsort(joined.hashes, kind="stable")
        is_first = _changes(joined.hashes.take(order)[:, None])
        repeated = np.flatnonzero(~is_first)
        same, before = (joined.keys.take(order.take(rows), axis=0) for rows in (repeated, repeated - 1))
        if not np.array_equal(same, before):
            words = _words(joined.keys)
            order = np.lexsort(words.T)
            is_first = _changes(words.take(order, axis=0))
        starts = np.flatnonzero(is_first)
        return cls(joined, order, starts, np.diff(starts, append=len(order)))

    @property
    def first(self) -> NDArray[np.intp]:
        """The number of each group's oldest row."""
        return np.take(self.order, self.starts)

    @property
    def last(self) -> NDArray[np.intp]:
        """The number of each group's newest row."""
        return np.take(self.order, self.starts + self.sizes - 1)


def fold(groups: Groups, widened: Widened, *, is_per_cpu: bool) -> Table:
    """One row for each group; a CPU whose slot is zero has not touched the value."""
    result = groups.joined.rows(groups.first)
    whole = _whole(result.values)
    group = np.flatnonzero(groups.sizes > 1)
    rank = 1
    while len(group):
        newer = groups.joined.values.take(groups.order.take(groups.starts.take(group) + rank), axis=0)
        older = result.values.take(group, axis=0)
        whole[group] = _whole(combine(widened, older, newer, is_per_cpu=is_per_cpu))
        rank += 1
        group = group[groups.sizes.take(group) > rank]
    return result


def combine(
    widened: Widened, older: NDArray[np.uint8], newer: NDArray[np.uint8], *, is_per_cpu: bool
) -> NDArray[np.uint8]:
    """Values with three dimensions, each with the later one of the same key."""
    old_rows, new_rows = (values.reshape(-1, values.shape[-1]) for values in (older, newer))
    result = widened.combine(old_rows, new_rows)
    if is_per_cpu:
        for rows, others in ((new_rows, old_rows), (old_rows, new_rows)):
            untouched = np.flatnonzero(~touched(rows))
            result[untouched] = others[untouched]
    return result.reshape(newer.shape)


def _joined(tables: Sequence[Table]) -> Table:
    return Table(
        np.concatenate([table.keys for table in tables]),
        np.concatenate([table.values for table in tables]),
        np.concatenate([table.hashes for table in tables]),
    )


def _whole(values: NDArray[np.uint8]) -> NDArray[np.void]:
    """Each value as one thing that numpy moves in one go."""
    width = math.prod(values.shape[1:])
    return values.reshape(len(values), width).view(f"V{width}")[:, 0]


def _changes(rows: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where a row is not the same as the one before it; the first never is."""
    changes = np.ones(len(rows), bool)
    np.any(rows[1:] != rows[:-1], axis=1, out=changes[1:])
    return changes


def _words(keys: Rows) -> NDArray[np.uint64]:
    size = -(-keys.shape[1] // WORD_BYTES) * WORD_BYTES
    padded = np.zeros((len(keys), size), np.uint8)
    padded[:, : keys.shape[1]] = keys
    return padded.view("<u8")


def hashes_of(keys: Rows) -> NDArray[np.uint64]:
    """A word for each row: one row has the same as long as the process lives, two rows only by chance."""
    words = _words(keys)
    if words.shape[1] == 1:
        return words[:, 0]
    result = np.full(len(words), SEED)
    for column in words.T:
        result ^= column
        for factor in FACTORS:
            result ^= result >> SHIFT
            result *= factor
        result ^= result >> SHIFT
    return result

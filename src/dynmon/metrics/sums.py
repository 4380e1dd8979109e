"""Columns of numbers out of the values of a map, and their exact sums.

Counts of a map are added up over CPUs, over series that become one, and over buckets. Words of 64 bits may wrap by
that, so sums are made in halves of words, and come out as wide as they have to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynmon.btf.plans import Field, Integer, Rows
from dynmon.metrics.fields import is_network_order
from dynmon.metrics.words import WORD_BYTES, Number, Words
from dynmon.rendering import Float, Form, Part
from dynmon.rendering import Integer as IntegerPart

HALF_BITS = np.int64(32)
HALF = np.int64((1 << 32) - 1)
HALVES = 4
Ids = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number for each row: `words` has one or, for integers of up to 128 bits, two along its last axis."""

    words: Words
    is_signed: bool = False
    is_float: bool = False

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def of(cls, field: Field, rows: Rows) -> Numbers:
        """The numbers that a field has in each row."""
        plan = field.plan
        if is_network_order(field) and isinstance(plan, Integer) and plan.size <= WORD_BYTES:
            plan = replace(plan, is_big_endian=True)
        number = Number.of(plan)
        words = number.read(rows[:, field.offset : field.offset + plan.size])
        return cls(words, number.is_signed and not number.is_float, number.is_float)

    @classmethod
    def counts(cls, counts: Sequence[int] | NDArray[np.uint64]) -> Numbers:
        """Numbers that are there already."""
        return cls(np.asarray(counts, "<u8").reshape(-1, 1))

    @classmethod
    def floats(cls, values: NDArray[np.float64]) -> Numbers:
        """Floating-point numbers that are there already."""
        return cls(np.ascontiguousarray(values, "<f8").reshape(-1, 1), is_float=True)

    def summed(self, each: int) -> Numbers:
        """The sums of each so many that follow one another."""
        if each == 1:
            return self
        groups = self.words.reshape(-1, each, self.words.shape[-1])
        if self.is_float or self._is_small(each):
            return replace(self, words=groups.sum(axis=1, dtype=self.words.dtype))
        return self._whole(self._halves().reshape(-1, each, HALVES).sum(axis=1))

    def grouped(self, ids: Ids, count: int) -> Numbers:
        """The sums by group; `ids` says of each number which of `count` groups it belongs to."""
        if self.is_float or self._is_small(len(self)):
            return replace(self, words=_added(self.words, ids, count))
        return self._whole(_added(self._halves(), ids, count))

    def cumulated(self, each: int) -> Numbers:
        """Of each so many that follow one another, the sums from the first on."""
        if self._is_small(each):
            return replace(
                self, words=self.words.reshape(-1, each).cumsum(axis=1, dtype=self.words.dtype).reshape(-1, 1)
            )
        return self._whole(self._halves().reshape(-1, each, HALVES).cumsum(axis=1).reshape(-1, HALVES))

    def highest(self, other: Numbers) -> Numbers:
        """The higher of two counts, each with the other's in the same place."""
        is_lower = self.as_floats() < other.as_floats()
        if not is_lower.any():
            return self
        return self._whole(np.where(is_lower[:, None], other._halves(), self._halves()))

    def rows(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Numbers:
        """Some of them."""
        return replace(self, words=self.words[which])

    def scaled(self, multiplier: float) -> Numbers:
        """Each times `multiplier`."""
        return self if multiplier == 1 else Numbers.floats(self.as_floats() * multiplier)

    def as_floats(self) -> NDArray[np.float64]:
        """The nearest floating-point numbers."""
        if self.words.shape[-1] == 1:
            return self.words[:, 0].astype(np.float64)
        high = self.words[:, 1].view("<i8") if self.is_signed else self.words[:, 1]
        return np.asarray(high.astype(np.float64) * 2.0**64 + self.words[:, 0].astype(np.float64))

    def is_countable(self) -> NDArray[np.bool_]:
        """Which of them a counter may have: none below zero, and no NaN."""
        if self.is_float or (self.is_signed and self.words.shape[-1] == 1):
            return np.asarray(self.words[:, 0] >= 0)
        if self.is_signed:
            return np.asarray(self.words[:, 1].view("<i8") >= 0)
        return np.ones(len(self), np.bool_)

    @property
    def bytes(self) -> Rows:
        """Their bytes, in rows."""
        width = self.words.shape[-1] * WORD_BYTES
        return np.ascontiguousarray(self.words).view(np.uint8).reshape(len(self), width)

    def part(self, offset: int) -> Part:
        """What writes one of them, from its bytes at `offset`."""
        if self.is_float:
            return Float(offset, WORD_BYTES, Form.EXPOSITION)
        return IntegerPart(offset, self.words.shape[-1] * WORD_BYTES, self.is_signed)

    def _is_small(self, added: int) -> bool:
        """Whether so many of them cannot go round by being added up."""
        if self.words.shape[-1] > 1:
            return False
        limit = ((1 << 63) - 1) // max(1, added)
        return not len(self) or (int(self.words.max()) <= limit and int(self.words.min()) >= -limit)

    def _halves(self) -> NDArray[np.int64]:
        halves = np.zeros((len(self), HALVES), np.int64)
        for number in range(self.words.shape[-1]):
            word = self.words[:, number].view("<u8")
            halves[:, 2 * number] = (word & np.uint64(HALF)).astype(np.int64)
            halves[:, 2 * number + 1] = (word >> np.uint64(32)).astype(np.int64)
        if self.is_signed:
            top = 2 * self.words.shape[-1] - 1
            halves[:, top] -= (halves[:, top] >> np.int64(31)) << HALF_BITS
        return halves

    def _whole(self, halves: NDArray[np.int64]) -> Numbers:
        """Sums of halves as numbers: what is beyond a half goes to the next."""
        for number in range(HALVES - 1):
            halves[:, number + 1] += halves[:, number] >> HALF_BITS
            halves[:, number] &= HALF
        halves[:, HALVES - 1] &= HALF
        parts = halves.view("<u8")
        low, high = (parts[:, number] | parts[:, number + 1] << np.uint64(32) for number in (0, 2))
        above = (low.view("<i8") >> np.int64(63)).view("<u8") if self.is_signed else np.zeros_like(low)
        if np.array_equal(high, above):
            return replace(self, words=low.view("<i8" if self.is_signed else "<u8")[:, None])
        return replace(self, words=np.stack([low, high], axis=1))


def _added(columns: Words, ids: Ids, count: int) -> Words:
    sums = np.zeros((columns.shape[-1], count), columns.dtype)
    for place, column in zip(sums, columns.T, strict=True):
        np.add.at(place, ids, column)
    return np.ascontiguousarray(sums.T)

"""Numbers of any C type as words of 64 bits, and what can be done with whole columns of them.

A column is an array whose last axis has the words of one number, the lowest first: one word for integers of up to 64
bits and for floating point (as double), two for integers of up to 128 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynmon.btf.plans import Bits, Boolean, Enumeration, Floating, Integer, Plan

Words = NDArray[Any]
WORD_BYTES = 8
WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class Number:
    """How a number that `plan` decodes becomes words; `bits` is how wide it was before."""

    plan: Plan
    bits: int
    is_signed: bool
    is_float: bool = False

    @classmethod
    def of(cls, plan: Plan) -> Number:
        """The number behind a plan; only for those with `is_number`."""
        match plan:
            case Integer():
                return cls(plan, plan.size * 8, plan.is_signed)
            case Bits():
                return cls(plan, plan.bits, plan.is_signed)
            case Floating():
                return cls(plan, WORD_BITS, is_signed=True, is_float=True)
            case Boolean():
                return cls(plan, 1, is_signed=False)
            case Enumeration():
                number = cls.of(plan.number)
                return cls(plan, number.bits, number.is_signed)
        raise TypeError(f"{type(plan).__name__} is not a number")

    @property
    def size(self) -> int:
        """The bytes of its words."""
        return WORD_BYTES if self.bits <= WORD_BITS else 2 * WORD_BYTES

    @property
    def dtype(self) -> str:
        """What numpy calls one of its words; of two words both are unsigned, and the sign is in the higher one."""
        if self.is_float:
            return "<f8"
        return "<i8" if self.is_signed and self.size == WORD_BYTES else "<u8"

    def read(self, places: NDArray[np.uint8]) -> Words:
        """The words of numbers as they lie in memory, `plan.size` bytes along the last axis."""
        return _read(self.plan, places)

    def add(self, left: Words, right: Words) -> Words:
        """Their sums, modulo the words' width."""
        if left.shape[-1] == 1:
            return np.asarray(left + right)
        result = left + right
        result[..., 1] += result[..., 0] < left[..., 0]
        return result

    def less(self, left: Words, right: Words) -> NDArray[np.bool_]:
        """Where `left` is the smaller number; the last axis has one element."""
        if left.shape[-1] == 1:
            return np.asarray(left < right)
        low = left[..., :1] < right[..., :1]
        high_left, high_right = (_top(words, self.is_signed) for words in (left, right))
        return np.asarray((high_left < high_right) | (high_left == high_right) & low)

    def difference(self, now: Words, then: Words) -> Words:
        """How far a counter came from `then` to `now`.

        A counter that went round its own width went forward. An unsigned one that would have to go forward by half of
        its width or more to be where it is was set back instead: it came as far as it is.
        """
        if self.is_float:
            return np.asarray(now - then)
        forward = _subtract(now.view("<u8"), then.view("<u8"))
        spare = WORD_BITS * now.shape[-1] - self.bits
        top = forward[..., -1] << np.uint64(spare)
        forward[..., -1] = _down(top, spare, self.is_signed)
        if self.is_signed:
            return forward.view(self.dtype)
        is_set_back = self.less(now, then) & (top[..., None] >> np.uint64(WORD_BITS - 1)).astype(bool)
        return np.where(is_set_back, now, forward)


def touched(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which values are not all zero."""
    rows = np.ascontiguousarray(values).reshape(len(values), math.prod(values.shape[1:]))
    return np.asarray((rows if rows.shape[1] % WORD_BYTES else rows.view("<u8")).any(axis=1))


def _read(plan: Plan, places: NDArray[np.uint8]) -> Words:
    match plan:
        case Integer(size=size) if size > WORD_BYTES:
            return np.ascontiguousarray(places).view("<u8")
        case Integer():
            sign = "i" if plan.is_signed else "u"
            order = ">" if plan.is_big_endian else "<"
            return np.ascontiguousarray(places).view(f"{order}{sign}{plan.size}").astype(f"<{sign}8")
        case Floating():
            return np.ascontiguousarray(places).view(f"<f{plan.size}").astype("<f8")
        case Bits():
            return _read_bits(plan, places)
        case Boolean():
            return _read(plan.number, places).any(axis=-1, keepdims=True).astype("<u8")
        case Enumeration():
            return _read(plan.number, places)
    raise TypeError(f"{type(plan).__name__} is not a number")


def _read_bits(plan: Bits, places: NDArray[np.uint8]) -> Words:
    first, shift = divmod(plan.shift, WORD_BITS)
    count = 1 if plan.bits <= WORD_BITS else 2
    room = np.zeros((*places.shape[:-1], WORD_BYTES * (first + count + 1)), np.uint8)
    room[..., : plan.size] = places
    words = room.view("<u8")[..., first:]
    result = words[..., :count] >> np.uint64(shift)
    if shift:
        result |= words[..., 1:] << np.uint64(WORD_BITS - shift)
    # To the top and back down drops what stands above and, for a signed type, repeats the sign.
    spare = WORD_BITS * count - plan.bits
    top = result[..., -1] << np.uint64(spare)
    result[..., -1] = _down(top, spare, plan.is_signed)
    return result.view("<i8") if plan.is_signed and count == 1 else result


def _down(top: Words, spare: int, is_signed: bool) -> Words:
    if is_signed:
        return (top.view("<i8") >> np.int64(spare)).view("<u8")
    return np.asarray(top >> np.uint64(spare))


def _top(words: Words, is_signed: bool) -> Words:
    top = words[..., 1:]
    return np.ascontiguousarray(top).view("<i8") if is_signed else top


def _subtract(left: Words, right: Words) -> Words:
    result = np.asarray(left - right)
    if left.shape[-1] > 1:
        result[..., 1] -= left[..., 0] < right[..., 0]
    return result

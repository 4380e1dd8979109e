"""Parts → the steps that the row kernel runs: arrays of numbers, and one pool with all texts.

The layouts are those of kernel/plan.h. A part that has others inside is followed by their steps. What the kernel cannot
check is checked here, or by the parts themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynmon.rendering.parts import (
    INDEX_BYTES,
    BitField,
    Choice,
    Float,
    Hexadecimal,
    Integer,
    Ipv4,
    Ipv6,
    Literal,
    Mac,
    Part,
    Pick,
    Prefix,
    Repeat,
    Scaled,
    Text,
    extent,
    longest,
)

SLACK = 16
STEP_WORDS = (
    *("kind", "form", "offset", "size", "shift", "bits", "is_signed", "is_big_endian"),
    *("start", "count", "stride", "separator", "inner", "unused"),
)
STEP = np.dtype([*((name, "<u4") for name in STEP_WORDS), ("multiplier", "<f8")])
ENTRY = np.dtype([("number", "<u8"), ("start", "<u4"), ("size", "<u4")])
POWER = np.dtype([("low", "<u8"), ("high", "<u8")])
# By their place in the kernel's list.
KINDS: tuple[type[Part], ...] = (
    *(Literal, Integer, BitField, Float, Scaled, Ipv4, Ipv6, Prefix, Mac, Hexadecimal, Text, Choice, Pick, Repeat),
)
LOWEST_POWER, HIGHEST_POWER = -292, 324
MASK = (1 << 64) - 1

Step = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Program:
    """What the kernel is given for a plan, with the bytes that a row has at least and those of its longest text."""

    steps: NDArray[np.void]
    entries: NDArray[np.void]
    pool: NDArray[np.uint8]
    powers: NDArray[np.void]
    extent: int
    longest: int


def encode(parts: Sequence[Part]) -> Program:
    """The program for a plan."""
    encoder = _Encoder()
    steps = encoder.steps(parts)
    table = np.zeros(len(steps), STEP)
    for row, step in zip(table, steps, strict=True):
        for name, value in step.items():
            row[name] = value
    entries = np.array(encoder.entries, ENTRY)
    pool = np.frombuffer(bytes(encoder.pool) + bytes(SLACK), np.uint8)
    has_floats = any(KINDS[step["kind"]] in (Float, Scaled) for step in steps)
    powers = powers_of_ten() if has_floats else np.empty(0, POWER)
    return Program(table, entries, pool, powers, extent(parts), longest(parts))


@lru_cache(maxsize=1)
def powers_of_ten() -> NDArray[np.void]:
    """Each power of ten that a double can need, as 128 bits of which the highest is set, rounded up."""
    table = np.empty(HIGHEST_POWER - LOWEST_POWER + 1, POWER)
    for row, exponent in zip(table, range(LOWEST_POWER, HIGHEST_POWER + 1), strict=True):
        significand = _significand(exponent)
        row["low"], row["high"] = significand & MASK, significand >> 64
    return table


def _significand(exponent: int) -> int:
    power: int = 10 ** abs(exponent)
    if exponent < 0:
        return -(-(1 << 127 + power.bit_length()) // power)
    shift = 128 - power.bit_length()
    return power << shift if shift >= 0 else -(-power >> -shift)


class _Encoder:
    def __init__(self) -> None:
        self.entries: list[tuple[int, int, int]] = []
        self.pool = bytearray()

    def steps(self, parts: Iterable[Part]) -> list[Step]:
        return [step for part in _joined(parts) for step in self._steps_of(part)]

    def _steps_of(self, part: Part) -> list[Step]:
        step, *inner = ENCODERS[type(part)](self, part)
        return [{"kind": KINDS.index(type(part)), "inner": len(inner), **step}, *inner]

    def literal(self, part: Literal) -> list[Step]:
        return [{"start": self._pooled(part.text), "size": len(part.text)}]

    def integer(self, part: Integer) -> list[Step]:
        return [{**_place(part.offset, part.size), **_number(8 * part.size, part), "is_big_endian": part.is_big_endian}]

    def bit_field(self, part: BitField) -> list[Step]:
        return [{**_place(part.offset, part.size), **_number(part.bits, part), "shift": part.shift}]

    def float(self, part: Float) -> list[Step]:
        return [{**_place(part.offset, part.size), "form": part.form.value}]

    def scaled(self, part: Scaled) -> list[Step]:
        return [{"multiplier": part.multiplier, "form": part.form.value}, *self._steps_of(part.number)]

    def address(self, part: Ipv4 | Ipv6 | Mac) -> list[Step]:
        return [{"offset": part.offset}]

    def prefix(self, part: Prefix) -> list[Step]:
        return [_place(part.offset, part.address_bytes)]

    def hexadecimal(self, part: Hexadecimal) -> list[Step]:
        return [_place(part.offset, part.size)]

    def text(self, part: Text) -> list[Step]:
        return [{**_place(part.offset, part.size), "form": part.form.value}]

    def choice(self, part: Choice) -> list[Step]:
        numbered = sorted((number & MASK, text) for number, text in part.texts.items() if -1 << 63 <= number <= MASK)
        step = {"start": self._entered(numbered), "count": len(numbered)}
        return [step, *self._steps_of(part.number), *self._steps_of(part.otherwise)]

    def pick(self, part: Pick) -> list[Step]:
        step = {"start": self._entered((0, text) for text in part.texts), "count": len(part.texts)}
        return [{**_place(part.offset, INDEX_BYTES), **step}]

    def repeat(self, part: Repeat) -> list[Step]:
        separator = {"start": self._pooled(part.separator), "separator": len(part.separator)}
        step = {"offset": part.offset, "count": part.count, "stride": part.stride, **separator}
        return [step, *self.steps(part.parts)]

    def _pooled(self, text: bytes) -> int:
        start = len(self.pool)
        self.pool += text
        return start

    def _entered(self, numbered: Iterable[tuple[int, bytes]]) -> int:
        start = len(self.entries)
        self.entries += [(number, self._pooled(text), len(text)) for number, text in numbered]
        return start


ENCODERS: dict[type[Part], Callable[[_Encoder, Any], list[Step]]] = {
    Literal: _Encoder.literal,
    Integer: _Encoder.integer,
    BitField: _Encoder.bit_field,
    Float: _Encoder.float,
    Scaled: _Encoder.scaled,
    Ipv4: _Encoder.address,
    Ipv6: _Encoder.address,
    Prefix: _Encoder.prefix,
    Mac: _Encoder.address,
    Hexadecimal: _Encoder.hexadecimal,
    Text: _Encoder.text,
    Choice: _Encoder.choice,
    Pick: _Encoder.pick,
    Repeat: _Encoder.repeat,
}


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts, literals beside one another made one."""
    for is_literal, group in groupby(parts, lambda part: isinstance(part, Literal)):
        if is_literal:
            yield Literal(b"".join(part.text for part in group if isinstance(part, Literal)))
        else:
            yield from group


def _place(offset: int, size: int) -> Step:
    return {"offset": offset, "size": size}


def _number(bits: int, part: Integer | BitField) -> Step:
    return {"bits": bits, "is_signed": part.is_signed}

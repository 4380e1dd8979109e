"""How to turn rows of bytes into JSON values, column by column.

A plan is made once for a type and used for any number of rows. `rows` is always a numpy array of ``uint8`` with one
row for each value and at least `size` columns; a member is decoded from a view of its columns, so the work in Python
is one step for a column and one for a finished value, never one for a byte. Little-endian only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]
WORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Plan(ABC):
    """Decodes values of `size` bytes; one value has `leaves` scalars in it."""

    size: int
    leaves: int = field(default=1, kw_only=True)
    is_number: ClassVar[bool] = False
    is_scalar: ClassVar[bool] = True
    plural: ClassVar[str] = "numbers"

    @abstractmethod
    def decode(self, rows: Rows) -> list[Any]:
        """One JSON-able value for each row."""

    def numbers(self, rows: Rows) -> list[int] | list[float]:
        """One number for each row, where `is_number`: enums as numbers, NaN and infinities as they are."""
        if not self.is_number:
            raise TypeError(f"{type(self).__name__} is not a number")
        return self.decode(rows)


@dataclass(frozen=True, slots=True)
class Integer(Plan):
    """1, 2, 4, 8 or 16 bytes, exactly; big-endian ones have no more than 8. A `char` is a number like any other."""

    is_signed: bool
    is_char: bool = False
    is_big_endian: bool = False
    is_number: ClassVar[bool] = True

    def decode(self, rows: Rows) -> list[Any]:
        if self.size <= WORD_BYTES:
            return _column(rows, f"{'>' if self.is_big_endian else '<'}{'i' if self.is_signed else 'u'}{self.size}")
        low = _column(rows[:, :WORD_BYTES], "<u8")
        high = _column(rows[:, WORD_BYTES:], "<i8" if self.is_signed else "<u8")
        return [above << 64 | below for below, above in zip(low, high, strict=True)]


@dataclass(frozen=True, slots=True)
class Bits(Plan):
    """A bit-field: `bits` of the bytes that start `shift` bits before it."""

    shift: int
    bits: int
    is_signed: bool
    is_number: ClassVar[bool] = True

    def decode(self, rows: Rows) -> list[Any]:
        if self.size > WORD_BYTES:
            return [self._extract(int.from_bytes(row.tobytes(), "little")) for row in rows[:, : self.size]]
        words = np.zeros((len(rows), WORD_BYTES), np.uint8)
        words[:, : self.size] = rows[:, : self.size]
        # To the top and back down: the first drops what stands above, the second what stands below and, for a
        # signed type, repeats the sign.
        topped = words.view("<u8")[:, 0] << np.uint64(64 - self.shift - self.bits)
        kind = np.int64 if self.is_signed else np.uint64
        fields: list[Any] = (topped.view(kind) >> kind(64 - self.bits)).tolist()
        return fields

    def _extract(self, whole: int) -> int:
        value = whole >> self.shift & (1 << self.bits) - 1
        return value - (1 << self.bits) if self.is_signed and value >> self.bits - 1 else value


@dataclass(frozen=True, slots=True)
class Boolean(Plan):
    """True for anything but zero."""

    number: Integer | Bits
    is_number: ClassVar[bool] = True

    def decode(self, rows: Rows) -> list[Any]:
        return [value != 0 for value in self.number.decode(rows)]

    def numbers(self, rows: Rows) -> list[int] | list[float]:
        return [int(value) for value in self.decode(rows)]


@dataclass(frozen=True, slots=True)
class Floating(Plan):
    """Half, single or double precision, widened to double; NaN and infinities are null, which JSON has not."""

    is_number: ClassVar[bool] = True

    def decode(self, rows: Rows) -> list[Any]:
        return [value if math.isfinite(value) else None for value in self.numbers(rows)]

    def numbers(self, rows: Rows) -> list[int] | list[float]:
        return _column(rows, f"<f{self.size}")


@dataclass(frozen=True, slots=True)
class Enumeration(Plan):
    """The enumerator's name; the number where none has it. `values` has every name, also a second one of a number."""

    number: Integer | Bits
    names: Mapping[int, str]
    values: Mapping[str, int]
    is_number: ClassVar[bool] = True

    def decode(self, rows: Rows) -> list[Any]:
        return [self.names.get(value, value) for value in self.number.decode(rows)]

    def numbers(self, rows: Rows) -> list[int] | list[float]:
        return self.number.numbers(rows)


@dataclass(frozen=True, slots=True)
class Address(Plan):
    """A pointer, as a number that nobody should add up."""

    plural: ClassVar[str] = "pointers"

    def decode(self, rows: Rows) -> list[Any]:
        return _column(rows, f"<u{self.size}")


@dataclass(frozen=True, slots=True)
class MapId(Plan):
    """The kernel's number of a map that is inside of another one; what it holds is read from itself."""

    plural: ClassVar[str] = "maps"

    def decode(self, rows: Rows) -> list[Any]:
        return _column(rows, f"<u{self.size}")


@dataclass(frozen=True, slots=True)
class Hexadecimal(Plan):
    """Bytes whose type is not known, two hexadecimal digits each, in the order of memory."""

    plural: ClassVar[str] = "bytes of unknown type"

    def decode(self, rows: Rows) -> list[Any]:
        return [row.tobytes().hex() for row in rows[:, : self.size]]


@dataclass(frozen=True, slots=True)
class Repeated(Plan):
    """An array: a list of `count` values."""

    element: Plan
    count: int
    is_scalar: ClassVar[bool] = False
    plural: ClassVar[str] = "arrays"

    def decode(self, rows: Rows) -> list[Any]:
        if not self.count:
            return [[] for _ in rows]
        flat_rows = np.ascontiguousarray(rows[:, : self.size]).reshape(len(rows) * self.count, self.element.size)
        flat = self.element.decode(flat_rows)
        return [flat[start : start + self.count] for start in range(0, len(flat), self.count)]


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a record; `type_name` is what the source calls its type."""

    name: str
    offset: int
    plan: Plan
    type_name: str


@dataclass(frozen=True, slots=True)
class Record(Plan):
    """A struct, a union or a section of variables: an object with a key for each member, as declared."""

    parts: tuple[Field, ...]
    is_scalar: ClassVar[bool] = False
    plural: ClassVar[str] = "structs or unions"

    def decode(self, rows: Rows) -> list[Any]:
        if not self.parts:
            return [{} for _ in rows]
        names = [part.name for part in self.parts]
        columns = [part.plan.decode(rows[:, part.offset :]) for part in self.parts]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(rows: Rows, dtype: str) -> list[Any]:
    size = np.dtype(dtype).itemsize
    values: list[Any] = np.ascontiguousarray(rows[:, :size]).view(dtype)[:, 0].tolist()
    return values

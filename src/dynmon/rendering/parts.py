"""What a line is made of: each part writes one piece of text, from bytes of a row or from none.

A plan is a sequence of parts. For each row it writes one piece after the other; what stands between two values is a
part like any other. `offset` counts bytes from the start of the row. Numbers are little-endian where nothing else is
said.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

WORD_BYTES = 8
LARGEST_INTEGER = 16
FLOAT_SIZES = (2, 4, 8)
INDEX_BYTES = 4
PREFIX_LENGTH_BYTES = 4
ADDRESS_BYTES = (4, 16)
FLOAT_CHARACTERS = len("-1.7976931348623157e+308")
IPV4_CHARACTERS = len("255.255.255.255")
IPV6_CHARACTERS = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
MAC_CHARACTERS = len("ff:ff:ff:ff:ff:ff")


class Form(Enum):
    """Whose rules of text hold: how numbers that are none are written, and what is escaped between quotes.

    JSON: NaN and infinities are ``null``, floats are written as Python does, control characters are escaped.
    Exposition: ``NaN``, ``+Inf`` and ``-Inf``, floats as Go does, only backslash, quote and line feed are escaped.
    """

    JSON = 0
    EXPOSITION = 1


class Part(ABC):
    """One piece of every line."""

    __slots__ = ()

    @property
    @abstractmethod
    def extent(self) -> int:
        """The bytes that a row must have at least."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """The most bytes that it can write for one row."""


@dataclass(frozen=True, slots=True)
class Literal(Part):
    """The same text in every line."""

    text: bytes

    @property
    def extent(self) -> int:
        return 0

    @property
    def longest(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True)
class Integer(Part):
    """A whole number of 1 to 8, or of 16 bytes, in decimal."""

    offset: int
    size: int
    is_signed: bool = False
    is_big_endian: bool = False

    def __post_init__(self) -> None:
        _check(1 <= self.size <= WORD_BYTES or self.size == LARGEST_INTEGER, f"no integer has {self.size} bytes")

    @property
    def extent(self) -> int:
        return self.offset + self.size

    @property
    def longest(self) -> int:
        return _digits(8 * self.size) + self.is_signed


@dataclass(frozen=True, slots=True)
class BitField(Part):
    """`bits` (1 to 128) of the `size` bytes at `offset`, that start `shift` (0 to 7) bits before it; in decimal."""

    offset: int
    size: int
    shift: int
    bits: int
    is_signed: bool = False

    def __post_init__(self) -> None:
        fits = 0 <= self.shift < 8 and 1 <= self.bits <= 128 and self.shift + self.bits <= 8 * self.size
        _check(fits and self.size <= LARGEST_INTEGER + 1, f"{self.bits} bits from {self.shift} on: {self.size} bytes")

    @property
    def extent(self) -> int:
        return self.offset + self.size

    @property
    def longest(self) -> int:
        return _digits(self.bits) + self.is_signed


@dataclass(frozen=True, slots=True)
class Float(Part):
    """Half, single or double precision, widened to double, in the shortest form that reads back as the same number."""

    offset: int
    size: int
    form: Form

    def __post_init__(self) -> None:
        _check(self.size in FLOAT_SIZES, f"no floating-point number has {self.size} bytes")

    @property
    def extent(self) -> int:
        return self.offset + self.size

    @property
    def longest(self) -> int:
        return FLOAT_CHARACTERS


@dataclass(frozen=True, slots=True)
class Scaled(Part):
    """A whole number of no more than 64 bits times `multiplier`, as a double."""

    number: Integer | BitField
    multiplier: float
    form: Form

    def __post_init__(self) -> None:
        _check(is_word(self.number), "only a number of up to 64 bits can be scaled")

    @property
    def extent(self) -> int:
        return self.number.extent

    @property
    def longest(self) -> int:
        return FLOAT_CHARACTERS


@dataclass(frozen=True, slots=True)
class Ipv4(Part):
    """Four bytes in network order, dotted."""

    offset: int

    @property
    def extent(self) -> int:
        return self.offset + 4

    @property
    def longest(self) -> int:
        return IPV4_CHARACTERS


@dataclass(frozen=True, slots=True)
class Ipv6(Part):
    """Sixteen bytes in network order, as RFC 5952 writes them."""

    offset: int

    @property
    def extent(self) -> int:
        return self.offset + 16

    @property
    def longest(self) -> int:
        return IPV6_CHARACTERS


@dataclass(frozen=True, slots=True)
class Prefix(Part):
    """A prefix length of four bytes, then an address of 4 or 16; bits beyond the prefix are written as zero."""

    offset: int
    address_bytes: int

    def __post_init__(self) -> None:
        _check(self.address_bytes in ADDRESS_BYTES, f"no address has {self.address_bytes} bytes")

    @property
    def extent(self) -> int:
        return self.offset + PREFIX_LENGTH_BYTES + self.address_bytes

    @property
    def longest(self) -> int:
        return (IPV4_CHARACTERS if self.address_bytes == 4 else IPV6_CHARACTERS) + 1 + _digits(32)


@dataclass(frozen=True, slots=True)
class Mac(Part):
    """Six bytes, two hexadecimal digits each, with colons between."""

    offset: int

    @property
    def extent(self) -> int:
        return self.offset + 6

    @property
    def longest(self) -> int:
        return MAC_CHARACTERS


@dataclass(frozen=True, slots=True)
class Hexadecimal(Part):
    """Two hexadecimal digits for each byte, in the order of memory."""

    offset: int
    size: int

    @property
    def extent(self) -> int:
        return self.offset + self.size

    @property
    def longest(self) -> int:
        return 2 * self.size


@dataclass(frozen=True, slots=True)
class Text(Part):
    """Text up to the first NUL, escaped, without quotes; what is no UTF-8 becomes U+FFFD, as Python's decoder does."""

    offset: int
    size: int
    form: Form

    @property
    def extent(self) -> int:
        return self.offset + self.size

    @property
    def longest(self) -> int:
        return (6 if self.form is Form.JSON else 3) * self.size


@dataclass(frozen=True, slots=True)
class Choice(Part):
    """The text for a number of no more than 64 bits; of a number that has none, what `otherwise` writes."""

    number: Integer | BitField
    texts: Mapping[int, bytes]
    otherwise: Part

    def __post_init__(self) -> None:
        _check(is_word(self.number), "only a number of up to 64 bits can choose")

    @property
    def extent(self) -> int:
        return max(self.number.extent, self.otherwise.extent)

    @property
    def longest(self) -> int:
        return max(self.otherwise.longest, *map(len, self.texts.values()), 0)


@dataclass(frozen=True, slots=True)
class Pick(Part):
    """One of `texts`, by the index of four bytes in the row: for text that only Python can make."""

    offset: int
    texts: Sequence[bytes]

    @property
    def extent(self) -> int:
        return self.offset + INDEX_BYTES

    @property
    def longest(self) -> int:
        return max(map(len, self.texts), default=0)


@dataclass(frozen=True, slots=True)
class Repeat(Part):
    """What `parts` write, `count` times with `separator` between; each time `stride` bytes further on in the row.

    Their offsets count from `offset` the first time.
    """

    offset: int
    parts: tuple[Part, ...]
    count: int
    stride: int
    separator: bytes = b","

    @property
    def extent(self) -> int:
        return self.offset + (self.count - 1) * self.stride + extent(self.parts) if self.count else 0

    @property
    def longest(self) -> int:
        return self.count * (longest(self.parts) + len(self.separator))


def extent(parts: Sequence[Part]) -> int:
    """The bytes that a row must have for a plan."""
    return max((part.extent for part in parts), default=0)


def longest(parts: Sequence[Part]) -> int:
    """The most bytes that a plan can write for one row."""
    return sum(part.longest for part in parts)


def is_word(number: Integer | BitField) -> bool:
    """Whether the number has no more than 64 bits."""
    return (number.bits if isinstance(number, BitField) else 8 * number.size) <= 8 * WORD_BYTES


def _digits(bits: int) -> int:
    return len(str((1 << bits) - 1))


def _check(is_right: bool, complaint: str) -> None:
    if not is_right:
        raise ValueError(complaint)

"""The kinds of types that BTF can describe, one small value for each."""

from __future__ import annotations

from dataclasses import dataclass

VOID = 0  # the type id that means "no type"; no record stands behind it


@dataclass(frozen=True, slots=True)
class Int:
    """An integer; `bits` and `offset_bits` differ from the whole only in bit-fields of old compilers."""

    name: str
    size: int
    bits: int
    offset_bits: int
    is_signed: bool
    is_char: bool
    is_bool: bool


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer to `type_id`, which may be VOID."""

    type_id: int


@dataclass(frozen=True, slots=True)
class Array:
    """`count` elements; zero for a flexible array."""

    type_id: int
    index_type_id: int
    count: int


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union; `bits` is None unless the member says itself that it is a bit-field."""

    name: str
    type_id: int
    offset_bits: int
    bits: int | None


@dataclass(frozen=True, slots=True)
class Composite:
    """A struct or a union."""

    name: str
    size: int
    is_union: bool
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Enum:
    """An enumeration of 1 to 8 bytes; the values are as C sees them, negative ones negative."""

    name: str
    size: int
    is_signed: bool
    enumerators: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Forward:
    """A struct or union that is declared but not defined."""

    name: str
    is_union: bool


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name or qualification of a type: typedef, volatile, const, restrict, type tag."""

    word: str
    name: str
    type_id: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function; `type_id` is its prototype."""

    name: str
    type_id: int
    linkage: int


@dataclass(frozen=True, slots=True)
class Prototype:
    """What a function takes and returns."""

    return_type_id: int
    parameters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A global variable."""

    name: str
    type_id: int
    linkage: int


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """Where in its section a variable lies."""

    type_id: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Section:
    """An ELF section of variables, such as ``.maps``."""

    name: str
    size: int
    entries: tuple[SectionEntry, ...]


@dataclass(frozen=True, slots=True)
class Float:
    """A floating-point number."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class DeclTag:
    """A note (`text`) on a type, or on one of its members or parameters (`component`, -1 for the whole)."""

    text: str
    type_id: int
    component: int


@dataclass(frozen=True, slots=True)
class Void:
    """No type at all: id zero."""


BtfType = (
    Void
    | Int
    | Pointer
    | Array
    | Composite
    | Enum
    | Forward
    | Alias
    | Function
    | Prototype
    | Variable
    | Section
    | Float
    | DeclTag
)

"""What an object's BTF says about its global variables: their section, their tags, and how they are declared.

Used in the loader's child, on a stranger's bytes; everything it needs is in the standard library, so that it starts
fast. The types themselves are dynmon.btf's.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass

from dynmon.bpf.elf import text_at

BTF_HEADER = struct.Struct("<HBBIIIII")
TYPE = struct.Struct("<III")
SECTION_ENTRY = struct.Struct("<III")
MAGIC = 0xEB9F

KIND_INT, KIND_POINTER, KIND_ARRAY, KIND_STRUCT, KIND_UNION, KIND_ENUM, KIND_ENUM64 = 1, 2, 3, 4, 5, 6, 19
KIND_TYPEDEF, KIND_VOLATILE, KIND_CONST, KIND_RESTRICT, KIND_TYPE_TAG = 8, 9, 10, 11, 18
KIND_VAR, KIND_DATASEC, KIND_DECL_TAG = 14, 15, 17
WRAPPERS = (KIND_TYPEDEF, KIND_VOLATILE, KIND_CONST, KIND_RESTRICT, KIND_TYPE_TAG)
MOST_WRAPPERS = 32
WHOLE = 0xFFFFFFFF  # the tag is on the variable itself, not on one of its members

# Bytes behind the common 12 of a type: (fixed, for each of the `vlen` elements), by kind number.
TAILS = {
    KIND_INT: (4, 0),
    KIND_ARRAY: (12, 0),
    KIND_STRUCT: (0, 12),
    KIND_UNION: (0, 12),
    KIND_ENUM: (0, 8),
    13: (0, 8),
    KIND_VAR: (4, 0),
    KIND_DATASEC: (0, 12),
    KIND_DECL_TAG: (4, 0),
    KIND_ENUM64: (0, 12),
}
BOOL = 4  # the encoding of an integer, in the second byte from above


@dataclass(frozen=True, slots=True)
class Variable:
    """A global variable; `kind` is the kind of BTF type behind its qualifiers; an array's elements have some too."""

    section: str
    tags: tuple[str, ...]
    is_volatile: bool
    kind: int
    is_bool: bool


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    kind: int
    count: int
    target: int
    tail: bytes


def variables_of(btf: bytes) -> dict[str, Variable]:
    """The variables of an object by name.

    Raises:
        ValueError: The BTF is damaged.
    """
    try:
        types = _types(btf)
        tags, sections = _tags(types), _sections(types)
        return {
            each.name: _variable(types, number, sections.get(number, ""), tuple(tags[number]))
            for number, each in types.items()
            if each.kind == KIND_VAR
        }
    except struct.error as error:
        raise ValueError("its BTF is damaged: it ends too early") from error


def btf_parts(btf: bytes) -> tuple[bytes, bytes]:
    """The types and the strings of raw BTF."""
    if not btf:
        return b"", b""
    magic, _, _, start, types, type_bytes, strings, string_bytes = BTF_HEADER.unpack_from(btf)
    if magic != MAGIC:
        raise ValueError("its BTF is not BTF")
    return btf[start + types :][:type_bytes], btf[start + strings :][:string_bytes]


def _types(btf: bytes) -> dict[int, _Type]:
    content, strings = btf_parts(btf)
    types: dict[int, _Type] = {}
    offset = 0
    while offset < len(content):
        name, information, target = TYPE.unpack_from(content, offset)
        kind, count = information >> 24 & 0x1F, information & 0xFFFF
        fixed, each = TAILS.get(kind, (0, 0))
        offset += TYPE.size
        tail = content[offset : offset + fixed + each * count]
        offset += fixed + each * count
        named = kind in (KIND_VAR, KIND_DATASEC, KIND_DECL_TAG)
        types[len(types) + 1] = _Type(text_at(strings, name) if named else "", kind, count, target, tail)
    return types


def _tags(types: dict[int, _Type]) -> defaultdict[int, list[str]]:
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for each in types.values():
        if each.kind == KIND_DECL_TAG and struct.unpack_from("<I", each.tail)[0] == WHOLE:
            tags[each.target].append(each.name)
    return tags


def _sections(types: dict[int, _Type]) -> dict[int, str]:
    found: dict[int, str] = {}
    for each in types.values():
        if each.kind == KIND_DATASEC:
            usable = len(each.tail) // SECTION_ENTRY.size * SECTION_ENTRY.size
            found |= {entry[0]: each.name for entry in SECTION_ENTRY.iter_unpack(each.tail[:usable])}
    return found


def _variable(types: dict[int, _Type], number: int, section: str, tags: tuple[str, ...]) -> Variable:
    behind, is_volatile, is_array = types.get(types[number].target), False, False
    for _ in range(MOST_WRAPPERS):
        if behind is None or behind.kind not in (*WRAPPERS, KIND_ARRAY):
            break
        is_volatile |= behind.kind == KIND_VOLATILE
        is_array |= behind.kind == KIND_ARRAY
        element = struct.unpack_from("<I", behind.tail)[0] if behind.kind == KIND_ARRAY else behind.target
        behind = types.get(element)
    kind = behind.kind if behind else 0
    is_bool = behind is not None and kind == KIND_INT and bool(behind.tail[3:] and behind.tail[3] & BOOL)
    return Variable(section, tags, is_volatile, KIND_ARRAY if is_array else kind, is_bool)

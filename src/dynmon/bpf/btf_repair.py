"""Put right what clang writes into BTF, and for which the kernel refuses all of it.

With clang 14, a static constant of 4, 8, 16 or 32 bytes goes into a section where equal ones are merged,
``.rodata.cst16``. The BTF says that it is in ``.rodata``, at the offset that it has in the other one, so that it lies
across another variable. Such an entry is taken out of its section.

With any clang, a static struct or array whose members are used one by one is taken apart: there are ``stats.0`` and
``stats.1`` of 8 bytes each, of which the BTF says that they have the type of the whole. They get that of a number. A
static integer that is only ever zero or one other number becomes a byte with zero or one in it; nobody shall take that
for its value, so it is taken out too.

Without BTF there are no spin locks, no timers and no callbacks, and nobody knows the types of maps. Types are known by
their position among all types, so that a section with nothing left in it becomes a pointer to nothing.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from dynmon.bpf.elf import STT_SECTION, Elf, text_at
from dynmon.bpf.variables import (
    BTF_HEADER,
    KIND_ARRAY,
    KIND_DATASEC,
    KIND_ENUM,
    KIND_ENUM64,
    KIND_INT,
    KIND_POINTER,
    KIND_STRUCT,
    KIND_UNION,
    KIND_VAR,
    MAGIC,
    MOST_WRAPPERS,
    SECTION_ENTRY,
    TAILS,
    TYPE,
    WRAPPERS,
    btf_parts,
)

PIECE = re.compile(r"\.\d+$")
SIZED = (KIND_INT, KIND_STRUCT, KIND_UNION, KIND_ENUM, KIND_ENUM64)
POINTER_TO_NOTHING = TYPE.pack(0, KIND_POINTER << 24, 0)
POINTER_BYTES = 8
UNSIGNED = b"\0"  # the encoding of an integer, its fourth byte
COUNT_MASK = 0xFFFF
VERSION = 1


def repaired(btf: bytes, elf: Elf) -> bytes:
    """The same BTF, or one in which variables are in the sections that they are in, with types that fit.

    Raises:
        ValueError: The BTF is damaged.
    """
    try:
        content, strings = btf_parts(btf)
        types = _Repair(strings, _homes(elf)).types_of(content)
    except struct.error as error:
        raise ValueError("its BTF is damaged: it ends too early") from error
    if types == content:
        return btf
    sizes = 0, len(types), len(types), len(strings)
    return BTF_HEADER.pack(MAGIC, VERSION, 0, BTF_HEADER.size, *sizes) + types + strings


def _homes(elf: Elf) -> dict[str, set[str]]:
    """The sections in which there is something of a name; static variables of functions may share theirs."""
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for symbol in elf.symbols:
        if symbol.section and symbol.kind != STT_SECTION and (section := elf.section_name(symbol)):
            homes[symbol.name].add(section)
    return homes


@dataclass(slots=True)
class _Repair:
    """The types so far: all, the names of variables by number, and for each size an integer, unsigned if there is one.

    A section stands behind its variables, and those behind their types: so do clang and libbpf's linker write them.
    """

    strings: bytes
    homes: Mapping[str, set[str]]
    types: list[bytes] = field(default_factory=list)
    variables: dict[int, str] = field(default_factory=dict)
    integers: dict[int, int] = field(default_factory=dict)

    def types_of(self, content: bytes) -> bytes:
        offset = 0
        while offset < len(content):
            name, information, size = TYPE.unpack_from(content, offset)
            kind, count = _kind(information), information & COUNT_MASK
            fixed, each = TAILS.get(kind, (0, 0))
            end = offset + TYPE.size + fixed + each * count
            one = content[offset:end]
            number = len(self.types) + 1
            if kind == KIND_VAR:
                self.variables[number] = text_at(self.strings, name)
            elif kind == KIND_INT and (size not in self.integers or one[TYPE.size + 3 :] == UNSIGNED):
                self.integers[size] = number
            elif kind == KIND_DATASEC:
                one = self._section(one, text_at(self.strings, name))
            self.types.append(one)
            offset = end
        return b"".join(self.types)

    def _section(self, one: bytes, section: str) -> bytes:
        name, information, size = TYPE.unpack_from(one)
        entries = list(SECTION_ENTRY.iter_unpack(one[TYPE.size :]))
        kept = [entry for entry in entries if self._is_there(entry[0], section) and self._fits(entry[0], entry[2])]
        if entries and not kept:
            return POINTER_TO_NOTHING
        head = TYPE.pack(name, information & ~COUNT_MASK | len(kept), size)
        return head + b"".join(SECTION_ENTRY.pack(*entry) for entry in kept)

    def _is_there(self, variable: int, section: str) -> bool:
        called = self.variables.get(variable)
        return called is None or section in self.homes.get(called, {section})

    def _fits(self, variable: int, size: int) -> bool:
        """Whether a variable has a type for so many bytes, after it was given one if need be."""
        if variable not in self.variables or not size or self._size_of(variable) <= size:
            return True  # libbpf knows the size of what has none here
        if size not in self.integers or not PIECE.search(self.variables[variable]):
            return False
        whole = self.types[variable - 1]
        name, information, _ = TYPE.unpack_from(whole)
        self.types[variable - 1] = TYPE.pack(name, information, self.integers[size]) + whole[TYPE.size :]
        return True

    def _size_of(self, number: int) -> int:
        """The bytes that a type takes; 0 where that is not known."""
        count = 1
        for _ in range(MOST_WRAPPERS):
            if not 0 < number <= len(self.types):
                return 0
            one = self.types[number - 1]
            _, information, size_or_type = TYPE.unpack_from(one)
            kind = _kind(information)
            if kind == KIND_POINTER:
                return POINTER_BYTES * count
            if kind == KIND_ARRAY:
                number, _, elements = struct.unpack_from("<III", one, TYPE.size)
                count *= elements
            elif kind == KIND_VAR or kind in WRAPPERS:
                number = size_or_type
            else:
                return size_or_type * count if kind in SIZED else 0
        return 0


def _kind(information: int) -> int:
    return information >> 24 & 0x1F

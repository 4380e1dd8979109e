"""Put right what clang 14 writes into BTF, and for which the kernel refuses all of it.

A static constant of 4, 8, 16 or 32 bytes goes into a section where equal ones are merged, ``.rodata.cst16``. The BTF
says that it is in ``.rodata``, at the offset that it has in the other one, so that it lies across another variable.
Without BTF there are no spin locks, no timers and no callbacks, and nobody knows the types of maps.

Such an entry is taken out of its section. Types are known by their position among all types, so that a section with
nothing left in it becomes a pointer to nothing.
"""

from __future__ import annotations

import struct
from collections import defaultdict

from dynmon.bpf.elf import STT_SECTION, Elf, text_at
from dynmon.bpf.variables import BTF_HEADER, KIND_DATASEC, KIND_VAR, MAGIC, SECTION_ENTRY, TAILS, TYPE, btf_parts

POINTER_TO_NOTHING = TYPE.pack(0, 2 << 24, 0)
COUNT_MASK = 0xFFFF
VERSION = 1


def repaired(btf: bytes, elf: Elf) -> bytes:
    """The same BTF, or a shorter one without variables in sections that they are not in.

    Raises:
        ValueError: The BTF is damaged.
    """
    try:
        content, strings = btf_parts(btf)
        types = _repaired(content, strings, _homes(elf))
    except struct.error as error:
        raise ValueError(f"its BTF is damaged: {error}") from error
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


def _repaired(content: bytes, strings: bytes, homes: dict[str, set[str]]) -> bytes:
    types: list[bytes] = []
    variables: dict[int, str] = {}
    offset = 0
    while offset < len(content):
        name, information, _ = TYPE.unpack_from(content, offset)
        kind, count = information >> 24 & 0x1F, information & COUNT_MASK
        fixed, each = TAILS.get(kind, (0, 0))
        end = offset + TYPE.size + fixed + each * count
        one = content[offset:end]
        if kind == KIND_VAR:
            variables[len(types) + 1] = text_at(strings, name)
        elif kind == KIND_DATASEC:
            section = text_at(strings, name)
            strangers = {number for number, called in variables.items() if section not in homes.get(called, {section})}
            one = _without(one, strangers)
        types.append(one)
        offset = end
    return b"".join(types)


def _without(section: bytes, strangers: set[int]) -> bytes:
    name, information, size = TYPE.unpack_from(section)
    entries = list(SECTION_ENTRY.iter_unpack(section[TYPE.size :]))
    kept = [entry for entry in entries if entry[0] not in strangers]
    if entries and not kept:
        return POINTER_TO_NOTHING
    head = TYPE.pack(name, information & ~COUNT_MASK | len(kept), size)
    return head + b"".join(SECTION_ENTRY.pack(*entry) for entry in kept)

"""Change an object so that what we do not load cannot keep libbpf from loading what we do.

libbpf resolves the externs of all programs, fills the prog arrays with all programs, and prepares every struct_ops
of an object, also when the programs concerned are switched off; one that this kernel does not have, or that is not
loaded, is the end. The object's bytes are changed in their places, so that nothing moves:

- Externs that only other programs use become weak: they may be missing.
- Initial values of prog arrays that our program does not use are no longer mentioned.
- BTF that was put right may be shorter.
- ``.struct_ops`` gets a name that means nothing to libbpf, in the ELF and in the BTF.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from dynmon.bpf.elf import (
    HEADER,
    RELOCATION,
    SECTION,
    SHT_REL,
    SHT_STRTAB,
    SHT_SYMTAB,
    STB_WEAK,
    STT_FUNCTION,
    SYMBOL,
    Elf,
)
from dynmon.bpf.reach import MAPS, variable_at

STRUCT_OPS = b".struct_ops"
MEANINGLESS = b"_struct_ops"  # all but its first byte may be the end of another name in the same table
BTF = ".BTF"
IGNORED_KIND = 0x6FFF4C03  # SHT_LLVM_ADDRSIG: libbpf skips it without a word
KIND_OFFSET, SIZE_OFFSET = 4, 32  # of a section's header
INFORMATION_OFFSET = 4  # of a symbol


def with_btf(raw: bytes, elf: Elf, btf: bytes) -> bytes:
    """The object with this BTF, which is no longer than its own."""
    changed = bytearray(raw)
    number = next((index for index, each in enumerate(elf.sections) if each.name == BTF), None)
    if number is not None and btf != elf.sections[number].content:
        _shorten(changed, elf, number, btf)
    return bytes(changed)


def without_struct_ops(raw: bytes, elf: Elf) -> bytes:
    """The object with its struct_ops out of libbpf's sight."""
    changed = bytearray(raw)
    for each in elf.sections:
        if each.name == BTF or each.kind == SHT_STRTAB:
            place = slice(each.offset, each.offset + len(each.content))
            changed[place] = changed[place].replace(STRUCT_OPS, MEANINGLESS)
    return bytes(changed)


def trim(raw: bytes, elf: Elf, externs: Collection[str], arrays: Collection[str]) -> bytes:
    """The object with these `externs` as strong as they are, these prog `arrays` as full as they are, and no others."""
    changed = bytearray(raw)
    try:
        _weaken(changed, elf, externs)
        _empty(changed, elf, arrays)
    except struct.error as error:
        raise ValueError("the ELF object is damaged: its sections do not fit together") from error
    return bytes(changed)


def _weaken(changed: bytearray, elf: Elf, externs: Collection[str]) -> None:
    table = next((each for each in elf.sections if each.kind == SHT_SYMTAB), None)
    for index, symbol in enumerate(elf.symbols):
        if table and symbol.name and not symbol.section and symbol.name not in externs:
            place = table.offset + index * SYMBOL.size + INFORMATION_OFFSET
            changed[place] = STB_WEAK << 4 | symbol.kind


def _empty(changed: bytearray, elf: Elf, arrays: Collection[str]) -> None:
    home = next((index for index, each in enumerate(elf.sections) if each.name == MAPS), None)
    for number, each in enumerate(elf.sections):
        if each.kind != SHT_REL or each.about != home:
            continue
        usable = len(each.content) // RELOCATION.size * RELOCATION.size
        kept = [
            (offset, information)
            for offset, information in RELOCATION.iter_unpack(each.content[:usable])
            if not _is_program(elf, information >> 32) or variable_at(elf, each.about, offset) in arrays
        ]
        _shorten(changed, elf, number, b"".join(RELOCATION.pack(*pair) for pair in kept))


def _shorten(changed: bytearray, elf: Elf, number: int, content: bytes) -> None:
    """Give a section less content than it has; one without any is no longer looked at."""
    header = HEADER.unpack_from(changed)[6] + number * SECTION.size
    offset = elf.sections[number].offset
    changed[offset : offset + len(content)] = content
    struct.pack_into("<Q", changed, header + SIZE_OFFSET, len(content))
    if not content:
        struct.pack_into("<I", changed, header + KIND_OFFSET, IGNORED_KIND)


def _is_program(elf: Elf, symbol: int) -> bool:
    return symbol < len(elf.symbols) and elf.symbols[symbol].kind == STT_FUNCTION

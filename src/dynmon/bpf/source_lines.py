"""What an object's BTF says beside its types: tags of variables, and the source line of each instruction.

Used in the loader's child, on a stranger's bytes; everything it needs is in the standard library, so that it starts
fast. The types themselves are dynmon.btf's.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass

from dynmon.bpf.elf import Elf, text_at

BTF_HEADER = struct.Struct("<HBBIIIII")
TYPE = struct.Struct("<III")
MAGIC = 0xEB9F

KIND_VAR = 14
KIND_DECL_TAG = 17
WHOLE = 0xFFFFFFFF  # the tag is on the variable itself, not on one of its members

# Bytes behind the common 12 of a type: (fixed, for each of the `vlen` elements), by kind number.
TAILS = {
    1: (4, 0),
    3: (12, 0),
    4: (0, 12),
    5: (0, 12),
    6: (0, 8),
    13: (0, 8),
    KIND_VAR: (4, 0),
    15: (0, 12),
    KIND_DECL_TAG: (4, 0),
    19: (0, 12),
}

EXT_HEADER = struct.Struct("<HBBIIIII")
LINE = struct.Struct("<IIII")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Where the code from instruction `instruction` of `section` on comes from; columns count from one."""

    section: str
    instruction: int
    file: str
    line: int
    column: int
    text: str


def variable_tags(btf: bytes) -> dict[str, tuple[str, ...]]:
    """The declaration tags of every variable that has some.

    Raises:
        ValueError: The BTF is damaged.
    """
    try:
        return _variable_tags(btf)
    except struct.error as error:
        raise ValueError(f"its BTF is damaged: {error}") from error


def _variable_tags(btf: bytes) -> dict[str, tuple[str, ...]]:
    types, strings = _btf_parts(btf)
    variables: dict[int, str] = {}
    tags: list[tuple[int, str]] = []
    offset, number = 0, 0
    while offset < len(types):
        number += 1
        name, information, size_or_type = TYPE.unpack_from(types, offset)
        kind, count = information >> 24 & 0x1F, information & 0xFFFF
        if kind == KIND_VAR:
            variables[number] = text_at(strings, name)
        elif kind == KIND_DECL_TAG and struct.unpack_from("<I", types, offset + TYPE.size)[0] == WHOLE:
            tags.append((size_or_type, text_at(strings, name)))
        fixed, each = TAILS.get(kind, (0, 0))
        offset += TYPE.size + fixed + each * count
    found: defaultdict[str, list[str]] = defaultdict(list)
    for target, tag in tags:
        if target in variables:
            found[variables[target]].append(tag)
    return {name: tuple(texts) for name, texts in found.items()}


def _btf_parts(btf: bytes) -> tuple[bytes, bytes]:
    if not btf:
        return b"", b""
    magic, _, _, start, types, type_bytes, strings, string_bytes = BTF_HEADER.unpack_from(btf)
    if magic != MAGIC:
        raise ValueError("its BTF is not BTF")
    return btf[start + types :][:type_bytes], btf[start + strings :][:string_bytes]


def source_lines(elf: Elf, sections: set[str]) -> list[SourceLine]:
    """The line records of these sections, in the order of their instructions; none if there is no line info."""
    try:
        return list(_source_lines(elf, sections))
    except (struct.error, ValueError):
        return []


def _source_lines(elf: Elf, sections: set[str]) -> list[SourceLine]:
    btf, extension = elf.section(".BTF"), elf.section(".BTF.ext")
    if btf is None or extension is None:
        return []
    _, strings = _btf_parts(btf.content)
    raw = extension.content
    _, _, _, start, _, _, offset, size = EXT_HEADER.unpack_from(raw)
    block = raw[start + offset :][:size]
    (record_size,) = struct.unpack_from("<I", block)
    if record_size < LINE.size:
        return []
    lines: list[SourceLine] = []
    position = 4
    while position + 8 <= len(block):
        name, count = struct.unpack_from("<II", block, position)
        position += 8
        section = text_at(strings, name)
        for index in range(count if section in sections else 0):
            instruction, file, text, place = LINE.unpack_from(block, position + index * record_size)
            lines.append(
                SourceLine(
                    section=section,
                    instruction=instruction // 8,
                    file=text_at(strings, file),
                    line=place >> 10,
                    column=place & 0x3FF,
                    text=text_at(strings, text),
                )
            )
        position += count * record_size
    return lines

"""What an object's BTF says beside its types: the source line of each instruction.

Used in the loader's child, on a stranger's bytes; everything it needs is in the standard library, so that it starts
fast. The types themselves are dynmon.btf's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dynmon.bpf.elf import Elf, text_at
from dynmon.bpf.variables import btf_parts

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
    _, strings = btf_parts(btf.content)
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

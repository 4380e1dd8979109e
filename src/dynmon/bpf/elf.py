"""Read just enough of an ELF64 object to know which symbols a program's code refers to.

Used in the loader's child only, never in the daemon: the object is a stranger's. A damaged one raises ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQ")

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian
MACHINE_BPF = 247
SHT_SYMTAB = 2
SHT_NOBITS = 8
SHT_REL = 9
SHF_EXECINSTR = 4


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its name, kind, the sections with its strings and that it talks about, and its bytes."""

    name: str
    kind: int
    is_code: bool
    strings: int
    about: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named place: `value` is its offset in the section with the index `section`."""

    name: str
    section: int
    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Elf:
    """The sections and symbols of an object."""

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Elf:
        """Read `raw`.

        Raises:
            ValueError: It is not a little-endian ELF64 object for BPF, or it is damaged.
        """
        try:
            sections = _sections(raw)
            return cls(sections, _symbols(sections))
        except (struct.error, IndexError, OverflowError) as error:
            raise ValueError(f"the ELF object is damaged: {error}") from error

    def section(self, name: str) -> Section | None:
        """The first section called `name`."""
        return next((section for section in self.sections if section.name == name), None)

    def symbol(self, name: str) -> Symbol | None:
        """The symbol called `name` that is defined in this object."""
        return next((symbol for symbol in self.symbols if symbol.name == name and symbol.section), None)

    def code_reached_from(self, section: int) -> set[int]:
        """The code sections that can run when the one at index `section` does.

        Whole sections, not functions: calls inside one leave no relocation. More than what runs does no harm.
        """
        reached, ahead = {section}, [section]
        while ahead:
            for symbol in self.references_of(ahead.pop()):
                index = symbol.section
                if index < len(self.sections) and self.sections[index].is_code and index not in reached:
                    reached.add(index)
                    ahead.append(index)
        return reached

    def references_of(self, section: int) -> Iterator[Symbol]:
        """The symbols that the section at this index refers to by relocations."""
        for relocations in self.sections:
            if relocations.kind != SHT_REL or relocations.about != section:
                continue
            usable = len(relocations.content) // RELOCATION.size * RELOCATION.size
            for _, information in RELOCATION.iter_unpack(relocations.content[:usable]):
                index = information >> 32
                if index < len(self.symbols):
                    yield self.symbols[index]

    def names_used_by(self, function: str) -> set[str]:
        """The symbols that `function`, and all code it can reach, refers to."""
        start = self.symbol(function)
        if start is None:
            return set()
        code = self.code_reached_from(start.section)
        return {symbol.name for section in code for symbol in self.references_of(section)}


def _sections(raw: bytes) -> tuple[Section, ...]:
    if not raw.startswith(MAGIC):
        raise ValueError("it is not a little-endian ELF64 object")
    header = HEADER.unpack_from(raw)
    machine, offset, entry_size, count, names_index = header[2], header[6], *header[11:14]
    if machine not in (0, MACHINE_BPF):
        raise ValueError("it is an ELF object, but not for BPF")
    if count and entry_size != SECTION.size:
        raise ValueError("its section headers have a strange size")
    headers = [SECTION.unpack_from(raw, offset + index * entry_size) for index in range(count)]
    names = _content(raw, headers[names_index]) if headers else b""
    return tuple(
        Section(
            name=text_at(names, fields[0]),
            kind=fields[1],
            is_code=bool(fields[2] & SHF_EXECINSTR),
            strings=fields[6],
            about=fields[7],
            content=_content(raw, fields),
        )
        for fields in headers
    )


def _content(raw: bytes, fields: tuple[int, ...]) -> bytes:
    kind, offset, size = fields[1], fields[4], fields[5]
    return b"" if kind == SHT_NOBITS else raw[offset : offset + size]


def _symbols(sections: tuple[Section, ...]) -> tuple[Symbol, ...]:
    table = next((section for section in sections if section.kind == SHT_SYMTAB), None)
    if table is None:
        return ()
    content, names = table.content, sections[table.strings].content
    usable = len(content) // SYMBOL.size * SYMBOL.size
    return tuple(
        Symbol(name=text_at(names, name), section=section, value=value, size=size)
        for name, _, _, section, value, size in SYMBOL.iter_unpack(content[:usable])
    )


def text_at(names: bytes, offset: int) -> str:
    """The string that starts at `offset` of a string table."""
    end = names.find(b"\0", offset)
    return names[offset : end if end >= 0 else None].decode(errors="replace")

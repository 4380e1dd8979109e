"""Read just enough of an ELF64 object to know what its symbols are and what refers to them.

Used in the loader's child only, never in the daemon: the object is a stranger's. A damaged one raises ValueError.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQ")

MAGIC = b"\x7fELF"
BITCODE = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
ARCHIVE = b"!<arch>\n"
CLASS_64 = 2
LITTLE_ENDIAN = 1
KINDS = {2: "an executable", 3: "a shared library", 4: "a core dump"}
MACHINES = {3: "x86", 8: "MIPS", 20: "PowerPC", 21: "PowerPC", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V"}
MACHINE_BPF = 247
COMPILE = "compile it with 'clang -target bpf -O2 -g -c'"

SHT_NULL = 0
SHT_SYMTAB = 2
SHT_STRTAB = 3
SHT_NOBITS = 8
SHT_REL = 9
WITHOUT_CONTENT = (SHT_NULL, SHT_NOBITS)
SHF_EXECINSTR = 4
STT_FUNCTION = 2
STT_SECTION = 3
STB_WEAK = 2
MOST_TEXT_BYTES = 1024  # of a symbol's name the kernel keeps 512


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its name, kind, the sections with its strings and that it talks about, its bytes and their place."""

    name: str
    kind: int
    is_code: bool
    strings: int
    about: int
    content: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named place: `value` is its offset in the section with the index `section`, which is zero for an extern."""

    name: str
    section: int
    value: int
    size: int
    information: int

    @property
    def kind(self) -> int:
        """What is there: a function, a section, or something else."""
        return self.information & 0xF


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
        _identify(raw)
        try:
            sections = _sections(raw)
            return cls(sections, _symbols(sections))
        except (struct.error, IndexError) as error:
            raise ValueError("the ELF object is damaged: its sections do not fit together") from error

    def section(self, name: str) -> Section | None:
        """The first section called `name`."""
        return next((section for section in self.sections if section.name == name), None)

    def symbol(self, name: str) -> Symbol | None:
        """The symbol called `name` that is defined in this object."""
        return next((symbol for symbol in self.symbols if symbol.name == name and symbol.section), None)

    def section_name(self, symbol: Symbol) -> str:
        """The name of the section a symbol is in, "" if it is in none."""
        return self.sections[symbol.section].name if symbol.section < len(self.sections) else ""

    def relocations(self, section: int) -> dict[int, Symbol]:
        """The symbols that the section at this index refers to, by the offset at which it does."""
        found: dict[int, Symbol] = {}
        for each in self.sections:
            if each.kind != SHT_REL or each.about != section:
                continue
            usable = len(each.content) // RELOCATION.size * RELOCATION.size
            for offset, information in RELOCATION.iter_unpack(each.content[:usable]):
                if information >> 32 < len(self.symbols):
                    found[offset] = self.symbols[information >> 32]
        return found


def _identify(raw: bytes) -> None:
    """Refuse what is no BPF object, by what it is instead."""
    if raw.startswith(BITCODE):
        raise ValueError(f"it is LLVM bitcode, not an ELF object: {COMPILE}, without -emit-llvm")
    if raw.startswith(ARCHIVE):
        raise ValueError("it is an archive of objects (.a): take the BPF object out of it with 'ar x'")
    if not raw.startswith(MAGIC):
        raise ValueError(f"it is not an ELF object: {COMPILE}")
    if len(raw) < HEADER.size:
        raise ValueError(f"the ELF object is damaged: it has {len(raw)} bytes, less than its header")
    word, order = raw[4], raw[5]
    if word != CLASS_64:
        raise ValueError(f"it is a 32-bit ELF object, BPF objects have 64 bits: {COMPILE}")
    if order != LITTLE_ENDIAN:
        raise ValueError("it is a big-endian ELF object, this machine is little-endian: compile it with -target bpfel")
    header = HEADER.unpack_from(raw)
    kind, machine = header[1], header[2]
    if machine not in (0, MACHINE_BPF):
        what = KINDS.get(kind, "an ELF object")
        raise ValueError(f"it is {what} for {MACHINES.get(machine, f'machine {machine}')}, not for BPF: {COMPILE}")
    if kind in KINDS:
        raise ValueError(f"it is {KINDS[kind]}, not a relocatable object: {COMPILE}")


def _sections(raw: bytes) -> tuple[Section, ...]:
    header = HEADER.unpack_from(raw)
    offset, entry_size, count, names_index = header[6], *header[11:14]
    if count and entry_size != SECTION.size:
        raise ValueError("the ELF object is damaged: its section headers have a strange size")
    _check_end(raw, offset + count * entry_size, "its section headers do")
    headers = [SECTION.unpack_from(raw, offset + index * entry_size) for index in range(count)]
    # Each is copied: thousands that all are the whole object would take all memory.
    if sum(fields[5] for fields in headers if fields[1] not in WITHOUT_CONTENT) > len(raw):
        raise ValueError("the ELF object is damaged: its sections overlap")
    names = _content(raw, headers[names_index]) if headers else b""
    return tuple(
        Section(
            name=name_at(names, fields[0]),
            kind=fields[1],
            is_code=bool(fields[2] & SHF_EXECINSTR),
            strings=fields[6],
            about=fields[7],
            content=_content(raw, fields),
            offset=fields[4],
        )
        for fields in headers
    )


def _content(raw: bytes, fields: tuple[int, ...]) -> bytes:
    kind, offset, size = fields[1], fields[4], fields[5]
    if kind in WITHOUT_CONTENT:
        return b""
    _check_end(raw, offset + size, "its sections do")
    return raw[offset : offset + size]


def _check_end(raw: bytes, end: int, what: str) -> None:
    if end > len(raw):
        raise ValueError(f"the ELF object is damaged: it ends before {what}, it has {len(raw)} bytes of {end}")


def _symbols(sections: tuple[Section, ...]) -> tuple[Symbol, ...]:
    table = next((section for section in sections if section.kind == SHT_SYMTAB), None)
    if table is None:
        return ()
    content, names = table.content, sections[table.strings].content
    usable = len(content) // SYMBOL.size * SYMBOL.size
    return tuple(
        Symbol(name_at(names, name), section, value, size, information)
        for name, information, _, section, value, size in SYMBOL.iter_unpack(content[:usable])
    )


def text_at(names: bytes, offset: int) -> str:
    """The string that starts at `offset` of a string table, or its beginning: many long ones would take all memory."""
    return names[offset : offset + MOST_TEXT_BYTES].partition(b"\0")[0].decode(errors="replace")


def name_at(names: bytes, offset: int) -> str:
    """The name that starts at `offset` of a string table; it can be shown as it is.

    Raises:
        ValueError: It is no name.
    """
    name = text_at(names, offset)
    if len(name) == MOST_TEXT_BYTES:
        raise ValueError(f"the ELF object is damaged: a name in it has {MOST_TEXT_BYTES} bytes or more")
    if not name.isprintable():
        raise ValueError(f"the ELF object is damaged: the name {name!r} in it cannot be printed")
    return name

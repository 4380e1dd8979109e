"""Raw BTF, as in an object's ``.BTF`` section or from the kernel → types.

Every offset, count and name is checked before it is used, and nothing is kept twice, for the bytes may come from
anybody: the kernel may have refused them. Only the little-endian
form is read: the other end is what a big-endian machine writes, and Dynmon has no such machine to be right on.

The layout is in the kernel's Documentation/bpf/btf.rst: a header, records of types whose ids are their positions
counted from one, and a section of names that end with NUL.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from dynmon.btf import types as t
from dynmon.errors import InjectionError

MAGIC = 0xEB9F
HEADER = struct.Struct("<HBBIIIII")  # magic, version, flags, header length, then offset and length of types, names
RECORD = struct.Struct("<III")  # name offset, kind and count, size or type
ARRAY = struct.Struct("<III")
MEMBER = struct.Struct("<III")
ENUMERATOR = struct.Struct("<II")
ENUMERATOR64 = struct.Struct("<III")
PARAMETER = struct.Struct("<II")
SECTION_ENTRY = struct.Struct("<III")
WORD = struct.Struct("<I")
SIGNED_WORD = struct.Struct("<i")

INT_SIGNED, INT_CHAR, INT_BOOL = 1, 2, 4
INT_SIZES = (1, 2, 4, 8, 16)
ENUM_SIZES = (1, 2, 4, 8)


class InvalidBtf(InjectionError):
    """The bytes are not BTF."""

    stage: ClassVar[str] = "open"

    def __init__(self, reason: str, type_id: int | None = None) -> None:
        super().__init__(f"BTF: type {type_id}: {reason}" if type_id else f"BTF: {reason}")
        self.reason = reason
        self.type_id = type_id

    def fields(self) -> Mapping[str, Any]:
        return {"stage": self.stage, "reason": self.reason, "type-id": self.type_id}


def parse_types(raw: bytes) -> tuple[t.BtfType, ...]:
    """All types by id; the first is the void that id zero stands for.

    Raises:
        InvalidBtf: A header, record, name or reference to a type is wrong.
    """
    records, names = _sections(raw)
    reader = _Reader(records, _starts(names))
    found: list[t.BtfType] = [t.Void()]
    while not reader.at_end:
        found.append(reader.next_type())
    for type_id, btf_type in enumerate(found):
        for reference in references(btf_type):
            if reference >= len(found):
                raise InvalidBtf(f"refers to type {reference} of {len(found) - 1}", type_id)
    return tuple(found)


def references(btf_type: t.BtfType) -> tuple[int, ...]:
    """The ids of the types that `btf_type` is made of or points to."""
    match btf_type:
        case t.Composite(members=members):
            return tuple(member.type_id for member in members)
        case t.Prototype(return_type_id, parameters):
            return (return_type_id, *(type_id for _, type_id in parameters))
        case t.Section(entries=entries):
            return tuple(entry.type_id for entry in entries)
        case t.Array(type_id, index_type_id):
            return (type_id, index_type_id)
        case t.Pointer() | t.Alias() | t.Function() | t.Variable() | t.DeclTag():
            return (btf_type.type_id,)
    return ()


def _sections(raw: bytes) -> tuple[bytes, bytes]:
    if len(raw) < HEADER.size:
        raise InvalidBtf(f"{len(raw)} bytes are less than a header")
    magic, version, _, length, types_offset, types_length, names_offset, names_length = HEADER.unpack_from(raw)
    if magic == 0x9FEB:
        raise InvalidBtf("big-endian BTF is not supported")
    if magic != MAGIC or version != 1:
        raise InvalidBtf(f"magic {magic:#x} and version {version} are not BTF's")
    if length < HEADER.size or length > len(raw):
        raise InvalidBtf(f"the header cannot have {length} bytes")
    body = raw[length:]
    if types_offset + types_length > len(body) or names_offset + names_length > len(body):
        raise InvalidBtf("a section lies beyond the end")
    names = body[names_offset : names_offset + names_length]
    if not names or names[0] or names[-1]:
        raise InvalidBtf("the names do not start and end with NUL")
    return body[types_offset : types_offset + types_length], names


def _starts(names: bytes) -> dict[int, str]:
    """The names by where they start.

    All writers point to the start of a name. Ends of names, taken for names too, could be a million long ones.
    """
    found, offset = {}, 0
    for name in names[:-1].split(b"\0"):
        found[offset] = name.decode(errors="replace")
        offset += len(name) + 1
    return found


class _Reader:
    """Reads one record after the other."""

    def __init__(self, records: bytes, names: Mapping[int, str]) -> None:
        self._records = records
        self._names = names
        self._position = 0
        self._type_id = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._records)

    def next_type(self) -> t.BtfType:
        self._type_id += 1
        name_offset, info, size_or_type = self.take(RECORD)
        kind, count, flag = (info >> 24) & 0x1F, info & 0xFFFF, bool(info >> 31)
        if kind not in KINDS:
            raise self.wrong(f"kind {kind} is not known")
        return KINDS[kind](self, self.name(name_offset), size_or_type, count, flag)

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        if self._position + form.size > len(self._records):
            raise self.wrong("the record is cut off")
        values = form.unpack_from(self._records, self._position)
        self._position += form.size
        return values

    def name(self, offset: int) -> str:
        if offset not in self._names:
            raise self.wrong(f"no name starts at {offset}, where its own should")
        return self._names[offset]

    def wrong(self, reason: str) -> InvalidBtf:
        return InvalidBtf(reason, self._type_id)


def _int(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Int:
    (data,) = reader.take(WORD)
    bits, offset, encoding = data & 0xFF, (data >> 16) & 0xFF, (data >> 24) & 0xF
    if size not in INT_SIZES or not 0 < bits or bits + offset > size * 8:
        raise reader.wrong(f"an integer of {size} bytes cannot have {bits} bits at {offset}")
    return t.Int(
        name,
        size,
        bits,
        offset,
        is_signed=bool(encoding & INT_SIGNED),
        is_char=bool(encoding & INT_CHAR),
        is_bool=bool(encoding & INT_BOOL),
    )


def _pointer(reader: _Reader, name: str, type_id: int, count: int, flag: bool) -> t.Pointer:
    return t.Pointer(type_id)


def _array(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Array:
    return t.Array(*reader.take(ARRAY))


def _composite(reader: _Reader, name: str, size: int, count: int, flag: bool, is_union: bool) -> t.Composite:
    return t.Composite(name, size, is_union, tuple(_member(reader, flag) for _ in range(count)))


def _member(reader: _Reader, flag: bool) -> t.Member:
    name_offset, type_id, place = reader.take(MEMBER)
    # With the record's kind flag (Linux 5.0, 9d5f9f701b18) a place is width and offset, before it is an offset alone.
    width, offset = (place >> 24, place & 0xFFFFFF) if flag else (0, place)
    return t.Member(reader.name(name_offset), type_id, offset, width or None)


def _struct(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Composite:
    return _composite(reader, name, size, count, flag, is_union=False)


def _union(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Composite:
    return _composite(reader, name, size, count, flag, is_union=True)


def _enum(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Enum:
    pairs = [reader.take(ENUMERATOR) for _ in range(count)]
    # The flag for "signed" came with clang 16 and pahole 1.24. Without it, the top bit of a value is a minus.
    is_signed = flag or any(value >> 31 for _, value in pairs)
    return _enumeration(reader, name, size, is_signed, [(at, _signed(value, 32, is_signed)) for at, value in pairs])


def _enum64(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Enum:
    pairs = [reader.take(ENUMERATOR64) for _ in range(count)]
    values = [(at, _signed(low | high << 32, 64, flag)) for at, low, high in pairs]
    return _enumeration(reader, name, size, flag, values)


def _enumeration(reader: _Reader, name: str, size: int, is_signed: bool, values: list[tuple[int, int]]) -> t.Enum:
    if size not in ENUM_SIZES:
        raise reader.wrong(f"an enumeration cannot have {size} bytes")
    return t.Enum(name, size, is_signed, tuple((reader.name(at), value) for at, value in values))


def _signed(value: int, bits: int, is_signed: bool) -> int:
    return value - (1 << bits) if is_signed and value >> (bits - 1) else value


def _forward(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Forward:
    return t.Forward(name, is_union=flag)


def _alias(word: str) -> Callable[[_Reader, str, int, int, bool], t.Alias]:
    return lambda reader, name, type_id, count, flag: t.Alias(word, name, type_id)


def _function(reader: _Reader, name: str, type_id: int, count: int, flag: bool) -> t.Function:
    return t.Function(name, type_id, linkage=count)


def _prototype(reader: _Reader, name: str, type_id: int, count: int, flag: bool) -> t.Prototype:
    pairs = [reader.take(PARAMETER) for _ in range(count)]
    return t.Prototype(type_id, tuple((reader.name(at), parameter) for at, parameter in pairs))


def _variable(reader: _Reader, name: str, type_id: int, count: int, flag: bool) -> t.Variable:
    return t.Variable(name, type_id, reader.take(WORD)[0])


def _section(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Section:
    return t.Section(name, size, tuple(t.SectionEntry(*reader.take(SECTION_ENTRY)) for _ in range(count)))


def _float(reader: _Reader, name: str, size: int, count: int, flag: bool) -> t.Float:
    return t.Float(name, size)


def _decl_tag(reader: _Reader, name: str, type_id: int, count: int, flag: bool) -> t.DeclTag:
    return t.DeclTag(name, type_id, reader.take(SIGNED_WORD)[0])


KINDS: dict[int, Callable[[_Reader, str, int, int, bool], t.BtfType]] = {
    1: _int,
    2: _pointer,
    3: _array,
    4: _struct,
    5: _union,
    6: _enum,
    7: _forward,
    8: _alias("typedef"),
    9: _alias("volatile"),
    10: _alias("const"),
    11: _alias("restrict"),
    12: _function,
    13: _prototype,
    14: _variable,
    15: _section,
    16: _float,
    17: _decl_tag,
    18: _alias("type_tag"),
    19: _enum64,
}

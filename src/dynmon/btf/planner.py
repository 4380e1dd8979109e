"""A type → the plan that decodes it.

Members of anonymous structs and unions become members of what they stand in, as they are for C. Padding and unnamed
bit-fields are not seen. What the guards refuse no compiler writes: types inside themselves, members outside their
struct, and small types that unfold into millions of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dynmon.btf import types as t
from dynmon.btf.object import Btf
from dynmon.btf.plans import Address, Bits, Boolean, Enumeration, Field, Floating, Integer, Plan, Record, Repeated
from dynmon.errors import InvalidInputError

MAX_DEPTH = 64
MAX_LEAVES = 1 << 20
MAX_MEMBERS = 1 << 16  # BTF's own limit for one struct
FLOAT_SIZES = (2, 4, 8)
POINTER_SIZE = 8


class UndecodableType(InvalidInputError):
    """Values of this type cannot be shown."""

    def __init__(self, type_name: str, reason: str) -> None:
        super().__init__(f"type '{type_name}' cannot be decoded: {reason}")
        self.type_name = type_name
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {"type": self.type_name, "reason": self.reason}


def plan_for(btf: Btf, type_id: int) -> Plan:
    """How to decode values of a type; a section of global variables is a record of them.

    Raises:
        UndecodableType: It has no values (void, a function, a struct that is only declared), or too many.
        InvalidBtf: Its typedefs go on without end.
    """
    return _Planner(btf).plan(type_id)


class _Planner:
    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._done: dict[int, Plan] = {}
        self._under_way: list[int] = []

    def plan(self, type_id: int) -> Plan:
        resolved, btf_type = self._resolve(type_id)
        if resolved not in self._done:
            if resolved in self._under_way:
                raise self._refuse(resolved, "it contains itself")
            if len(self._under_way) >= MAX_DEPTH:
                raise self._refuse(resolved, f"it is nested more than {MAX_DEPTH} deep")
            self._under_way.append(resolved)
            self._done[resolved] = self._make(resolved, btf_type)
            self._under_way.pop()
        return self._done[resolved]

    def _make(self, type_id: int, btf_type: t.BtfType) -> Plan:
        maker = MAKERS.get(type(btf_type))
        if maker is None:
            raise self._refuse(type_id, REASONS.get(type(btf_type), "it has no values"))
        plan = maker(self, type_id, btf_type)
        if plan.leaves > MAX_LEAVES:
            raise self._refuse(type_id, f"one value of it has more than {MAX_LEAVES} parts")
        return plan

    def _resolve(self, type_id: int) -> tuple[int, t.BtfType]:
        try:
            return self._btf.resolve(type_id)
        except KeyError:
            raise UndecodableType(f"#{type_id}", "no such type") from None

    def _refuse(self, type_id: int, reason: str) -> UndecodableType:
        return UndecodableType(self._btf.describe(type_id), reason)

    def int_plan(self, type_id: int, integer: t.Int) -> Plan:
        if integer.bits == integer.size * 8:
            number = Integer(integer.size, is_signed(integer), is_char=is_char(integer))
            return Boolean(integer.size, number) if integer.is_bool else number
        return self._bits_plan(type_id, integer, integer.offset_bits, integer.bits)

    def float_plan(self, type_id: int, number: t.Float) -> Plan:
        if number.size not in FLOAT_SIZES:
            raise self._refuse(type_id, f"a number of {number.size} bytes has no equal here")
        return Floating(number.size)

    def enum_plan(self, type_id: int, enum: t.Enum) -> Plan:
        return enumeration(Integer(enum.size, enum.is_signed), enum, enum.size * 8)

    def pointer_plan(self, type_id: int, pointer: t.Pointer) -> Plan:
        return Address(POINTER_SIZE)

    def array_plan(self, type_id: int, array: t.Array) -> Plan:
        element = self.plan(array.type_id)
        return Repeated(element.size * array.count, element, array.count, leaves=max(1, element.leaves * array.count))

    def composite_plan(self, type_id: int, composite: t.Composite) -> Plan:
        parts: list[Field] = []
        for member in composite.members:
            parts += self._parts(type_id, member)
            if len(parts) > MAX_MEMBERS:
                raise self._refuse(type_id, f"with its anonymous members it has more than {MAX_MEMBERS} members")
        for part in parts:
            if part.offset + part.plan.size > composite.size:
                raise self._refuse(type_id, f"member '{part.name}' lies outside of it")
        return record(composite.size, parts)

    def section_plan(self, type_id: int, section: t.Section) -> Plan:
        if section.entries and not section.size:
            raise self._refuse(type_id, "where its variables lie is not known before libbpf has opened the object")
        return record(section.size, [self._variable(type_id, section, entry) for entry in section.entries])

    def _variable(self, type_id: int, section: t.Section, entry: t.SectionEntry) -> Field:
        variable = self._btf[entry.type_id]
        if not isinstance(variable, t.Variable):
            raise self._refuse(type_id, "it has entries that are not variables")
        plan = self.plan(variable.type_id)
        if entry.offset + plan.size > section.size:
            raise self._refuse(type_id, f"variable '{variable.name}' lies outside of it")
        return Field(variable.name, entry.offset, plan, self._btf.describe(variable.type_id))

    def _parts(self, type_id: int, member: t.Member) -> list[Field]:
        resolved, btf_type = self._resolve(member.type_id)
        if not member.name and not isinstance(btf_type, t.Composite):
            return []
        offset, shift = divmod(member.offset_bits, 8)
        bits = _width(member, btf_type, shift)
        if bits is not None:
            plan = self._bits_plan(resolved, btf_type, shift + _inner_offset(btf_type), bits)
            return [Field(member.name, offset, plan, self._btf.describe(member.type_id))]
        if shift:
            raise self._refuse(type_id, f"member '{member.name}' starts within a byte")
        plan = self.plan(resolved)
        if not member.name and isinstance(plan, Record):
            return [replace(inner, offset=offset + inner.offset) for inner in plan.parts]
        return [Field(member.name, offset, plan, self._btf.describe(member.type_id))]

    def _bits_plan(self, type_id: int, btf_type: t.BtfType, shift: int, bits: int) -> Plan:
        if not isinstance(btf_type, t.Int | t.Enum) or bits > btf_type.size * 8:
            raise self._refuse(type_id, f"it cannot be a bit-field of {bits} bits")
        size = (shift + bits + 7) // 8
        if isinstance(btf_type, t.Enum):
            return enumeration(Bits(size, shift, bits, btf_type.is_signed), btf_type, bits)
        number = Bits(size, shift, bits, is_signed(btf_type))
        return Boolean(size, number) if btf_type.is_bool else number


def _width(member: t.Member, btf_type: t.BtfType, shift: int) -> int | None:
    """The width of a bit-field, None for a member of whole bytes."""
    if member.bits is not None:
        return member.bits
    # Compilers without the kind flag give each width a type of its own.
    if isinstance(btf_type, t.Int) and (btf_type.bits != btf_type.size * 8 or shift):
        return btf_type.bits
    return btf_type.size * 8 if isinstance(btf_type, t.Enum) and shift else None


def _inner_offset(btf_type: t.BtfType) -> int:
    return btf_type.offset_bits if isinstance(btf_type, t.Int) else 0


def is_signed(integer: t.Int) -> bool:
    """Whether the number can be negative; plain ``char`` can, whatever the compiler says about its sign."""
    return integer.is_signed or (integer.is_char and not integer.name.startswith("unsigned"))


def is_char(integer: t.Int) -> bool:
    """Whether C takes an array of them for text; few compilers write the encoding for it."""
    return integer.is_char or integer.name == "char"


def record(size: int, parts: Sequence[Field]) -> Record:
    """A record of these parts; one without any counts as a value too."""
    return Record(size, tuple(parts), leaves=max(1, sum(part.plan.leaves for part in parts)))


def enumeration(number: Integer | Bits, enum: t.Enum, bits: int) -> Enumeration:
    """The enum with the names that fit into `bits`; a value that has two is shown by the first."""
    lowest, beyond = (-(1 << bits - 1), 1 << bits - 1) if enum.is_signed else (0, 1 << bits)
    fitting = [(name, value) for name, value in enum.enumerators if lowest <= value < beyond]
    return Enumeration(number.size, number, {value: name for name, value in reversed(fitting)}, dict(fitting))


MAKERS: dict[type, Callable[[_Planner, int, Any], Plan]] = {
    t.Int: _Planner.int_plan,
    t.Float: _Planner.float_plan,
    t.Enum: _Planner.enum_plan,
    t.Pointer: _Planner.pointer_plan,
    t.Array: _Planner.array_plan,
    t.Composite: _Planner.composite_plan,
    t.Section: _Planner.section_plan,
}
REASONS: dict[type, str] = {
    t.Void: "void has no values",
    t.Forward: "it is declared but not defined",
    t.Function: "a function has no values",
    t.Prototype: "a function has no values",
}

"""What two declarations of one map have to agree on: type, sizes, and what lies where in keys and values.

What does not matter: what types are called, signs, the names of an enumeration, and the type of an array's index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from dynmon.bpf import BpfMap, DeclaredMap, MapType
from dynmon.btf import Btf, InvalidBtf, MapTypes, Plan, Record, Repeated, UndecodableType, plan_for
from dynmon.btf.plans import Address, Bits, Boolean, Enumeration, Field, Floating, Integer
from dynmon.btf.types import VOID, Section

ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY})
UNTYPED = MapTypes(VOID, VOID)
KINDS: dict[type[Plan], str] = {
    Integer: "an integer",
    Bits: "a bit-field",
    Boolean: "a boolean",
    Floating: "a floating-point number",
    Enumeration: "an enumeration",
    Address: "a pointer",
    Repeated: "an array",
    Record: "a struct or union",
}


@dataclass(frozen=True, slots=True)
class MapLayout:
    """A map as one object declares it; no plan where the object does not tell the type."""

    map_type: MapType
    key_size: int
    value_size: int
    max_entries: int
    key: Plan | None = field(repr=False)
    value: Plan | None = field(repr=False)

    @classmethod
    def of(cls, bpf_map: BpfMap, btf: Btf) -> MapLayout:
        """The layout of `bpf_map` in the words of the object that has the types `btf`."""
        info = bpf_map.info
        declared = _types(btf, info.name)
        key = None if info.map_type in ARRAYS else _plan(btf, declared.key_type_id)
        value = _plan(btf, declared.value_type_id)
        return cls(info.map_type, info.key_size, info.value_size, info.max_entries, key, value)

    @classmethod
    def declared(cls, declared: DeclaredMap, btf: Btf, max_entries: int) -> MapLayout:
        """The layout of a map that an object with the types `btf` declares, made with `max_entries`."""
        types = _types(btf, declared.name)
        kind = MapType(declared.map_type)
        key = None if kind in ARRAYS else _plan(btf, types.key_type_id)
        value = _plan(btf, types.value_type_id)
        return cls(kind, declared.key_size, declared.value_size, max_entries, key, value)

    def difference_from(self, other: MapLayout, *, entries: bool = False) -> str:
        """In what this declaration is not as the `other`, "" where they agree; `entries` count only if asked for."""
        kinds = (self.map_type.name.lower(), other.map_type.name.lower())
        counts = [("entries", self.max_entries, other.max_entries)] if entries else []
        sizes = [
            ("bytes in a key", self.key_size, other.key_size),
            ("bytes in a value", self.value_size, other.value_size),
        ]
        if kinds[0] != kinds[1]:
            return f"it is of type {kinds[0]}, not {kinds[1]}"
        for what, ours, theirs in (*sizes, *counts):
            if ours != theirs:
                return f"it has {ours} {what}, not {theirs}"
        return _between("key", self.key, other.key) or _between("value", self.value, other.value)


def _types(btf: Btf, name: str) -> MapTypes:
    """The types of keys and values; the value of a section of variables is all of them."""
    if name.startswith("."):
        return MapTypes(VOID, btf.find(name, Section) or VOID)
    return btf.map_types.get(name, UNTYPED)


def _plan(btf: Btf, type_id: int) -> Plan | None:
    try:
        return None if type_id == VOID else plan_for(btf, type_id)
    except (UndecodableType, InvalidBtf):
        return None


def _between(what: str, ours: Plan | None, theirs: Plan | None) -> str:
    found = plan_difference(ours, theirs) if ours and theirs else ""
    return f"in its {what}, {found}" if found else ""


def plan_difference(ours: Plan, theirs: Plan, path: str = "") -> str:
    """The first difference between two types, "" where values of one may be read as the other."""
    here = f"field {path!r}" if path else "it"
    if type(ours) is not type(theirs) or ours.size != theirs.size:
        return f"{here} is {_described(ours)}, not {_described(theirs)}"
    match ours, theirs:
        case Record(parts=our_parts), Record(parts=their_parts):
            return _record_difference(our_parts, their_parts, path)
        case Repeated(), Repeated() if ours.count != theirs.count:
            return f"{here} is {_described(ours)}, not {_described(theirs)}"
        case Repeated(), Repeated():
            return plan_difference(ours.element, theirs.element, f"{path}[]")
        case Bits(), Bits() if (ours.shift, ours.bits) != (theirs.shift, theirs.bits):
            return f"{here} is {ours.bits} bits from bit {ours.shift}, not {theirs.bits} from bit {theirs.shift}"
        case (Boolean() | Enumeration(), Boolean() | Enumeration()):
            return plan_difference(ours.number, theirs.number, path)
    return ""


def _record_difference(ours: Sequence[Field], theirs: Sequence[Field], path: str) -> str:
    for our, their in zip_longest(ours, theirs):
        if our is None:
            return f"there is no field {_under(path, their)!r}"
        if their is None:
            return f"there is a field {_under(path, our)!r}"
        name = _under(path, our)
        if our.name != their.name:
            return f"field {name!r} stands where the other has {_under(path, their)!r}"
        if our.offset != their.offset:
            return f"field {name!r} begins at byte {our.offset}, not {their.offset}"
        if found := plan_difference(our.plan, their.plan, name):
            return found
    return ""


def _under(path: str, part: Field) -> str:
    return f"{path}.{part.name}" if path else part.name


def _described(plan: Plan) -> str:
    if isinstance(plan, Repeated):
        return f"an array of {plan.count} elements of {plan.element.size} bytes"
    return f"{KINDS.get(type(plan), 'bytes')} of {plan.size} bytes"

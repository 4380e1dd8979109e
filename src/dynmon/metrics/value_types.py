"""The types of a map's keys and values: those the configuration gives, else the object's, else none.

The object's are those of its declaration, not the type ids that the kernel tells: the kernel keeps no types for queues
and stacks, and those it keeps for a map that came from elsewhere (shared, public, pinned) are numbers in another
object's BTF.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynmon.bpf import BpfMap, MapType
from dynmon.btf import Btf, GlobalVariable, Hexadecimal, Integer, MapTypes, Plan, plan_for, type_named
from dynmon.btf.types import VOID, Section

ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY})
INDEX_SIZE = 4
UNTYPED = MapTypes(VOID, VOID)


class WrongSize(Exception):
    """A type that has not as many bytes as the map: a reason, on its way to the metric's name."""

    def __init__(self, what: str, size: int, source: str, type_name: str, type_size: int) -> None:
        super().__init__(f"its {what} has {size} bytes, but {source} '{type_name}' has {type_size}")


@dataclass(frozen=True, slots=True)
class TypedPlan:
    """How values are decoded, and what the source calls their type."""

    plan: Plan
    type_name: str


def key_type(bpf_map: BpfMap, btf: Btf, given: str | None) -> TypedPlan | None:
    """How the keys of a map are decoded; None where it has none.

    Raises:
        WrongSize: The type has not the size of the keys.
        UndecodableType: There is no such type, or it has no values.
    """
    info = bpf_map.info
    if not info.key_size:
        return None
    declared = btf.map_types.get(info.name, UNTYPED).key_type_id
    index = TypedPlan(Integer(INDEX_SIZE, is_signed=False), "index") if info.map_type in ARRAYS else None
    return _typed(btf, "key", info.key_size, given, declared) or index or _untyped(info.key_size)


def value_type(bpf_map: BpfMap, btf: Btf, given: str | None, variable: GlobalVariable | None) -> TypedPlan:
    """How the values of a map, or one variable in it, are decoded.

    Raises:
        WrongSize: The type has not the size of the values.
        UndecodableType: There is no such type, or it has no values.
    """
    info = bpf_map.info
    size = variable.size if variable else info.value_size
    declared = variable.type_id if variable else _declared_value(bpf_map, btf)
    return _typed(btf, "value", size, given, declared) or _untyped(size)


def _declared_value(bpf_map: BpfMap, btf: Btf) -> int:
    name = bpf_map.info.name
    if name.startswith("."):
        return btf.find(name, Section) or VOID
    return btf.map_types.get(name, UNTYPED).value_type_id


def _typed(btf: Btf, what: str, size: int, given: str | None, declared: int) -> TypedPlan | None:
    if given is not None:
        typed, source = TypedPlan(type_named(btf, given), given), "the given type"
    elif declared != VOID:
        typed, source = TypedPlan(plan_for(btf, declared), btf.describe(declared)), "its declared type"
    else:
        return None
    if typed.plan.size != size:
        raise WrongSize(what, size, source, typed.type_name, typed.plan.size)
    return typed


def _untyped(size: int) -> TypedPlan:
    return TypedPlan(Hexadecimal(size), f"{size} bytes")

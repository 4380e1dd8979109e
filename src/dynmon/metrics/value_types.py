"""The types of a map's keys and values: those the configuration gives, else the object's, else none.

The object's are those of its declaration, not the type ids that the kernel tells: the kernel keeps no types for queues
and stacks, and those it keeps for a map that came from elsewhere (shared, public, pinned) are numbers in another
object's BTF.

The keys of LPM tries that are prefixes of addresses are shown as such, see `dynmon.btf.prefixes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dynmon.bpf import BpfMap, MapType
from dynmon.bpf.kinds import MapInfo
from dynmon.btf import (
    Btf,
    GlobalVariable,
    Hexadecimal,
    Integer,
    MapId,
    MapTypes,
    Plan,
    plan_for,
    prefix_plan,
    type_named,
)
from dynmon.btf.types import VOID, Section

ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY, MapType.ARRAY_OF_MAPS})
MAPS_OF_MAPS = frozenset({MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS})
INDEX_SIZE = 4
MAP_ID_SIZE = 4
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


@dataclass(frozen=True, slots=True)
class InnerTypes:
    """The types of the maps inside of a map; None where nobody tells.

    Only a map itself says how many bytes its keys and values have. The kernel lets in none whose sizes are not those of
    the pattern, but the pattern's types may be another object's.
    """

    key: TypedPlan | None
    value: TypedPlan | None

    def key_of(self, info: MapInfo) -> TypedPlan:
        """How the keys of an inner map are decoded."""
        return _key(self.key if self.key and self.key.plan.size == info.key_size else None, info)

    def value_of(self, info: MapInfo) -> TypedPlan:
        """How the values of an inner map are decoded."""
        if self.value and self.value.plan.size == info.value_size:
            return self.value
        return _untyped(info.value_size)


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
    return _key(_of_size("key", info.key_size, _typed(btf, given, declared), given), info)


def value_type(bpf_map: BpfMap, btf: Btf, given: str | None, variable: GlobalVariable | None) -> TypedPlan:
    """How the values of a map, or one variable in it, are decoded.

    Raises:
        WrongSize: The type has not the size of the values.
        UndecodableType: There is no such type, or it has no values.
    """
    info = bpf_map.info
    if info.map_type in MAPS_OF_MAPS:
        return TypedPlan(MapId(MAP_ID_SIZE), "map")
    size = variable.size if variable else info.value_size
    declared = variable.type_id if variable else _declared_value(bpf_map, btf)
    return _of_size("value", size, _typed(btf, given, declared), given) or _untyped(size)


def inner_types(bpf_map: BpfMap, btf: Btf, given: str | None) -> InnerTypes | None:
    """How the maps inside of a map are decoded, `given` being the type of their values; None where there are none.

    Raises:
        WrongSize: The given type has not the size of the declared one.
        UndecodableType: There is no such type, or it has no values.
    """
    if bpf_map.info.map_type not in MAPS_OF_MAPS:
        return None
    inner = btf.map_types.get(bpf_map.info.name, UNTYPED).inner or UNTYPED
    declared, value = (_typed(btf, each, inner.value_type_id) for each in (None, given))
    if declared:
        _of_size("inner maps' value", declared.plan.size, value, given)
    return InnerTypes(_typed(btf, None, inner.key_type_id), value)


def _declared_value(bpf_map: BpfMap, btf: Btf) -> int:
    name = bpf_map.info.name
    if name.startswith("."):
        return btf.find(name, Section) or VOID
    return btf.map_types.get(name, UNTYPED).value_type_id


def _typed(btf: Btf, given: str | None, declared: int) -> TypedPlan | None:
    if given is not None:
        return TypedPlan(type_named(btf, given), given)
    return TypedPlan(plan_for(btf, declared), btf.describe(declared)) if declared != VOID else None


def _of_size(what: str, size: int, typed: TypedPlan | None, given: str | None) -> TypedPlan | None:
    if typed and typed.plan.size != size:
        source = "its declared type" if given is None else "the given type"
        raise WrongSize(what, size, source, typed.type_name, typed.plan.size)
    return typed


def _key(typed: TypedPlan | None, info: MapInfo) -> TypedPlan:
    if info.map_type is MapType.LPM_TRIE:
        typed = typed or _untyped(info.key_size)
        return replace(typed, plan=prefix_plan(typed.plan))
    index = TypedPlan(Integer(INDEX_SIZE, is_signed=False), "index") if info.map_type in ARRAYS else None
    return typed or index or _untyped(info.key_size)


def _untyped(size: int) -> TypedPlan:
    return TypedPlan(Hexadecimal(size), f"{size} bytes")

"""What maps hold before the code sees a packet: entries from the configuration, in the shape that a read gives.

Arrays, queues, stacks and bloom filters take a list of values, hashes and tries a list of ``{"key": …, "value": …}``,
which arrays take too. A trie's key that is a prefix of addresses may be text such as ``10.0.0.0/8``. The value of a
per-CPU map is a list with one for each possible CPU, or one value for all.
Prog arrays hold programs, which the loader puts in: here it is only told which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeGuard

from dynmon.bpf import BpfMap, DeclaredMap, LoadedObject, MapType, possible_cpus
from dynmon.btf import (
    Btf,
    Hexadecimal,
    MapTypes,
    Plan,
    Record,
    Repeated,
    UndecodableType,
    UnencodableValue,
    encode_by_plan,
    plan_for,
    prefix_plan,
)
from dynmon.btf.types import VOID
from dynmon.errors import InjectionError, KernelError
from dynmon.models import Direction

OWN_PREFIX = "dynmon_"
PAIR = {"key", "value"}
SLOT_BYTES = 8
INDEX_BYTES = 4
UNTYPED = MapTypes(VOID, VOID)
ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY, MapType.DEVMAP, MapType.CPUMAP})
HASHES = frozenset(
    {
        MapType.HASH,
        MapType.PERCPU_HASH,
        MapType.LRU_HASH,
        MapType.LRU_PERCPU_HASH,
        MapType.LPM_TRIE,
        MapType.DEVMAP_HASH,
    }
)
PUSHED = frozenset({MapType.QUEUE, MapType.STACK, MapType.BLOOM_FILTER})


class InvalidEntry(InjectionError):
    """An entry that the configuration gives cannot be put into its map; `place` is where it stands."""

    stage: ClassVar[str] = "check"

    def __init__(self, direction: Direction, place: str, reason: str) -> None:
        path = f"{direction.path_name}.initial-entries.{place}"
        super().__init__(f"{path}: {reason}", file=direction, message=reason)
        self.path = path

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "path": self.path}


def write_entries(
    entries: Mapping[str, Sequence[object]], loaded: LoadedObject, btf: Btf, direction: Direction
) -> None:
    """Put `entries` (a list by the name of its map) into the maps of `loaded`, by the types that `btf` has for them.

    Raises:
        InvalidEntry: With the place of what does not fit, and why. Entries before it are written.
    """
    for name, items in entries.items():
        bpf_map = loaded.maps.get(name)
        if bpf_map is None:
            raise InvalidEntry(direction, name, _why_missing(name, loaded))
        if bpf_map.info.map_type is not MapType.PROG_ARRAY:
            _write_map(bpf_map, items, btf, direction)


def tail_calls_of(
    entries: Mapping[str, Sequence[object]], declared: Iterable[DeclaredMap], direction: Direction
) -> dict[str, dict[int, str]]:
    """Which program `entries` put at which index, by the name of the prog array.

    Raises:
        InvalidEntry: An entry is not ``{"key": index, "value": "name of a program"}``, or beyond the map's end.
    """
    prog_arrays = {each.name: each.max_entries for each in declared if each.map_type == MapType.PROG_ARRAY}
    calls: dict[str, dict[int, str]] = {}
    for name, room in prog_arrays.items():
        for position, item in enumerate(entries.get(name, ())):
            index, program = (item["key"], item["value"]) if _is_pair(item) else (position, item)
            if type(index) is not int or not isinstance(program, str):
                reason = 'expected {"key": index, "value": "name of a program"}'
                raise InvalidEntry(direction, f"{name}[{position}]", reason)
            if not 0 <= index < room:
                reason = f"expected an index from 0 to {room - 1}, not {index}"
                raise InvalidEntry(direction, f"{name}[{position}].key", reason)
            calls.setdefault(name, {})[index] = program
    return calls


def _why_missing(name: str, loaded: LoadedObject) -> str:
    if name in loaded.declared:
        return "the map was not made, because the program does not use it"
    known = {*loaded.maps, *loaded.declared}
    declared = ", ".join(sorted(each for each in known if "." not in each and not each.startswith(OWN_PREFIX)))
    return f"the code declares no such map; it declares: {declared or 'none'}"


@dataclass(frozen=True, slots=True)
class _Target:
    """A map, and how its keys and values become bytes."""

    bpf_map: BpfMap
    key: Plan
    value: Plan


def _write_map(bpf_map: BpfMap, items: Sequence[object], btf: Btf, direction: Direction) -> None:
    info = bpf_map.info
    write = _writer(info.map_type)
    if write is None or info.name.startswith("."):
        raise InvalidEntry(direction, info.name, _why_refused(bpf_map))
    if len(items) > info.max_entries:
        reason = f"{len(items)} entries are given, but the map has room for {info.max_entries} (its max_entries)"
        raise InvalidEntry(direction, info.name, reason)
    try:
        target = _target(bpf_map, btf)
    except UndecodableType as error:
        raise InvalidEntry(direction, info.name, str(error)) from error
    for position, item in enumerate(items):
        try:
            write(target, position, item)
        except UnencodableValue as error:
            place = _joined(f"{info.name}[{position}]", error.path)
            raise InvalidEntry(direction, place, error.reason) from error
        except KernelError as error:
            raise InvalidEntry(direction, f"{info.name}[{position}]", f"the kernel refused it: {error}") from error


def _why_refused(bpf_map: BpfMap) -> str:
    if bpf_map.info.name.startswith("."):
        return "it holds global variables, whose values are in the code; const volatile ones are given by constants"
    return f"a map of type {bpf_map.info.map_type.name.lower()} cannot be given entries"


def _target(bpf_map: BpfMap, btf: Btf) -> _Target:
    info = bpf_map.info
    declared = btf.map_types.get(info.name, UNTYPED)
    key = _plan(btf, declared.key_type_id, info.key_size)
    value = _plan(btf, declared.value_type_id, info.value_size)
    return _Target(bpf_map, prefix_plan(key) if info.map_type is MapType.LPM_TRIE else key, value)


def _plan(btf: Btf, type_id: int, size: int) -> Plan:
    plan = plan_for(btf, type_id) if type_id != VOID else Hexadecimal(size)
    if plan.size != size:
        raise UndecodableType(btf.describe(type_id), f"it has {plan.size} bytes, but the map {size}")
    return plan


def _writer(map_type: MapType) -> Callable[[_Target, int, object], None] | None:
    for kinds, write in ((ARRAYS, _write_place), (HASHES, _write_pair), (PUSHED, _push)):
        if map_type in kinds:
            return write
    return None


def _write_place(target: _Target, position: int, item: object) -> None:
    if _is_pair(item) and not _has_members(target.value, PAIR):
        _write_pair(target, position, item)
    else:
        target.bpf_map.update(position.to_bytes(INDEX_BYTES, "little"), _value_bytes(target, item, ""))


def _write_pair(target: _Target, position: int, item: object) -> None:
    if not _is_pair(item):
        raise UnencodableValue("", 'expected {"key": …, "value": …}')
    key = _encoded(target.key, item["key"], "key")
    info = target.bpf_map.info
    if info.map_type in ARRAYS and int.from_bytes(key, "little") >= info.max_entries:
        raise UnencodableValue("key", f"expected an index from 0 to {info.max_entries - 1}, not {item['key']}")
    target.bpf_map.update(key, _value_bytes(target, item["value"], "value"))


def _push(target: _Target, position: int, item: object) -> None:
    target.bpf_map.update(b"", _value_bytes(target, item, ""))


def _is_pair(item: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(item, dict) and set(item) == PAIR


def _has_members(plan: Plan, names: set[str]) -> bool:
    return isinstance(plan, Record) and names <= {part.name for part in plan.parts}


def _value_bytes(target: _Target, value: object, path: str) -> bytes:
    if not target.bpf_map.info.map_type.is_per_cpu:
        return _encoded(target.value, value, path)
    cpus = possible_cpus()
    if _depth_of(value) <= _depth(target.value):
        return _slot(_encoded(target.value, value, path)) * cpus
    assert isinstance(value, list)
    if len(value) != cpus:
        reason = f"expected one value for all CPUs, or a list of {cpus}, one for each possible CPU, not {len(value)}"
        raise UnencodableValue(path, reason)
    return b"".join(_slot(_encoded(target.value, each, f"{path}[{cpu}]")) for cpu, each in enumerate(value))


def _slot(content: bytes) -> bytes:
    """The kernel keeps the values of the CPUs apart in steps of eight bytes."""
    return content.ljust(-(-len(content) // SLOT_BYTES) * SLOT_BYTES, b"\0")


def _depth_of(value: object) -> int:
    """How many lists are around the first number."""
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = value[0] if value else None
    return depth


def _depth(plan: Plan) -> int:
    depth = 0
    while isinstance(plan, Repeated):
        depth += 1
        plan = plan.element
    return depth


def _encoded(plan: Plan, value: object, path: str) -> bytes:
    try:
        return encode_by_plan(plan, value)
    except UnencodableValue as error:
        raise UnencodableValue(_joined(path, error.path), error.reason) from error


def _joined(path: str, inner: str) -> str:
    return f"{path}.{inner}" if path and inner and not inner.startswith("[") else path + inner

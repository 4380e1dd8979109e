"""Tie a metric's configuration to the map it names, or say why that cannot be."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from dynmon.bpf import BpfMap, MapType
from dynmon.btf import Btf, Hexadecimal, Integer, MapTypes, Plan, UndecodableType, plan_for
from dynmon.btf.types import VOID
from dynmon.errors import InjectionError
from dynmon.metrics.extraction import READERS
from dynmon.models import Direction, MetricConfig

ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY})
INDEX_SIZE = 4
OWN_PREFIX = "dynmon_"
UNTYPED = MapTypes(VOID, VOID)


class UnusableMap(InjectionError):
    """A metric cannot have the map it names."""

    stage: ClassVar[str] = "check"

    def __init__(self, sentence: str, metric: str, map_name: str, direction: Direction) -> None:
        super().__init__(sentence)
        self.metric = metric
        self.map_name = map_name
        self.direction = direction

    def fields(self) -> Mapping[str, Any]:
        return {
            "stage": self.stage,
            "direction": self.direction.value,
            "metric": self.metric,
            "map": self.map_name,
        }


class UnknownMap(UnusableMap):
    """A metric names a map that the code does not have."""

    def __init__(self, metric: str, map_name: str, direction: Direction, declared: list[str]) -> None:
        declares = f"it declares: {', '.join(declared)}" if declared else "it declares no maps"
        sentence = f"map {map_name!r} is not declared by the {direction} code; {declares}"
        super().__init__(sentence, metric, map_name, direction)
        self.declared = declared

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "declared": self.declared}


class UnreadableMap(UnusableMap):
    """A metric names a map that has no values, or none that can be shown."""

    def __init__(self, metric: str, map_name: str, direction: Direction, reason: str) -> None:
        sentence = f"map {map_name!r} of the {direction} code cannot be read: {reason}"
        super().__init__(sentence, metric, map_name, direction)
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class BoundMetric:
    """A metric with its map and the plans for the map's keys (None for queues and stacks) and values.

    The map belongs to whoever loaded it; a metric must not be read after that owner has closed it.
    """

    config: MetricConfig
    direction: Direction
    bpf_map: BpfMap
    key: Plan | None
    value: Plan

    @classmethod
    def bind(cls, config: MetricConfig, direction: Direction, maps: Mapping[str, BpfMap], btf: Btf) -> BoundMetric:
        """Find the map that `config` names among `maps`, and its types in `btf`.

        Raises:
            UnknownMap: It is not there.
            UnreadableMap: Its type has no values to read, its flags forbid that, or they cannot be decoded.
        """
        if config.map_name not in maps:
            raise UnknownMap(config.name, config.map_name, direction, declared_names(maps))
        bpf_map = maps[config.map_name]
        try:
            _check_access(bpf_map, is_emptied=config.extraction_options.empty_on_read)
            key, value = _plans(bpf_map, btf)
        except (_UnreadableError, UndecodableType) as reason:
            raise UnreadableMap(config.name, config.map_name, direction, str(reason)) from reason
        return cls(config, direction, bpf_map, key, value)


def declared_names(maps: Mapping[str, BpfMap]) -> list[str]:
    """The maps that the user's code declares: not libbpf's for global variables, not the dialect's."""
    return sorted(name for name in maps if "." not in name and not name.startswith(OWN_PREFIX))


class _UnreadableError(Exception):
    """A reason, on its way to the metric's name."""


def _check_access(bpf_map: BpfMap, *, is_emptied: bool) -> None:
    # The kernel keeps BPF_F_RDONLY and BPF_F_WRONLY with the descriptor, not among the flags of the map.
    access = fcntl.fcntl(bpf_map.fd, fcntl.F_GETFL) & os.O_ACCMODE
    has_keys = bpf_map.info.key_size > 0
    if access == os.O_WRONLY:
        raise _UnreadableError("it is declared with BPF_F_WRONLY")
    if access == os.O_RDONLY and (is_emptied or not has_keys):
        how = "empty-on-read" if has_keys else "reading"
        raise _UnreadableError(f"{how} would empty it, but it is declared with BPF_F_RDONLY")


def _plans(bpf_map: BpfMap, btf: Btf) -> tuple[Plan | None, Plan]:
    # The declaration in this object, not MapInfo's type ids: the kernel keeps no types for queues and stacks, and those
    # it keeps for a map that came from elsewhere (shared, public, pinned) are numbers in another object's BTF.
    info = bpf_map.info
    if info.map_type not in READERS:
        readable = ", ".join(map_type.name.lower() for map_type in READERS)
        raise _UnreadableError(f"it is of type {_type_name(info.map_type)}; readable are: {readable}")
    declared = btf.map_types.get(info.name, UNTYPED)
    value = _plan(btf, "values", declared.value_type_id, info.value_size) or Hexadecimal(info.value_size)
    if not info.key_size:
        return None, value
    key = _plan(btf, "keys", declared.key_type_id, info.key_size)
    return key or _untyped_key(info.map_type, info.key_size), value


def _type_name(map_type: int) -> str:
    return map_type.name.lower() if isinstance(map_type, MapType) else str(map_type)


def _plan(btf: Btf, what: str, type_id: int, size: int) -> Plan | None:
    if type_id == VOID:
        return None
    plan = plan_for(btf, type_id)
    if plan.size != size:
        raise _UnreadableError(f"its {what} have {size} bytes, but the code declares {plan.size}")
    return plan


def _untyped_key(map_type: MapType, size: int) -> Plan:
    return Integer(INDEX_SIZE, is_signed=False) if map_type in ARRAYS else Hexadecimal(size)

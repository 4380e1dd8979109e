"""Tie a metric's configuration to the map or variable it names, or say why that cannot be."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dynmon.bpf import BpfMap
from dynmon.btf import Btf, GlobalVariable, Plan, UndecodableType
from dynmon.btf.types import Section
from dynmon.metrics.errors import UnknownMap, UnknownVariable, UnreadableMap
from dynmon.metrics.extraction import READERS
from dynmon.metrics.value_types import TypedPlan, WrongSize, key_type, value_type
from dynmon.models import Direction, MetricConfig

OWN_PREFIX = "dynmon_"
CONSTANTS = ".rodata"
IS_VARIABLE = "it is a global variable: name it with variable in place of map-name"
IS_MAP = "it is a map: name it with map-name in place of variable"


@dataclass(frozen=True, slots=True)
class BoundMetric:
    """A metric with its map and the types of the map's keys (None for queues and stacks) and values.

    A metric of a `variable` reads the bytes of that variable only: the map is the section that it lies in, and the
    value is the variable's. The map belongs to whoever loaded it; a metric must not be read after that owner has
    closed it.
    """

    config: MetricConfig
    direction: Direction
    bpf_map: BpfMap
    key_type: TypedPlan | None
    value_type: TypedPlan
    variable: GlobalVariable | None = None

    @property
    def key(self) -> Plan | None:
        """How keys are decoded."""
        return self.key_type.plan if self.key_type else None

    @property
    def value(self) -> Plan:
        """How values are decoded."""
        return self.value_type.plan

    @classmethod
    def bind(
        cls,
        config: MetricConfig,
        direction: Direction,
        maps: Mapping[str, BpfMap],
        btf: Btf,
        declared: Sequence[str] = (),
    ) -> BoundMetric:
        """Find what `config` names among `maps` or the variables in `btf`, and its types.

        `declared` are all maps that the code declares, also those that were not made because nothing uses them.

        Raises:
            UnknownMap: There is no such map.
            UnknownVariable: There is no such variable.
            UnreadableMap: It has no values to read, its flags forbid that, or they cannot be decoded.
        """
        variable = _find_variable(config, direction, btf, maps) if config.variable is not None else None
        name = variable.section if variable else str(config.map_name)
        thing = f"variable {variable.name!r}" if variable else f"map {name!r}"
        if name not in maps and name not in declared and variable is None:
            names = _alike(name, {*maps, *declared})
            raise UnknownMap(config.name, name, direction, names, IS_VARIABLE if name in btf.variables else "")
        try:
            bpf_map = _made(maps, name)
            _check_access(bpf_map, variable, is_emptied=config.extraction_options.empty_on_read)
            _check_place(bpf_map, btf, variable)
            keys = None if variable else key_type(bpf_map, btf, config.key_type)
            values = value_type(bpf_map, btf, config.type, variable)
        except (_UnreadableError, WrongSize, UndecodableType) as reason:
            raise UnreadableMap(config.name, thing, direction, str(reason)) from reason
        return cls(config, direction, bpf_map, keys, values, variable)


def declared_names(maps: Iterable[str]) -> list[str]:
    """The maps that the user's code declares: not libbpf's for global variables, not the dialect's."""
    return sorted(name for name in maps if "." not in name and not name.startswith(OWN_PREFIX))


class _UnreadableError(Exception):
    """A reason, on its way to the metric's name."""


def _find_variable(config: MetricConfig, direction: Direction, btf: Btf, maps: Iterable[str]) -> GlobalVariable:
    name = str(config.variable)
    if name not in btf.variables:
        raise UnknownVariable(config.name, name, direction, declared_variables(btf), IS_MAP if name in maps else "")
    return btf.variables[name]


def declared_variables(btf: Btf) -> list[str]:
    """The global variables of the user's code: not the dialect's."""
    return sorted(name for name in btf.variables if not name.startswith(OWN_PREFIX))


def _alike(name: str, names: Iterable[str]) -> list[str]:
    """The maps to tell somebody who asked for `name`: sections for a section, otherwise the code's own."""
    return sorted(each for each in names if "." in each) if name.startswith(".") else declared_names(names)


def _made(maps: Mapping[str, BpfMap], name: str) -> BpfMap:
    if name not in maps:
        why = "constants were not asked for" if name.startswith(CONSTANTS) else "the program does not use it"
        raise _UnreadableError(f"{name!r} was not kept when the code was loaded: {why}")
    bpf_map = maps[name]
    if bpf_map.info.map_type not in READERS:
        kind = bpf_map.info.map_type.name.lower()
        readable = ", ".join(map_type.name.lower() for map_type in READERS)
        raise _UnreadableError(f"it is of type {kind}; readable are: {readable}")
    return bpf_map


def _check_access(bpf_map: BpfMap, variable: GlobalVariable | None, *, is_emptied: bool) -> None:
    # The kernel keeps BPF_F_RDONLY and BPF_F_WRONLY with the descriptor, not among the flags of the map.
    access = fcntl.fcntl(bpf_map.fd, fcntl.F_GETFL) & os.O_ACCMODE
    has_keys = bpf_map.info.key_size > 0
    if access == os.O_WRONLY:
        raise _UnreadableError("it is declared with BPF_F_WRONLY")
    if access == os.O_RDONLY and (is_emptied or not has_keys):
        how = "empty-on-read" if has_keys else "reading"
        raise _UnreadableError(f"{how} would empty it, but it is declared with BPF_F_RDONLY")
    if is_emptied and bpf_map.info.name.startswith(CONSTANTS):
        raise _UnreadableError("empty-on-read would set it to zero, but it is constant")
    if is_emptied and variable:
        raise _UnreadableError(
            "empty-on-read cannot set it to zero alone, for the kernel writes whole sections only; "
            f"with map-name {variable.section!r} all variables in there are set to zero"
        )


def _check_place(bpf_map: BpfMap, btf: Btf, variable: GlobalVariable | None) -> None:
    if variable is None:
        return
    section = btf[btf.find(variable.section, Section) or 0]
    if isinstance(section, Section) and not section.size:
        raise _UnreadableError("the kernel refused the object's types, so nobody knows where in its section it lies")
    if variable.offset + variable.size > bpf_map.info.value_size:
        raise _UnreadableError("the object's types place it outside of its section")

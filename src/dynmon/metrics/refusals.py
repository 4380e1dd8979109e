"""Why a map cannot be read, or not in the way that a metric's options ask for."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping

from dynmon.bpf import BpfMap, MapType
from dynmon.btf import Plan, Record, Repeated
from dynmon.metrics.extraction import READERS
from dynmon.metrics.map_numbers import read_numbers
from dynmon.metrics.value_types import MAPS_OF_MAPS
from dynmon.models import MetricConfig

READABLE = (*READERS, *sorted(MAPS_OF_MAPS))
QUEUES = frozenset({MapType.QUEUE, MapType.STACK})
EVENTS = "its records are events: read them with GET .../dynmon/NAME/events"
SOCKETS = "it has sockets, which are no values"
OF_CGROUPS = "its values belong to control groups: the kernel gives none without one at hand"
UNREADABLE: Mapping[MapType, str] = {
    MapType.UNSPEC: "it has no type",
    MapType.PROG_ARRAY: "it has programs, which are no values",
    MapType.PERF_EVENT_ARRAY: EVENTS,
    MapType.STACK_TRACE: "it has stacks of kernel addresses, found by an id that only the program knows",
    MapType.CGROUP_ARRAY: "it has control groups, which the kernel does not tell",
    MapType.DEVMAP: "it has interfaces to send to, which are no values",
    MapType.SOCKMAP: SOCKETS,
    MapType.CPUMAP: "it has CPUs to go on at, which are no values",
    MapType.XSKMAP: SOCKETS,
    MapType.SOCKHASH: SOCKETS,
    MapType.CGROUP_STORAGE: OF_CGROUPS,
    MapType.REUSEPORT_SOCKARRAY: SOCKETS,
    MapType.PERCPU_CGROUP_STORAGE: OF_CGROUPS,
    MapType.SK_STORAGE: "its values belong to sockets: the kernel gives none without one at hand",
    MapType.DEVMAP_HASH: "it has interfaces to send to, which are no values",
    MapType.STRUCT_OPS: "it has functions that the kernel calls, which are no values",
    MapType.RINGBUF: EVENTS,
    MapType.INODE_STORAGE: "its values belong to files: the kernel gives none without one at hand",
    MapType.TASK_STORAGE: "its values belong to threads: the kernel gives none without one at hand",
    MapType.BLOOM_FILTER: "it can only be asked whether a value is in it",
    MapType.USER_RINGBUF: "it carries records from user space to the program, not back",
    MapType.CGRP_STORAGE: OF_CGROUPS,
    MapType.ARENA: "it is memory whose layout only the program knows",
    MapType.INSN_ARRAY: "it has places in the program, which are no values",
}
CONSTANTS = (".rodata", ".kconfig")
INITIALISED = ".data"
STARTS_WITH_VALUES = (
    "variables in {section} start with values, which emptying would take away: leave the variable uninitialised, so "
    "that it is in .bss"
)
FOUND_BY_BOTH = "its inner maps are found by both copies of the program, so neither is ever idle"
ONE_ORDER = "the values of a {kind} have one order, which would be lost; count in an array or a hash"


# A program that is not at a hook, so that no switch takes it off one: it runs when its time has come.
ASYNCHRONOUS = ("struct bpf_timer", "struct bpf_wq")
STILL_WRITTEN = "its values have a {type_name}, whose callback goes on writing to the copy that is read"


class UnreadableError(Exception):
    """A reason, on its way to the metric's name."""


def check_kind(bpf_map: BpfMap) -> None:
    """Whether maps of this type have values to read.

    Raises:
        UnreadableError: They have none.
    """
    map_type = bpf_map.info.map_type
    if map_type in UNREADABLE:
        readable = ", ".join(each.name.lower() for each in READABLE)
        raise UnreadableError(
            f"it is of type {map_type.name.lower()}: {UNREADABLE[map_type]}; readable are: {readable}"
        )


def check_options(bpf_map: BpfMap, config: MetricConfig) -> None:
    """Whether a map can be read in the way that its metric's options ask for.

    Raises:
        UnreadableError: It cannot.
    """
    info, option = bpf_map.info, _drains(config)
    # The kernel keeps BPF_F_RDONLY and BPF_F_WRONLY with the descriptor, not among the flags of the map.
    access = fcntl.fcntl(bpf_map.fd, fcntl.F_GETFL) & os.O_ACCMODE
    has_keys = info.key_size > 0
    if access == os.O_WRONLY:
        raise UnreadableError("it is declared with BPF_F_WRONLY")
    if access == os.O_RDONLY and (option or not has_keys):
        raise UnreadableError(f"{option or 'reading'} would empty it, but it is declared with BPF_F_RDONLY")
    if option and info.name.startswith(CONSTANTS):
        raise UnreadableError(f"{option} would set it to zero, but it is constant")
    if option and info.name.startswith(INITIALISED):
        raise UnreadableError(f"{option}: {STARTS_WITH_VALUES.format(section=info.name)}")
    if option and info.map_type in MAPS_OF_MAPS:
        raise UnreadableError(f"{option}: {FOUND_BY_BOTH}")
    if config.per_interface and info.map_type in QUEUES:
        raise UnreadableError(f"per-interface: {ONE_ORDER.format(kind=info.map_type.name.lower())}")
    if config.merge is not None and info.map_type in QUEUES | MAPS_OF_MAPS:
        kind = "maps of maps" if info.map_type in MAPS_OF_MAPS else f"values of a {info.map_type.name.lower()}"
        raise UnreadableError(f"merge: {kind} are never put together")


def check_outside(bpf_map: BpfMap, maps: Mapping[str, BpfMap], config: MetricConfig) -> None:
    """Whether a map that is to be read from a copy is not also found by way of another one.

    Raises:
        UnreadableError: It is inside of a map of maps among `maps`.
        KernelError: The kernel refused to tell.
    """
    option = _drains(config)
    outers = (each for each in maps.values() if option and each.info.map_type in MAPS_OF_MAPS)
    for outer in outers:
        if bpf_map.info.id in read_numbers(outer)[1].copy().view("<u4"):
            raise UnreadableError(f"{option}: it is inside of map {outer.info.name!r}, so both copies write to it")


def check_values(plan: Plan, config: MetricConfig) -> None:
    """Whether values that `plan` decodes stay as they are when no program at a hook writes to them.

    Raises:
        UnreadableError: They need to, for the metric's options ask for it, but do not.
    """
    option = _drains(config)
    found = next((name for name in _type_names(plan) if name in ASYNCHRONOUS), None) if option else None
    if found:
        raise UnreadableError(f"{option}: {STILL_WRITTEN.format(type_name=found)}")


def _type_names(plan: Plan) -> Iterator[str]:
    """What the source calls the types of all that is in a value, without the counts of arrays."""
    if isinstance(plan, Repeated):
        yield from _type_names(plan.element)
    elif isinstance(plan, Record):
        for part in plan.parts:
            yield part.type_name.partition("[")[0]
            yield from _type_names(part.plan)


def _drains(config: MetricConfig) -> str | None:
    """The option that lets entries be taken out of the map, or out of one of its copies."""
    if config.extraction_options.empty_on_read:
        return "empty-on-read"
    if config.extraction_options.swap_on_read:
        return "swap-on-read"
    return "per-interface" if config.per_interface else None

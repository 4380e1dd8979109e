"""The kernel's numbers for kinds of maps and programs, and what describes a map."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class MapType(IntEnum):
    """``enum bpf_map_type``."""

    UNSPEC = 0
    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERF_EVENT_ARRAY = 4
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    STACK_TRACE = 7
    CGROUP_ARRAY = 8
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    HASH_OF_MAPS = 13
    DEVMAP = 14
    SOCKMAP = 15
    CPUMAP = 16
    XSKMAP = 17
    SOCKHASH = 18
    CGROUP_STORAGE = 19
    REUSEPORT_SOCKARRAY = 20
    PERCPU_CGROUP_STORAGE = 21
    QUEUE = 22
    STACK = 23
    SK_STORAGE = 24
    DEVMAP_HASH = 25
    STRUCT_OPS = 26
    RINGBUF = 27
    INODE_STORAGE = 28
    TASK_STORAGE = 29
    BLOOM_FILTER = 30
    USER_RINGBUF = 31
    CGRP_STORAGE = 32
    ARENA = 33
    INSN_ARRAY = 34

    @property
    def is_per_cpu(self) -> bool:
        """Whether each possible CPU has a value of its own behind every key."""
        return self in PER_CPU_TYPES


PER_CPU_TYPES = frozenset(
    {
        MapType.PERCPU_HASH,
        MapType.PERCPU_ARRAY,
        MapType.LRU_PERCPU_HASH,
        MapType.PERCPU_CGROUP_STORAGE,
    }
)


class ProgramType(IntEnum):
    """The kinds of program we load, of ``enum bpf_prog_type``."""

    SCHED_CLS = 3
    XDP = 6
    CGROUP_SKB = 8


@dataclass(frozen=True, slots=True)
class MapInfo:
    """What the kernel says about a map, under the full name that its object gives it.

    ``key_type_id`` and ``value_type_id`` are BTF types of the object it was loaded with; zero is "none".
    """

    name: str
    map_type: MapType
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    key_type_id: int
    value_type_id: int
    id: int

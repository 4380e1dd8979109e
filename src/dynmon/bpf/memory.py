"""How much kernel memory a map will take, told by arithmetic before it exists.

Per-CPU maps escape the memory cgroup and preallocated ones are taken at once, so asking the kernel is no way to
find out: a request that is too large takes the host down. The numbers are the kernel's structures rounded up.
"""

from __future__ import annotations

import functools
from pathlib import Path

from dynmon.bpf.kinds import MapType

PAGE = 4096
HASH_ELEMENT = 64  # struct htab_elem is 48 bytes, its LRU node makes it 64
HASH_BUCKET = 16
POINTER = 8

HASHES = frozenset({MapType.HASH, MapType.PERCPU_HASH, MapType.LRU_HASH, MapType.LRU_PERCPU_HASH})
POINTER_ARRAYS = frozenset(
    {
        MapType.PROG_ARRAY,
        MapType.PERF_EVENT_ARRAY,
        MapType.CGROUP_ARRAY,
        MapType.ARRAY_OF_MAPS,
        MapType.SOCKMAP,
        MapType.XSKMAP,
        MapType.REUSEPORT_SOCKARRAY,
    }
)
RING_BUFFERS = frozenset({MapType.RINGBUF, MapType.USER_RINGBUF})


@functools.cache
def possible_cpus() -> int:
    """How many values a per-CPU map keeps for each key (``/sys/devices/system/cpu/possible``)."""
    text = Path("/sys/devices/system/cpu/possible").read_text().strip()
    return 1 + max(int(part.rpartition("-")[2]) for part in text.split(","))


def round_up(size: int, step: int) -> int:
    """`size` raised to the next multiple of `step`."""
    return -(-size // step) * step


def value_stride(map_type: MapType, value_size: int) -> int:
    """The bytes that one lookup returns: a value, or one for each possible CPU, each at a multiple of eight."""
    return possible_cpus() * round_up(value_size, 8) if map_type.is_per_cpu else value_size


def map_memory(map_type: int, key_size: int, value_size: int, max_entries: int) -> int:
    """An upper estimate, in bytes, of what the kernel allocates for such a map, now or as it fills."""
    try:
        kind = MapType(map_type)
    except ValueError:
        return PAGE + max_entries * (key_size + value_size + HASH_ELEMENT)
    if kind in RING_BUFFERS:
        return 4 * PAGE + max_entries
    if kind is MapType.ARENA:
        return PAGE + max_entries * PAGE
    if kind in POINTER_ARRAYS:
        return PAGE + max_entries * POINTER
    value = round_up(value_size, 8)
    if kind.is_per_cpu:
        value = POINTER + possible_cpus() * value
    if kind in (MapType.ARRAY, MapType.PERCPU_ARRAY, MapType.QUEUE, MapType.STACK):
        return PAGE + (max_entries + 1) * value
    entry = HASH_ELEMENT + round_up(key_size, 8) + value
    if kind is MapType.LPM_TRIE:
        return PAGE + 2 * max_entries * entry  # every entry may need an inner node
    buckets = HASH_BUCKET * (1 << max(0, max_entries - 1).bit_length())
    return PAGE + buckets + max_entries * entry

"""Map → rows of bytes: everything a map holds at one look, and, if asked, nothing left in it afterwards.

A map changes while it is read: entries come, go, and are evicted. What stays throughout is read once; what comes or
goes meanwhile may be missed; nothing is reported twice, no read fails because of it, and none goes on for ever.

Batch calls are used where the kernel has them. For hashes they walk bucket by bucket under the bucket's lock, so
deleting by batch takes each entry in the same step that reads it. Elsewhere (LPM tries, old kernels) an entry is
read and then deleted, and what a program counts between the two calls is lost. Arrays cannot be taken at
all: each entry that is not zero is read again right before it is zeroed, which leaves a gap of one system call
for each such entry instead of one of the whole read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dynmon.bpf import BatchTooSmall, BpfMap, MapType
from dynmon.btf import Rows
from dynmon.errors import UnsupportedError

BATCH_BYTES = 4 << 20
MIN_BATCH_ROWS = 256
CPU_SLOT_ALIGNMENT = 8
STEPS_PER_ENTRY = 4  # of an iteration that is thrown back to the start by deletions
SPARE_STEPS = 64


@dataclass(frozen=True, slots=True)
class Entries:
    """What a map held: one row for each entry, `keys` without columns where entries have no key.

    `values` has one value in each row; for per-CPU maps it has three dimensions: entries, possible CPUs, bytes.
    """

    keys: Rows
    values: Rows

    def __len__(self) -> int:
        return len(self.values)

    def part(self, start: int, stop: int) -> Entries:
        """Some of the entries."""
        return Entries(self.keys[start:stop], self.values[start:stop])


def extract(bpf_map: BpfMap, *, drain: bool) -> Entries:
    """Read the whole map; with `drain` it is empty (arrays: zero) afterwards.

    Queues and stacks can only be read by emptying them: without `drain` they must not be asked.

    Raises:
        KernelError: The kernel refused a read.
    """
    info = bpf_map.info
    keys, values = READERS[info.map_type](bpf_map, drain)
    if info.map_type.is_per_cpu:
        slot = -(-info.value_size // CPU_SLOT_ALIGNMENT) * CPU_SLOT_ALIGNMENT
        slots = values.reshape(len(values), bpf_map.value_stride // slot, slot)
        return Entries(keys, slots[:, :, : info.value_size])
    return Entries(keys, values)


def read_array(bpf_map: BpfMap, drain: bool) -> tuple[Rows, Rows]:
    """All entries in the order of their index."""
    try:
        keys, values = _by_batch(bpf_map, delete=False)
    except UnsupportedError:
        keys, values = _by_index(bpf_map)
    if drain:
        _zero(bpf_map, keys, values)
    return keys, values


def read_hash(bpf_map: BpfMap, drain: bool) -> tuple[Rows, Rows]:
    """All entries in the kernel's order."""
    try:
        return _by_batch(bpf_map, delete=drain)
    except UnsupportedError:
        return _by_key(bpf_map, drain)


def read_trie(bpf_map: BpfMap, drain: bool) -> tuple[Rows, Rows]:
    """All entries, key by key: a trie's batch starts again where an entry went, and repeats itself."""
    return _by_key(bpf_map, drain)


def drain_queue(bpf_map: BpfMap, drain: bool) -> tuple[Rows, Rows]:
    """What pop gives, oldest first for a queue, newest first for a stack; never more than fitted in at once."""
    assert drain, "reading a queue or stack empties it"
    popped: list[bytes] = []
    for _ in range(bpf_map.info.max_entries):
        value = bpf_map.pop()
        if value is None:
            break
        popped.append(value)
    return np.empty((len(popped), 0), np.uint8), _rows(popped, bpf_map.info.value_size)


Reader = Callable[[BpfMap, bool], tuple[Rows, Rows]]
READERS: dict[MapType, Reader] = {
    MapType.ARRAY: read_array,
    MapType.PERCPU_ARRAY: read_array,
    MapType.HASH: read_hash,
    MapType.PERCPU_HASH: read_hash,
    MapType.LRU_HASH: read_hash,
    MapType.LRU_PERCPU_HASH: read_hash,
    MapType.LPM_TRIE: read_trie,
    MapType.QUEUE: drain_queue,
    MapType.STACK: drain_queue,
}


def _by_batch(bpf_map: BpfMap, *, delete: bool) -> tuple[Rows, Rows]:
    info, stride = bpf_map.info, bpf_map.value_stride
    rows = min(info.max_entries, max(MIN_BATCH_ROWS, BATCH_BYTES // (info.key_size + stride)))
    keys = [np.empty((0, info.key_size), np.uint8)]
    values = [np.empty((0, stride), np.uint8)]
    cursor: bytes | None = None
    # Each call moves the cursor on or doubles the rows, and there are no more buckets than twice the entries.
    for _ in range(2 * info.max_entries + SPARE_STEPS):
        some_keys = np.empty((rows, info.key_size), np.uint8)
        some_values = np.empty((rows, stride), np.uint8)
        try:
            count, cursor = bpf_map.lookup_batch(cursor, some_keys, some_values, delete=delete)
        except BatchTooSmall:
            rows *= 2
            continue
        keys.append(some_keys[:count])
        values.append(some_values[:count])
        if cursor is None:
            break
    return np.concatenate(keys), np.concatenate(values)


def _by_index(bpf_map: BpfMap) -> tuple[Rows, Rows]:
    keys = [index.to_bytes(bpf_map.info.key_size, "little") for index in range(bpf_map.info.max_entries)]
    values = [bpf_map.lookup(key) or bytes(bpf_map.value_stride) for key in keys]
    return _rows(keys, bpf_map.info.key_size), _rows(values, bpf_map.value_stride)


def _by_key(bpf_map: BpfMap, drain: bool) -> tuple[Rows, Rows]:
    # Asked what follows a key that is gone, the kernel starts again with the first. So the next key is asked for while
    # this one is still there, keys that come again are passed over, and the number of steps has an end.
    found: dict[bytes, bytes] = {}
    key = bpf_map.next_key(None)
    for _ in range(STEPS_PER_ENTRY * bpf_map.info.max_entries + SPARE_STEPS):
        if key is None:
            break
        following = bpf_map.next_key(key)
        value = bpf_map.lookup(key) if key not in found else None
        if value is not None:
            found[key] = value
            if drain:
                bpf_map.delete(key)
        key = following
    return _rows(list(found), bpf_map.info.key_size), _rows(list(found.values()), bpf_map.value_stride)


def _zero(bpf_map: BpfMap, keys: Rows, values: Rows) -> None:
    nothing = bytes(bpf_map.value_stride)
    for row in np.flatnonzero(values.any(axis=1)).tolist():
        key = keys[row].tobytes()
        latest = bpf_map.lookup(key)
        bpf_map.update(key, nothing)
        if latest is not None:
            values[row] = np.frombuffer(latest, np.uint8)


def _rows(values: list[bytes], size: int) -> Rows:
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), size).copy()

"""Entries of a map as rows of bytes, part by part: by batch calls where the kernel has them, else one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from dynmon.bpf import BatchTooSmall, BpfMap
from dynmon.btf import Rows
from dynmon.errors import UnsupportedError

BATCH_BYTES = 4 << 20
MIN_BATCH_ROWS = 256
# A kernel without preemption runs nobody else on this CPU during a call; so many hash entries take 3 ms, all of a
# million 100 ms and more, even for whoever only wants to be told that the daemon is alive.
MAX_BATCH_ROWS = 8192
PART_ROWS = 4096  # where entries are read one by one
STEPS_PER_ENTRY = 4  # of an iteration that is thrown back to the start by deletions
SPARE_STEPS = 64

Part = tuple[Rows, Rows]


def read_array(bpf_map: BpfMap) -> Iterator[Part]:
    """All entries in the order of their index."""
    try:
        yield from by_batch(bpf_map)
    except UnsupportedError:
        yield from _by_index(bpf_map)


def read_hash(bpf_map: BpfMap) -> Iterator[Part]:
    """All entries in the kernel's order."""
    try:
        yield from by_batch(bpf_map)
    except UnsupportedError:
        yield from by_key(bpf_map)


def read_trie(bpf_map: BpfMap) -> Iterator[Part]:
    """All entries, key by key: a trie's batch starts again where an entry went, and repeats itself."""
    return by_key(bpf_map)


def read_queue(bpf_map: BpfMap) -> Iterator[Part]:
    """Nothing: the values of a queue or stack can only be popped."""
    raise ValueError(f"map {bpf_map.info.name!r} cannot be looked at, only emptied")


def first_parts(bpf_map: BpfMap) -> Iterator[Part]:
    """The first entries again and again, for somebody who removes them before he asks for the next."""
    for _ in range(bpf_map.info.max_entries + SPARE_STEPS):
        try:
            keys, values, _ = read_batch(bpf_map, None, batch_rows(bpf_map))
        except UnsupportedError:
            keys, values = next(by_key(bpf_map))
        if not len(keys):
            return
        yield keys, values


def by_batch(bpf_map: BpfMap, *, delete: bool = False) -> Iterator[Part]:
    """All entries; with `delete` those of a part have left the map when it is given."""
    rows = batch_rows(bpf_map)
    cursor: bytes | None = None
    # Each call moves the cursor on or doubles the rows, and there are no more buckets than twice the entries.
    for _ in range(2 * bpf_map.info.max_entries + SPARE_STEPS):
        try:
            keys, values, cursor = read_batch(bpf_map, cursor, rows, delete=delete)
        except BatchTooSmall:
            rows *= 2
            continue
        yield keys, values
        if cursor is None:
            return


def by_key(bpf_map: BpfMap) -> Iterator[Part]:
    """All entries, and always a last part, which may be empty."""
    # Asked what follows a key that is gone, the kernel starts again with the first. So the next key is asked for while
    # this one is still there, keys that come again are passed over, and the number of steps has an end.
    seen: set[bytes] = set()
    found: dict[bytes, bytes] = {}
    key = bpf_map.next_key(None)
    for _ in range(STEPS_PER_ENTRY * bpf_map.info.max_entries + SPARE_STEPS):
        if key is None:
            break
        following = bpf_map.next_key(key)
        value = bpf_map.lookup(key) if key not in seen else None
        if value is not None:
            seen.add(key)
            found[key] = value
        if len(found) == PART_ROWS:
            yield rows_of(bpf_map, found)
            found = {}
        key = following
    yield rows_of(bpf_map, found)


def batch_rows(bpf_map: BpfMap) -> int:
    """How many entries are asked for at once."""
    info = bpf_map.info
    fitting = BATCH_BYTES // (info.key_size + bpf_map.value_stride)
    return min(info.max_entries, max(MIN_BATCH_ROWS, min(MAX_BATCH_ROWS, fitting)))


def read_batch(
    bpf_map: BpfMap, cursor: bytes | None, rows: int, *, delete: bool = False
) -> tuple[Rows, Rows, bytes | None]:
    """Up to `rows` entries by one call, and where the next one begins.

    Raises:
        BatchTooSmall: A hash bucket has more entries.
        UnsupportedError: The kernel has no batch operations for this map.
    """
    keys = np.empty((rows, bpf_map.info.key_size), np.uint8)
    values = np.empty((rows, bpf_map.value_stride), np.uint8)
    count, following = bpf_map.lookup_batch(cursor, keys, values, delete=delete)
    if 2 * count < rows:  # a view would keep all of the memory
        return keys[:count].copy(), values[:count].copy(), following
    return keys[:count], values[:count], following


def rows_of(bpf_map: BpfMap, found: Mapping[bytes, bytes]) -> Part:
    """Entries as rows."""
    return byte_rows(list(found), bpf_map.info.key_size), byte_rows(list(found.values()), bpf_map.value_stride)


def byte_rows(values: list[bytes], size: int) -> Rows:
    """A row for each of `values`, all of `size` bytes."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), size).copy()


def _by_index(bpf_map: BpfMap) -> Iterator[Part]:
    info = bpf_map.info
    for start in range(0, info.max_entries, PART_ROWS):
        indexes = range(start, min(start + PART_ROWS, info.max_entries))
        keys = [index.to_bytes(info.key_size, "little") for index in indexes]
        values = [bpf_map.lookup(key) or bytes(bpf_map.value_stride) for key in keys]
        yield byte_rows(keys, info.key_size), byte_rows(values, bpf_map.value_stride)

"""Map → rows of bytes: a look at everything in it, at a page of it, or everything taken out of it.

A map changes while it is looked at: entries come, go, and are evicted. What stays throughout is read once; what comes
or goes meanwhile may be missed; nothing is reported twice, no read fails because of it, and none goes on for ever.

Only a map that no program writes to any more can be taken empty without losing a count. Then every part of it is read,
cleared, and handed over before the next one is begun: a failure half-way leaves in the map just what was not handed
over. Hashes do it in one step for each bucket; arrays are zeroed and tries deleted row by row, by batch calls that tell
how far they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynmon.bpf import BatchTooSmall, BpfMap, MapType, kernel_features
from dynmon.btf import Rows, mask_prefixes
from dynmon.errors import InvalidInputError, KernelError, UnsupportedError
from dynmon.metrics.scanning import (
    SPARE_STEPS,
    STEPS_PER_ENTRY,
    Part,
    batch_rows,
    by_batch,
    byte_rows,
    first_parts,
    read_array,
    read_batch,
    read_hash,
    read_queue,
    read_trie,
    rows_of,
)
from dynmon.metrics.words import touched

CPU_SLOT_ALIGNMENT = 8
BATCH_CURSOR_BYTES = 4  # the number of a bucket or the last index
ARRAYS = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY})


class TooMuchToRead(InvalidInputError):
    """A map holds more than one read may take."""

    def __init__(self, name: str, read_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"read map {name!r}: {read_bytes} bytes are not all of it, and one read may take {max_bytes}; "
            "ask for some entries at a time with ?limit="
        )
        self.name = name
        self.read_bytes = read_bytes
        self.max_bytes = max_bytes

    def fields(self) -> Mapping[str, Any]:
        return {"map": self.name, "read-bytes": self.read_bytes, "max-bytes": self.max_bytes, "hint": "use ?limit="}


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

    def rows(self, rows: NDArray[np.intp]) -> Entries:
        """The entries in these rows, in their order."""
        return Entries(self.keys.take(rows, axis=0), self.values.take(rows, axis=0))


def extract(bpf_map: BpfMap, max_bytes: int | None = None) -> Entries:
    """Look at the whole map, which stays as it is; not for queues and stacks.

    Raises:
        TooMuchToRead: There is more in it than `max_bytes`.
        KernelError: The kernel refused a read.
    """
    parts = [(_no_rows(bpf_map.info.key_size), _no_rows(bpf_map.value_stride))]
    read_bytes = 0
    for keys, values in READERS[bpf_map.info.map_type](bpf_map):
        read_bytes += keys.nbytes + values.nbytes
        if max_bytes is not None and read_bytes > max_bytes:
            raise TooMuchToRead(bpf_map.info.name, read_bytes, max_bytes)
        parts.append((keys, values))
    return _joined(bpf_map, parts)


def take(bpf_map: BpfMap, keep: Callable[[Entries], None]) -> None:
    """Take everything out of a map that no program writes to, and hand it to `keep` part by part.

    Afterwards a hash or trie is empty and an array is zero; of an array only entries that are not zero are handed over.
    When it fails, what was handed over is not in the map any more, and what was not still is: it can be called again.
    Not for queues and stacks.

    Raises:
        KernelError: The kernel refused a step.
    """
    match bpf_map.info.map_type:
        case MapType.ARRAY | MapType.PERCPU_ARRAY:
            _take_by_clearing(bpf_map, _touched_parts(bpf_map), _zero, keep)
        case MapType.LPM_TRIE:
            _take_by_clearing(bpf_map, first_parts(bpf_map), _delete, keep)
        case _:
            _take_hash(bpf_map, keep)


def page(bpf_map: BpfMap, limit: int, cursor: bytes | None) -> tuple[Entries, bytes | None]:
    """About `limit` entries from `cursor` on, and the cursor of the next page, None at the end; nothing changes.

    A page of a hash is made of whole buckets: it may have fewer entries, none at the very end, and more where one
    bucket has more. Entries that stay are on one page; those that come meanwhile may be on none. A page of a trie
    begins behind the last key of the one before it: when that key is gone, the kernel knows no place behind it and
    begins again with the first.

    Raises:
        ValueError: No page of this map gave this cursor.
        KernelError: The kernel refused a read.
    """
    if bpf_map.info.map_type in ARRAYS:
        read = _page_of_array
    else:
        has_batch = bpf_map.info.map_type is not MapType.LPM_TRIE and kernel_features().has_batch
        read = _page_by_batch if has_batch else _page_by_key
    parts, following = read(bpf_map, limit, cursor)
    return _joined(bpf_map, [(_no_rows(bpf_map.info.key_size), _no_rows(bpf_map.value_stride)), *parts]), following


def pop(bpf_map: BpfMap, limit: int) -> Entries:
    """Take up to `limit` values from a queue, oldest first, or stack, newest first.

    Raises:
        KernelError: The kernel refused the first of them; where it refuses a later one, those before it are given.
    """
    popped: list[bytes] = []
    for _ in range(limit):
        try:
            value = bpf_map.pop()
        except KernelError:
            if popped:
                break
            raise
        if value is None:
            break
        popped.append(value)
    return Entries(_no_keys(len(popped)), byte_rows(popped, bpf_map.info.value_size))


def entries_of(bpf_map: BpfMap, keys: Rows, values: Rows) -> Entries:
    """Rows as the kernel gives them, with the slots of a per-CPU map apart and the keys of a trie made equal.

    A trie keeps the bits beyond a prefix as they were written last: two copies may have one prefix with different ones.
    """
    info = bpf_map.info
    if info.map_type is MapType.LPM_TRIE:
        return Entries(mask_prefixes(keys), values)
    if not info.map_type.is_per_cpu:
        return Entries(keys, values)
    slot = -(-info.value_size // CPU_SLOT_ALIGNMENT) * CPU_SLOT_ALIGNMENT
    slots = values.reshape(len(values), bpf_map.value_stride // slot, slot)
    return Entries(keys, slots[:, :, : info.value_size])


Reader = Callable[[BpfMap], Iterator[Part]]
READERS: dict[MapType, Reader] = {
    MapType.ARRAY: read_array,
    MapType.PERCPU_ARRAY: read_array,
    MapType.HASH: read_hash,
    MapType.PERCPU_HASH: read_hash,
    MapType.LRU_HASH: read_hash,
    MapType.LRU_PERCPU_HASH: read_hash,
    MapType.LPM_TRIE: read_trie,
    MapType.QUEUE: read_queue,
    MapType.STACK: read_queue,
}


def _take_hash(bpf_map: BpfMap, keep: Callable[[Entries], None]) -> None:
    try:
        for keys, values in by_batch(bpf_map, delete=True):
            keep(entries_of(bpf_map, keys, values))
    except UnsupportedError:
        _take_by_clearing(bpf_map, first_parts(bpf_map), _delete, keep)


def _take_by_clearing(
    bpf_map: BpfMap, parts: Iterator[Part], clear: Callable[[BpfMap, Rows], int], keep: Callable[[Entries], None]
) -> None:
    """`clear` clears some of the rows, from the first on, and says how many."""
    for keys, values in parts:
        entries = entries_of(bpf_map, keys, values)
        done = 0
        try:
            while done < len(keys):
                done += clear(bpf_map, keys[done:])
        finally:
            if done:
                keep(entries.part(0, done))


def _touched_parts(bpf_map: BpfMap) -> Iterator[Part]:
    for keys, values in read_array(bpf_map):
        rows = np.flatnonzero(touched(values))
        yield keys.take(rows, axis=0), values.take(rows, axis=0)


def _page_by_batch(bpf_map: BpfMap, limit: int, cursor: bytes | None) -> tuple[list[Part], bytes | None]:
    room, rows = limit, min(limit, batch_rows(bpf_map))
    place = _kernel_cursor(bpf_map, cursor)
    parts: list[Part] = []
    while room > 0:
        try:
            keys, values, place = read_batch(bpf_map, place, rows)
        except BatchTooSmall:
            if parts:
                break
            rows *= 2
            continue
        parts.append((keys, values))
        room -= len(keys)
        rows = min(room, rows)
        if place is None or _is_last(bpf_map, keys):
            return parts, None
    return parts, place and place[:BATCH_CURSOR_BYTES]


def _page_of_array(bpf_map: BpfMap, limit: int, cursor: bytes | None) -> tuple[list[Part], bytes | None]:
    try:
        return _page_by_batch(bpf_map, limit, cursor)
    except UnsupportedError:
        return _page_by_index(bpf_map, limit, cursor)


def _kernel_cursor(bpf_map: BpfMap, cursor: bytes | None) -> bytes | None:
    if cursor is None:
        return None
    _check_cursor(cursor, BATCH_CURSOR_BYTES)
    return cursor.ljust(max(8, bpf_map.info.key_size), b"\0")


def _is_last(bpf_map: BpfMap, keys: Rows) -> bool:
    """Whether these entries of an array are its end: the kernel says so only when asked for more."""
    info = bpf_map.info
    return info.map_type in ARRAYS and int.from_bytes(keys[-1:].tobytes(), "little") == info.max_entries - 1


def _page_by_index(bpf_map: BpfMap, limit: int, cursor: bytes | None) -> tuple[list[Part], bytes | None]:
    info = bpf_map.info
    start = 0
    if cursor is not None:
        _check_cursor(cursor, info.key_size)
        start = int.from_bytes(cursor, "little") + 1
    keys = [index.to_bytes(info.key_size, "little") for index in range(start, min(start + limit, info.max_entries))]
    found = {key: bpf_map.lookup(key) or bytes(bpf_map.value_stride) for key in keys}
    return [rows_of(bpf_map, found)], keys[-1] if start + limit < info.max_entries else None


def _page_by_key(bpf_map: BpfMap, limit: int, cursor: bytes | None) -> tuple[list[Part], bytes | None]:
    if cursor is not None:
        _check_cursor(cursor, bpf_map.info.key_size)
    found: dict[bytes, bytes] = {}
    last, key = cursor, bpf_map.next_key(cursor)
    for _ in range(STEPS_PER_ENTRY * limit + SPARE_STEPS):
        if key is None or len(found) == limit:
            break
        following = bpf_map.next_key(key)
        value = bpf_map.lookup(key)
        if value is not None:
            found[key] = value
        last, key = key, following
    return [rows_of(bpf_map, found)], last if key is not None else None


def _check_cursor(cursor: bytes, size: int) -> None:
    if len(cursor) != size:
        raise ValueError(f"a cursor of this map has {size} bytes, not {len(cursor)}")


def _zero(bpf_map: BpfMap, keys: Rows) -> int:
    try:
        return bpf_map.update_batch(keys, np.zeros((len(keys), bpf_map.value_stride), np.uint8))
    except UnsupportedError:
        bpf_map.update(keys[0].tobytes(), bytes(bpf_map.value_stride))
        return 1


def _delete(bpf_map: BpfMap, keys: Rows) -> int:
    try:
        return bpf_map.delete_batch(keys)
    except UnsupportedError:
        bpf_map.delete(keys[0].tobytes())
        return 1


def _joined(bpf_map: BpfMap, parts: list[Part]) -> Entries:
    return entries_of(
        bpf_map, np.concatenate([keys for keys, _ in parts]), np.concatenate([values for _, values in parts])
    )


def _no_rows(size: int) -> Rows:
    return np.empty((0, size), np.uint8)


def _no_keys(count: int) -> Rows:
    return np.empty((count, 0), np.uint8)

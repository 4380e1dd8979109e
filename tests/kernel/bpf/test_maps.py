"""Entries as bytes and maps as rows, compared with what bpftool reads."""

import json
import os

import numpy as np
import pytest

from dynmon.bpf import BatchTooSmall, BpfMap, MapType, possible_cpus
from dynmon.errors import KernelError, UnsupportedError
from tests.support import needs, run

LRU_HASHES = [MapType.LRU_HASH, MapType.LRU_PERCPU_HASH]
HASHES = [MapType.HASH, MapType.PERCPU_HASH, *LRU_HASHES]
ARRAYS = [MapType.ARRAY, MapType.PERCPU_ARRAY]
NO_PREALLOCATION = 1

pytestmark = pytest.mark.usefixtures("no_leaks")


def create(map_type, value_size=8, entries=64, key_size=4, flags=0):
    return BpfMap.create(map_type, key_size, value_size, entries, name="tested", flags=flags)


def u32(number):
    return number.to_bytes(4, "little")


def value_for(bpf_map, number):
    """A value of which every byte of every CPU is known; the padding behind each is zero."""
    size, cpus = bpf_map.info.value_size, possible_cpus() if bpf_map.info.map_type.is_per_cpu else 1
    slot = bpf_map.value_stride // cpus
    return b"".join(
        bytes((number + cpu * 7 + index) % 256 for index in range(size)).ljust(slot, b"\0") for cpu in range(cpus)
    )


def read_by_batches(bpf_map, rows, *, delete=False):
    """All entries, with the number of calls it took."""
    found, cursor = {}, None
    for calls in range(1, 1000):
        keys = np.empty((rows, bpf_map.info.key_size), np.uint8)
        values = np.empty((rows, bpf_map.value_stride), np.uint8)
        count, cursor = bpf_map.lookup_batch(cursor, keys, values, delete=delete)
        found.update((keys[row].tobytes(), values[row].tobytes()) for row in range(count))
        if cursor is None:
            return found, calls
    pytest.fail("the batches do not end")


def dumped_by_bpftool(bpf_map):
    """What bpftool sees: key to the bytes of all CPUs, without padding."""
    entries = json.loads(run("bpftool", "map", "dump", "id", str(bpf_map.info.id), "-j"))
    return {
        bytes(int(byte, 16) for byte in entry["key"]): [
            bytes(int(byte, 16) for byte in value)
            for value in ([cpu["value"] for cpu in entry["values"]] if "values" in entry else [entry["value"]])
        ]
        for entry in entries
    }


def without_padding(bpf_map, value):
    cpus = possible_cpus() if bpf_map.info.map_type.is_per_cpu else 1
    slot = len(value) // cpus
    return [value[cpu * slot :][: bpf_map.info.value_size] for cpu in range(cpus)]


@needs("bpftool")
@pytest.mark.parametrize("value_size", [1, 3, 4, 7, 8, 12, 20, 33])
@pytest.mark.parametrize("map_type", [*HASHES, *ARRAYS])
def test_entries_are_those_that_bpftool_reads(map_type, value_size):
    """For any size of value, one by one and by the batch."""
    entries = 5
    with create(map_type, value_size, entries if map_type in ARRAYS else 64) as bpf_map:
        written = {u32(number): value_for(bpf_map, number * 31) for number in range(entries)}
        for key, value in written.items():
            bpf_map.update(key, value)
        batched, _ = read_by_batches(bpf_map, 64)

        assert written == {key: bpf_map.lookup(key) for key in written}
        assert written == batched
        assert dumped_by_bpftool(bpf_map) == {key: without_padding(bpf_map, batched[key]) for key in batched}


@pytest.mark.parametrize("map_type", [*HASHES, *ARRAYS, MapType.LPM_TRIE])
def test_a_map_read_in_small_batches_is_whole(map_type):
    """Each entry once, whatever the size of a batch."""
    flags, key_size = (NO_PREALLOCATION, 8) if map_type is MapType.LPM_TRIE else (0, 4)
    # An LRU map keeps lists of free entries for each CPU, and may evict before it is full.
    with create(map_type, entries=4096 if map_type in LRU_HASHES else 300, key_size=key_size, flags=flags) as bpf_map:
        for number in range(300):
            key = u32(32) + number.to_bytes(4, "big") if key_size == 8 else u32(number)
            bpf_map.update(key, value_for(bpf_map, number))
        small, calls = read_by_batches(bpf_map, 50)
        large, one = read_by_batches(bpf_map, 1000)

    assert 300 == len(small)
    assert small == large
    assert calls >= 6
    assert 1 == one


@pytest.mark.parametrize("map_type", HASHES)
def test_draining_empties_a_hash(map_type):
    """What was read is no longer there."""
    with create(map_type) as bpf_map:
        for number in range(20):
            bpf_map.update(u32(number), value_for(bpf_map, number))
        drained, _ = read_by_batches(bpf_map, 64, delete=True)

        assert 20 == len(drained)
        assert ({}, 1) == read_by_batches(bpf_map, 64)


def test_a_bucket_larger_than_the_batch_says_so():
    """More rows help; nothing was lost."""
    with create(MapType.HASH, entries=2000) as bpf_map:
        for number in range(2000):
            bpf_map.update(u32(number), bytes(8))
        with pytest.raises(BatchTooSmall):
            read_by_batches(bpf_map, 1)
        assert 2000 == len(read_by_batches(bpf_map, 100)[0])


@pytest.mark.parametrize("map_type", [MapType.QUEUE, MapType.STACK])
def test_a_map_without_batches_says_so(map_type):
    """So that its reader takes another way."""
    with create(map_type, key_size=0) as bpf_map, pytest.raises(UnsupportedError):
        bpf_map.lookup_batch(None, np.empty((4, 0), np.uint8), np.empty((4, 8), np.uint8))


def test_arrays_cannot_be_drained_by_batches():
    """Their entries cannot be deleted."""
    with create(MapType.ARRAY) as bpf_map, pytest.raises(UnsupportedError):
        read_by_batches(bpf_map, 64, delete=True)


def test_hidden_batches_are_unsupported(monkeypatch):
    """DYNMON_WITHOUT=batch makes a kernel as old as that."""
    monkeypatch.setenv("DYNMON_WITHOUT", "tcx,batch")
    with create(MapType.HASH) as bpf_map, pytest.raises(UnsupportedError):
        read_by_batches(bpf_map, 64)


def test_rows_of_a_wrong_shape_are_refused_before_the_kernel_writes():
    """It would write past their end."""
    with create(MapType.HASH) as bpf_map:
        good, values = np.empty((4, 4), np.uint8), np.empty((4, 8), np.uint8)
        for keys, rows in (
            (np.empty((4, 3), np.uint8), values),
            (good, np.empty((4, 7), np.uint8)),
            (good.astype(np.uint32), values),
            (np.empty((4, 8), np.uint8)[:, ::2], values),
        ):
            with pytest.raises(ValueError, match="contiguous rows"):
                bpf_map.lookup_batch(None, keys, rows)


def test_keys_and_values_of_a_wrong_size_are_refused_before_the_kernel_reads():
    """It would read past their end."""
    with create(MapType.HASH) as bpf_map:
        for operation in (
            lambda: bpf_map.lookup(b"abc"),
            lambda: bpf_map.delete(b""),
            lambda: bpf_map.next_key(b"abcde"),
            lambda: bpf_map.update(u32(1), bytes(7)),
        ):
            with pytest.raises(ValueError, match="takes a"):
                operation()


def test_what_is_not_there():
    """None, False, and the end of the keys."""
    with create(MapType.HASH) as bpf_map:
        assert bpf_map.lookup(u32(1)) is None
        assert bpf_map.delete(u32(1)) is False
        assert bpf_map.next_key(None) is None
        bpf_map.update(u32(1), bytes(8))
        assert u32(1) == bpf_map.next_key(None)
        assert bpf_map.next_key(u32(1)) is None
        assert bpf_map.delete(u32(1)) is True
        assert bpf_map.lookup(u32(1)) is None


@pytest.mark.parametrize(("map_type", "expected"), [(MapType.QUEUE, [1, 2, 3]), (MapType.STACK, [3, 2, 1])])
def test_queues_and_stacks_pop_in_their_order(map_type, expected):
    """Peeking takes nothing away."""
    with create(map_type, key_size=0) as bpf_map:
        assert bpf_map.peek() is None
        for number in (1, 2, 3):
            bpf_map.update(b"", number.to_bytes(8, "little"))
        first = expected[0].to_bytes(8, "little")
        assert [first, first] == [bpf_map.peek(), bpf_map.peek()]
        assert expected == [int.from_bytes(bpf_map.pop(), "little") for _ in range(3)]
        assert bpf_map.pop() is None


def test_a_full_map_is_an_error_of_the_kernel():
    """With its number."""
    with create(MapType.HASH, entries=1) as bpf_map:
        bpf_map.update(u32(1), bytes(8))
        with pytest.raises(KernelError, match="access map 'tested'") as caught:
            bpf_map.update(u32(2), bytes(8))
    assert caught.value.errno == 7


def test_a_map_that_cannot_be_made():
    """The error names it."""
    with pytest.raises(KernelError, match="create map 'tested'"):
        create(MapType.ARRAY, key_size=5)


def test_closing_twice_is_harmless():
    """The second does not close what has the number now."""
    bpf_map = create(MapType.HASH)
    fd = bpf_map.fd
    bpf_map.close()
    reader, writer = os.pipe()
    bpf_map.close()
    os.close(reader)
    os.close(writer)

    assert fd >= 0
    assert -1 == bpf_map.fd

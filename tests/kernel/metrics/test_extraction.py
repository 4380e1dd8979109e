"""Maps are looked at, paged through, and taken empty; every entry comes out once, whatever its size and kind."""

import contextlib
import ctypes
import struct

import numpy as np
import pytest

from dynmon.bpf import BpfMap, MapType, _syscall, possible_cpus
from dynmon.errors import KernelError, UnsupportedError
from dynmon.metrics.extraction import Entries, TooMuchToRead, extract, page, pop, take
from tests.support import needs

pytestmark = needs("kernel")
NO_PREALLOC = 1
MAP_FREEZE = 22
MANY = 120_000
HASHES = [MapType.HASH, MapType.LRU_HASH, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH]
ARRAYS = [MapType.ARRAY, MapType.PERCPU_ARRAY]
VALUE_SIZES = [1, 3, 8, 13, 40]


@pytest.fixture(params=["", "batch"], ids=["batch", "one by one"])
def with_and_without_batch(request, monkeypatch):
    """The test runs twice, the second time as on a kernel that has no batch calls."""
    monkeypatch.setenv("DYNMON_WITHOUT", request.param)


@contextlib.contextmanager
def filled(map_type, count, *, key_size=4, value_size=8, entries=None, step=1):
    """A map with keys 0, `step`, 2 * `step`, … and values that tell their key; and what is in it, by key."""
    room = entries or (2 * count if map_type in HASHES else count)
    flags = NO_PREALLOC if map_type is MapType.LPM_TRIE else 0
    with BpfMap.create(map_type, key_size, value_size, room, name="extracted", flags=flags) as bpf_map:
        keys = keys_of(map_type, range(0, count * step, step), key_size)
        values = np.random.default_rng(count).integers(1, 256, (count, bpf_map.value_stride), np.uint8)
        fill(bpf_map, keys, values)
        yield bpf_map, {key.tobytes(): own(bpf_map, value) for key, value in zip(keys, values, strict=True)}


def fill(bpf_map, keys, values):
    try:
        assert len(keys) == bpf_map.update_batch(keys, values)
    except UnsupportedError:
        for key, value in zip(keys, values, strict=True):
            bpf_map.update(key.tobytes(), value.tobytes())


def keys_of(map_type, numbers, key_size):
    if map_type is MapType.LPM_TRIE:
        made = [struct.pack("<I", 8 * (key_size - 4)) + number.to_bytes(key_size - 4, "big") for number in numbers]
    else:
        made = [number.to_bytes(4, "little").ljust(key_size, b"\7") for number in numbers]
    return np.frombuffer(b"".join(made), np.uint8).reshape(-1, key_size).copy()


def own(bpf_map, value):
    """Of what the kernel keeps, what is the user's: without the ends of the slots."""
    size = bpf_map.info.value_size
    if not bpf_map.info.map_type.is_per_cpu:
        return value.tobytes()
    return value.reshape(possible_cpus(), -1)[:, :size].tobytes()


def by_key(*parts):
    """The entries of several parts; a key that comes twice fails."""
    pairs = [
        (key.tobytes(), value.tobytes()) for part in parts for key, value in zip(part.keys, part.values, strict=True)
    ]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def taken(bpf_map):
    parts = []
    take(bpf_map, parts.append)
    return by_key(*parts)


class MapFreeze(ctypes.Structure):
    """The argument of BPF_MAP_FREEZE."""

    _fields_ = [("map_fd", ctypes.c_uint32)]


def freeze(bpf_map):
    """From now on, user space may only read the map."""
    _syscall.bpf(MAP_FREEZE, MapFreeze(bpf_map.fd))


@pytest.mark.usefixtures("with_and_without_batch")
@pytest.mark.parametrize("value_size", VALUE_SIZES)
@pytest.mark.parametrize("map_type", [*HASHES, *ARRAYS, MapType.LPM_TRIE])
def test_what_is_taken_is_what_was_there_and_nothing_is_left(map_type, value_size):
    key_size = 4 if map_type in ARRAYS else 9
    with filled(map_type, 900, key_size=key_size, value_size=value_size) as (bpf_map, expected):
        assert expected == by_key(extract(bpf_map))
        assert expected == by_key(extract(bpf_map))

        assert expected == taken(bpf_map)

        assert {} == taken(bpf_map)
        left = extract(bpf_map)
        assert (900 if map_type in ARRAYS else 0) == len(left)
        assert not left.values.any()


@pytest.mark.parametrize("map_type", [*HASHES, *ARRAYS])
def test_many_entries_are_taken_part_by_part(map_type):
    key_size = 4 if map_type in ARRAYS else 16
    with filled(map_type, MANY, key_size=key_size, value_size=32, entries=2 * MANY) as (bpf_map, expected):
        looked = extract(bpf_map)
        parts = []
        take(bpf_map, parts.append)

        assert len(parts) > 1
        assert expected == by_key(*parts)
        assert expected.items() <= by_key(looked).items()
        assert not extract(bpf_map).values.any()


def test_of_an_array_only_touched_entries_are_taken():
    with BpfMap.create(MapType.ARRAY, 4, 8, 5000, name="extracted") as bpf_map:
        bpf_map.update(struct.pack("<I", 4321), struct.pack("<Q", 7))

        assert {struct.pack("<I", 4321): struct.pack("<Q", 7)} == taken(bpf_map)


def test_a_section_of_variables_is_an_array_of_one():
    with BpfMap.create(MapType.ARRAY, 4, 100_003, 1, name="example.bss") as bpf_map:
        content = np.arange(100_003).astype(np.uint8).tobytes()
        bpf_map.update(bytes(4), content)

        assert {bytes(4): content} == taken(bpf_map)
        assert bytes(100_003) == bpf_map.lookup(bytes(4))


@pytest.mark.parametrize("map_type", [MapType.HASH, MapType.ARRAY, MapType.LPM_TRIE])
def test_a_take_that_is_refused_hands_nothing_over_and_changes_nothing(map_type):
    with filled(map_type, 100, key_size=4 if map_type is MapType.ARRAY else 8) as (bpf_map, expected):
        freeze(bpf_map)
        parts = []
        with pytest.raises(KernelError):
            take(bpf_map, parts.append)

        assert [] == parts
        assert expected == by_key(extract(bpf_map))


@pytest.mark.usefixtures("with_and_without_batch")
@pytest.mark.parametrize("map_type", [MapType.HASH, MapType.PERCPU_ARRAY, MapType.LPM_TRIE])
def test_a_take_that_stops_half_way_goes_on_with_the_rest(monkeypatch, map_type):
    """What was handed over is not in the map any more, and everything else is."""
    monkeypatch.setattr("dynmon.metrics.scanning.BATCH_BYTES", 1)
    monkeypatch.setattr("dynmon.metrics.scanning.PART_ROWS", 256)
    with filled(map_type, 3000, key_size=4 if map_type in ARRAYS else 8) as (bpf_map, expected):
        parts = []

        def keep(part):
            parts.append(part)
            if 3 == len(parts):
                raise InterruptedError

        with pytest.raises(InterruptedError):
            take(bpf_map, keep)
        first = by_key(*parts)

        assert 0 < len(first) < 3000
        rest = taken(bpf_map)
        assert expected == first | rest
        assert not first.keys() & rest.keys()


def test_batches_of_changes_tell_how_far_they_came():
    four = np.array([0, 1, 99, 2], "<u4").view(np.uint8).reshape(4, 4)
    ones = np.ones((4, 8), np.uint8)
    with BpfMap.create(MapType.ARRAY, 4, 8, 10, name="extracted") as array:
        assert 2 == array.update_batch(four, ones)
        assert 2 == np.count_nonzero(extract(array).values.any(axis=1))
        with pytest.raises(KernelError):
            array.update_batch(four[2:].copy(), ones[2:])
    with BpfMap.create(MapType.HASH, 4, 8, 10, name="extracted") as hashed:
        assert 4 == hashed.update_batch(four, ones)
        hashed.delete(four[2].tobytes())
        assert 2 == hashed.delete_batch(four)
        assert 1 == len(extract(hashed))


def test_a_read_has_a_limit_that_counts_what_is_there_and_not_what_would_fit():
    with filled(MapType.HASH, 1000, entries=100_000) as (bpf_map, expected):
        assert expected == by_key(extract(bpf_map, 12 * 1000))
        with pytest.raises(TooMuchToRead, match=r"read map 'extracted'.* \?limit=") as refusal:
            extract(bpf_map, 12 * 1000 - 1)

    assert {"map": "extracted", "read-bytes": 12_000, "max-bytes": 11_999, "hint": "use ?limit="} == (
        refusal.value.fields()
    )


@pytest.mark.parametrize(("map_type", "expected"), [(MapType.QUEUE, [0, 1, 2, 3, 4]), (MapType.STACK, [4, 3, 2, 1, 0])])
def test_queues_and_stacks_are_popped_as_many_at_a_time_as_are_wanted(map_type, expected):
    with BpfMap.create(map_type, 0, 3, 10, name="extracted") as bpf_map:
        for number in range(5):
            bpf_map.update(b"", bytes([number, 0, 0]))
        first, rest, nothing = (pop(bpf_map, limit) for limit in (2, 10, 10))

    assert [2, 3, 0] == [len(entries) for entries in (first, rest, nothing)]
    assert expected == [*first.values[:, 0], *rest.values[:, 0]]
    assert (2, 0) == first.keys.shape


def pages(bpf_map, limit):
    cursor, found = None, []
    while True:
        entries, cursor = page(bpf_map, limit, cursor)
        found.append(entries)
        if cursor is None:
            return found


@pytest.mark.usefixtures("with_and_without_batch")
@pytest.mark.parametrize("limit", [1, 7, 100, 5000])
@pytest.mark.parametrize("map_type", [MapType.HASH, MapType.PERCPU_HASH, *ARRAYS, MapType.LPM_TRIE])
def test_pages_have_every_entry_once(map_type, limit):
    key_size = 4 if map_type in ARRAYS else 9
    with filled(map_type, 1000, key_size=key_size, value_size=5) as (bpf_map, expected):
        found = pages(bpf_map, limit)

        assert expected == by_key(*found)
        assert expected == by_key(extract(bpf_map))
    if map_type in ARRAYS:
        assert [limit] * (1000 // limit) == [len(entries) for entries in found][: 1000 // limit]
        assert -(-1000 // limit) == len(found)


def test_entries_that_stay_are_on_one_page_whatever_comes_and_goes():
    with filled(MapType.HASH, 2000, step=2) as (bpf_map, expected):
        cursor, found = None, []
        for number in range(1, 100_000, 2):
            entries, cursor = page(bpf_map, 50, cursor)
            found.append(entries)
            if cursor is None:
                break
            bpf_map.update(struct.pack("<I", number), bytes(8))
            if number > 10:
                bpf_map.delete(struct.pack("<I", number - 10))

    assert expected.items() <= by_key(*found).items()


@pytest.mark.parametrize("map_type", [MapType.HASH, MapType.ARRAY, MapType.LPM_TRIE])
def test_a_cursor_of_another_map_is_refused(map_type):
    with (
        filled(map_type, 10, key_size=4 if map_type is MapType.ARRAY else 8) as (bpf_map, _),
        pytest.raises(ValueError, match="a cursor of this map has"),
    ):
        page(bpf_map, 5, b"12345")


def test_no_entries_have_the_form_of_entries():
    with BpfMap.create(MapType.PERCPU_HASH, 6, 5, 4, name="extracted") as bpf_map:
        nothing = extract(bpf_map)

    assert isinstance(nothing, Entries)
    assert ((0, 6), (0, possible_cpus(), 5)) == (nothing.keys.shape, nothing.values.shape)

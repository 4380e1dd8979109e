"""Big answers are written without decoding; they say the same, byte for byte."""

from __future__ import annotations

import json
import random

import pytest

from dynmon.metrics import read
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
ENTRIES = 5000  # more than are written at once
SOURCE = f"""
enum state {{ IDLE, BUSY = 7 }};
struct key {{ u32 from; u16 port; u8 address[6]; }};
struct value {{
	u64 packets; int signed_one; enum state state; _Bool seen; double ratio;
	u32 low : 3; u32 high : 29; struct {{ u16 a, b; }} inner[2]; unsigned __int128 wide;
}};
struct prefix {{ u32 length; u8 address[4]; }};
MAP(1, hash, struct key, struct value, {ENTRIES}, 0);
MAP(2, array, u32, struct value, {ENTRIES}, 0);
MAP(5, percpu_hash, struct key, struct value, {ENTRIES}, 0);
MAP(6, percpu_array, u32, u32, {ENTRIES}, 0);
MAP(9, lru_hash, u64, u8, {16 * ENTRIES}, 0);
MAP(11, trie, struct prefix, struct value, {ENTRIES}, 1);
QUEUE(22, queue, u64, {ENTRIES});
u32 numbers[{ENTRIES}];
"""


def fill(name, bpf_map):
    """Keys that differ, values of any bits; JSON text would be one thing for all NaNs."""
    info, chance = bpf_map.info, random.Random(6)
    for number in range(ENTRIES):
        key = number.to_bytes(4, "little")
        if name == "trie":
            key = (32).to_bytes(4, "little") + number.to_bytes(4, "big")
        value = chance.randbytes(bpf_map.value_stride if info.map_type.is_per_cpu else info.value_size)
        bpf_map.update(key.ljust(info.key_size, b"\0")[: info.key_size], value)


@pytest.mark.parametrize("name", ["hash", "array", "percpu_hash", "percpu_array", "lru_hash", "trie", "queue"])
def test_a_big_map_is_written_as_it_is_decoded(name):
    """Every shape: with keys, without, by CPU, prefixes."""
    with lab(SOURCE) as maps_and_types:
        fill(name, maps_and_types.maps[name])
        reading = read(maps_and_types.bind(name), drain=True)

    assert ENTRIES == len(reading.value)
    assert_same(reading)


def test_a_big_variable_is_written_as_it_is_decoded():
    """One value with many parts."""
    with lab(SOURCE) as maps_and_types:
        reading = read(maps_and_types.bind_variable("numbers"), drain=False)

    assert [ENTRIES] == [len(value) for value in reading.value]
    assert_same(reading)


def test_a_small_map_is_decoded():
    """That takes less time."""
    with lab("MAP(2, array, u32, u64, 4, 0);") as maps_and_types:
        assert read(maps_and_types.bind("array"), drain=False).json() is None


def assert_same(reading):
    expected = json.dumps(reading.value, ensure_ascii=False, separators=(",", ":"))
    assert expected.encode() == b"[" + b"".join(reading.json()) + b"]"

"""Maps in the kernel become the JSON that clients know, and are emptied when, and only when, they should be."""

import ipaddress
import json
import os
import re
import struct
import threading
import time

import pytest

from dynmon.bpf import possible_cpus
from dynmon.errors import KernelError
from dynmon.metrics import BoundMetric, UnknownMap, UnreadableMap, read
from dynmon.metrics.extraction import take
from dynmon.models import Direction, MetricConfig
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
EMPTYING = {"extraction-options": {"empty-on-read": True}}
HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY, LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE, QUEUE, STACK = (
    1,
    2,
    5,
    6,
    9,
    10,
    11,
    22,
    23,
)
NO_PREALLOC, READ_ONLY, WRITE_ONLY = 1, 8, 16
EVERY_KIND = f"""
struct event {{ u64 timestamp; u32 length; }};
struct session {{ u32 saddr, daddr; u16 sport, dport; u8 proto; }};
struct prefix {{ u32 length; u8 address[4]; }};
MAP({ARRAY}, SIMPLE_ARRAY, int, struct event, 1, 0);
MAP({HASH}, SIMPLE_HASH, struct session, int, 65535, 0);
QUEUE({QUEUE}, SIMPLE_QUEUE, struct event, 10);
QUEUE({STACK}, SIMPLE_STACK, u32, 10);
MAP({HASH}, HASH, u32, u64, 3000, 0);
MAP({LRU_HASH}, LRU_HASH, u32, u64, 3000, 0);
MAP({HASH}, NO_PREALLOC, u32, u64, 3000, {NO_PREALLOC});
MAP({LPM_TRIE}, LPM_TRIE, struct prefix, u64, 3000, {NO_PREALLOC});
MAP({PERCPU_HASH}, PERCPU_HASH, u32, u16, 3000, 0);
MAP({LRU_PERCPU_HASH}, LRU_PERCPU_HASH, u32, u16, 3000, 0);
MAP({ARRAY}, ARRAY, u32, u64, 3000, 0);
MAP({PERCPU_ARRAY}, PERCPU_ARRAY, u32, u16, 3000, 0);
struct {{ int (*type)[{HASH}]; int (*key_size)[4]; int (*value_size)[6]; int (*max_entries)[4]; }} BYTES SEC(".maps");
struct {{ int (*type)[{ARRAY}]; int (*key_size)[4]; int (*value_size)[3]; int (*max_entries)[2]; }} BLOCKS SEC(".maps");
struct {{ int (*type)[27]; int (*max_entries)[4096]; }} RING SEC(".maps");
MAP({ARRAY}, READ_ONLY, u32, u64, 1, {READ_ONLY});
MAP({ARRAY}, WRITE_ONLY, u32, u64, 1, {WRITE_ONLY});
struct {{ int (*type)[{QUEUE}]; u32 *value; int (*max_entries)[4]; int (*map_flags)[{READ_ONLY}]; }} STUCK SEC(".maps");
"""
HASHES = ["HASH", "LRU_HASH", "NO_PREALLOC", "LPM_TRIE"]
PERCPU_HASHES = ["PERCPU_HASH", "LRU_PERCPU_HASH"]


@pytest.fixture(scope="module")
def every_kind():
    with lab(EVERY_KIND) as maps_and_types:
        yield maps_and_types


@pytest.fixture(params=["", "batch"], ids=["batch", "one by one"])
def with_and_without_batch(request, monkeypatch):
    """The test runs twice, the second time as on a kernel that has no batch reads."""
    monkeypatch.setenv("DYNMON_WITHOUT", request.param)


def clear(bpf_map):
    while key := bpf_map.next_key(None):
        bpf_map.delete(key)


def key_bytes(name, number):
    return struct.pack("<I4s", 32, struct.pack(">I", number)) if name == "LPM_TRIE" else struct.pack("<I", number)


def key_json(name, number):
    return f"{ipaddress.IPv4Address(number)}/32" if name == "LPM_TRIE" else number


def per_cpu(numbers):
    """What the kernel takes for one per-CPU entry: a slot of eight bytes for each possible CPU."""
    return b"".join(struct.pack("<H6x", number) for number in numbers)


def by_key(value):
    return sorted(value, key=lambda entry: json.dumps(entry["key"]))


def test_the_published_strings(every_kind):
    """The shapes and the order of keys that the original's own test expects."""
    event = struct.pack("<QI4x", 1010, 1010)
    every_kind.maps["SIMPLE_ARRAY"].update(bytes(4), event)
    every_kind.maps["SIMPLE_QUEUE"].update(b"", event)
    every_kind.maps["SIMPLE_HASH"].update(struct.pack("<IIHHB3x", 1, 2, 11, 22, 0), bytes(4))

    def text(name):
        return json.dumps(read(every_kind.bind(name), drain=True).value, separators=(",", ":"))

    hashed = '[{"key":{"saddr":1,"daddr":2,"sport":11,"dport":22,"proto":0},"value":0}]'
    assert hashed == text("SIMPLE_HASH")
    assert '[{"timestamp":1010,"length":1010}]' == text("SIMPLE_ARRAY") == text("SIMPLE_QUEUE")


def test_a_reading_has_the_time_of_the_read_in_microseconds(every_kind):
    before = time.time_ns() // 1000
    reading = read(every_kind.bind("ARRAY"), drain=False)

    assert before <= reading.timestamp <= time.time_ns() // 1000
    assert ("m", 3000) == (reading.name, len(reading.value))


@pytest.mark.usefixtures("with_and_without_batch")
@pytest.mark.parametrize("name", HASHES)
def test_hashes_are_pairs_and_a_look_leaves_them(every_kind, name):
    bpf_map = every_kind.maps[name]
    clear(bpf_map)
    for number in range(1000):
        bpf_map.update(key_bytes(name, number), struct.pack("<Q", number << 40))
    expected = by_key([{"key": key_json(name, number), "value": number << 40} for number in range(1000)])
    metric = every_kind.bind(name)

    assert expected == by_key(read(metric, drain=False).value)
    assert expected == by_key(read(metric, drain=True).value)
    clear(bpf_map)
    assert [] == read(metric, drain=True).value


@pytest.mark.usefixtures("with_and_without_batch")
@pytest.mark.parametrize("name", PERCPU_HASHES)
def test_per_cpu_hashes_have_a_slot_for_each_possible_cpu(every_kind, name):
    """Values of two bytes lie eight apart; each comes from its own slot."""
    bpf_map = every_kind.maps[name]
    clear(bpf_map)
    slots = [list(range(number, number + possible_cpus())) for number in range(500)]
    for number, values in enumerate(slots):
        bpf_map.update(struct.pack("<I", number), per_cpu(values))
    expected = by_key([{"key": number, "value": values} for number, values in enumerate(slots)])

    assert expected == by_key(read(every_kind.bind(name), drain=False).value)


@pytest.mark.usefixtures("with_and_without_batch")
def test_arrays_are_values_in_order(every_kind):
    bpf_map = every_kind.maps["ARRAY"]
    expected = [index * index for index in range(3000)]
    for index, value in enumerate(expected):
        bpf_map.update(struct.pack("<I", index), struct.pack("<Q", value))

    assert expected == read(every_kind.bind("ARRAY"), drain=False).value


@pytest.mark.usefixtures("with_and_without_batch")
def test_per_cpu_arrays_are_pairs_with_a_slot_for_each_possible_cpu(every_kind):
    cpus = possible_cpus()
    every_kind.maps["PERCPU_ARRAY"].update(struct.pack("<I", 7), per_cpu(range(1, cpus + 1)))

    value = read(every_kind.bind("PERCPU_ARRAY"), drain=False).value

    assert list(range(3000)) == [entry["key"] for entry in value]
    assert {"key": 7, "value": list(range(1, cpus + 1))} == value[7]
    assert {"key": 8, "value": [0] * cpus} == value[8]


@pytest.mark.parametrize(("name", "expected"), [("SIMPLE_QUEUE", [1, 2, 3]), ("SIMPLE_STACK", [3, 2, 1])])
def test_queues_and_stacks_are_read_in_the_order_of_pop_by_emptying_them(every_kind, name, expected):
    """Options or not, a read takes everything; a look takes nothing and says why there is no value."""
    bpf_map = every_kind.maps[name]
    for number in (1, 2, 3):
        bpf_map.update(b"", number.to_bytes(bpf_map.info.value_size, "little"))
    metric = every_kind.bind(name)

    look = read(metric, drain=False)
    value = read(metric, drain=True).value

    assert look.value is None
    assert "empties it" in look.note
    assert expected == [item["timestamp"] if isinstance(item, dict) else item for item in value]
    assert [] == read(metric, drain=True).value


def test_maps_without_types_are_hexadecimal_but_an_arrays_index_is_a_number(every_kind):
    every_kind.maps["BYTES"].update(b"\1\2\3\4", b"abcdef")
    every_kind.maps["BLOCKS"].update(struct.pack("<I", 1), b"\xff\0\1")

    assert [{"key": "01020304", "value": "616263646566"}] == read(every_kind.bind("BYTES"), drain=False).value
    assert ["000000", "ff0001"] == read(every_kind.bind("BLOCKS"), drain=False).value


def test_maps_without_types_have_those_that_the_configuration_gives(every_kind):
    every_kind.maps["BYTES"].update(b"\1\2\3\4", b"ab\0\0\1\2")
    every_kind.maps["BLOCKS"].update(bytes(4), b"\1\0\2")

    by_type = {
        ("u32", "u16[3]"): [{"key": 0x04030201, "value": [0x6261, 0, 0x0201]}],
        ("be32", "char[6]"): [{"key": 0x01020304, "value": [97, 98, 0, 0, 1, 2]}],
        ("be16[2]", "u8[2][3]"): [{"key": [0x0102, 0x0304], "value": [[97, 98, 0], [0, 1, 2]]}],
        ("int", None): [{"key": 0x04030201, "value": "616200000102"}],
    }
    for (key, value), expected in by_type.items():
        assert expected == read(every_kind.bind("BYTES", **{"key-type": key, "type": value}), drain=False).value
    assert [[1, 0, 2], [255, 0, 1]] == read(every_kind.bind("BLOCKS", type="u8[3]"), drain=False).value


def test_a_given_type_wins_over_the_declared_one_of_the_same_size(every_kind):
    every_kind.maps["HASH"].update(struct.pack("<I", 7), struct.pack("<II", 1, 2))
    value = read(every_kind.bind("HASH", **{"key-type": "be32", "type": "u32[2]"}), drain=True)

    assert {"key": 7 << 24, "value": [1, 2]} in value.value


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("BYTES", {"type": "u64"}, "its value has 6 bytes, but the given type 'u64' has 8"),
        ("HASH", {"key-type": "struct event"}, "its key has 4 bytes, but the given type 'struct event' has 16"),
        ("BYTES", {"type": "struct evnt"}, "the code has no such type; it has struct event, prefix, session"),
        ("BYTES", {"type": "6 bytes"}, "it is not the name of a type; possible are u8 to u64"),
    ],
)
def test_a_type_that_does_not_fit_is_refused_with_both_sizes(every_kind, name, config, reason):
    with pytest.raises(UnreadableMap, match=re.escape(reason)):
        every_kind.bind(name, **config)


def test_types_that_the_kernel_refuses_are_the_objects_own():
    """A small enum that ends a struct with bit-fields makes Linux 6.18 refuse the whole BTF, for all maps."""
    with lab(f"""
    enum __attribute__((packed)) state {{ CLOSED, OPEN }};
    struct socket {{ u32 port : 17; u32 flag : 1; enum state state; }} __attribute__((packed));
    MAP({HASH}, SOCKETS, struct socket, u64, 4, 0);
    QUEUE({QUEUE}, NUMBERS, u16, 4);
    """) as maps_and_types:
        sockets, numbers = (maps_and_types.maps[name] for name in ("SOCKETS", "NUMBERS"))
        sockets.update(struct.pack("<I", 1 << 17 | 65536)[:3] + b"\1", struct.pack("<Q", 7))
        numbers.update(b"", struct.pack("<H", 9))

        assert [{"key": {"port": 65536, "flag": 1, "state": "OPEN"}, "value": 7}] == (
            read(maps_and_types.bind("SOCKETS"), drain=False).value
        )
        assert [9] == read(maps_and_types.bind("NUMBERS"), drain=True).value


def test_a_map_that_is_not_there_is_named_with_those_that_are(every_kind):
    with pytest.raises(UnknownMap) as refusal:
        every_kind.bind("PKTS")

    declared = sorted(name for name in every_kind.maps if "." not in name)
    message = f"map 'PKTS' is not declared by the ingress code; it declares: {', '.join(declared)}"
    assert f"metric 'm': {message}" == str(refusal.value)
    assert {
        "stage": "check",
        "path": "ingress-path",
        "file": "ingress",
        "message": message,
        "direction": "ingress",
        "metric": "m",
        "map": "PKTS",
        "declared": declared,
    } == refusal.value.fields()


def test_a_map_that_is_nearly_there_is_guessed(every_kind):
    with pytest.raises(UnknownMap) as refusal:
        every_kind.bind("SIMPLE_HSH")

    assert "did you mean 'SIMPLE_HASH'?" == refusal.value.hint


def test_a_map_that_is_declared_but_not_used_says_so(every_kind):
    config = MetricConfig.model_validate({"name": "m", "map-name": "UNUSED"})
    with pytest.raises(
        UnreadableMap, match="'UNUSED' was not kept when the code was loaded: the program does not use it"
    ):
        BoundMetric.bind(config, Direction.INGRESS, every_kind.maps, every_kind.btf, ["UNUSED"])


def test_a_map_without_values_is_refused_with_the_readable_kinds(every_kind):
    with pytest.raises(
        UnreadableMap, match="map 'RING' of the ingress code cannot be read: it is of type ringbuf"
    ) as no:
        every_kind.bind("RING")

    assert "array" in str(no.value)
    assert "check" == no.value.stage


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("WRITE_ONLY", {}, "it is declared with BPF_F_WRONLY"),
        ("READ_ONLY", EMPTYING, "empty-on-read would empty it, but it is declared with BPF_F_RDONLY"),
        ("STUCK", {}, "reading would empty it, but it is declared with BPF_F_RDONLY"),
    ],
)
def test_a_map_whose_flags_forbid_the_read_is_refused_before_anybody_reads(every_kind, name, config, reason):
    """Once bound, it would fail every look at the cube that it belongs to."""
    with pytest.raises(UnreadableMap, match=reason):
        every_kind.bind(name, **config)


def test_a_map_that_we_may_only_read_can_be_read(every_kind):
    assert [0] == read(every_kind.bind("READ_ONLY"), drain=True).value


@pytest.mark.usefixtures("with_and_without_batch")
@pytest.mark.parametrize("name", ["HASH", "LRU_HASH", "NO_PREALLOC", "LPM_TRIE"])
def test_a_map_that_changes_while_it_is_read(every_kind, name):
    """Half of the entries stay and are read each time, once; the other half comes and goes, and nothing fails.

    Key by key, deletions throw the read back to the start, and when its steps are used up it may have missed some.
    """
    bpf_map = every_kind.maps[name]
    clear(bpf_map)
    staying = range(0, 400, 2)
    for number in staying:
        bpf_map.update(key_bytes(name, number), struct.pack("<Q", number))
    done = threading.Event()

    def come_and_go():
        while not done.is_set():
            for number in range(1, 400, 2):
                bpf_map.update(key_bytes(name, number), struct.pack("<Q", number))
            for number in range(1, 400, 2):
                bpf_map.delete(key_bytes(name, number))

    writer = threading.Thread(target=come_and_go)
    writer.start()
    try:
        readings = [read(every_kind.bind(name), drain=False).value for _ in range(20)]
    finally:
        done.set()
        writer.join()

    for value in readings:
        keys = [json.dumps(entry["key"]) for entry in value]
        assert len(keys) == len(set(keys))
        if os.environ["DYNMON_WITHOUT"] != "batch" and name != "LPM_TRIE":
            assert {json.dumps(key_json(name, number)) for number in staying} <= set(keys)
        assert all(entry["value"] < 400 for entry in value)


def test_an_lru_map_that_evicts_while_it_is_taken(every_kind):
    """More is written than fits; each take has what is there, and the last one leaves nothing."""
    bpf_map = every_kind.maps["LRU_HASH"]
    clear(bpf_map)
    done = threading.Event()
    taken = []

    def keep(entries):
        taken.extend(
            zip(entries.keys.view("<u4")[:, 0].tolist(), entries.values.view("<u8")[:, 0].tolist(), strict=True)
        )

    def write():
        number = 0
        while not done.is_set():
            number += 1
            bpf_map.update(struct.pack("<I", number), struct.pack("<Q", number))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            take(bpf_map, keep)
    finally:
        done.set()
        writer.join()
    take(bpf_map, keep)

    assert all(key == value for key, value in taken)
    assert len(taken) == len(dict(taken))
    assert bpf_map.next_key(None) is None


def test_a_hash_that_is_taken_while_keys_come_loses_none():
    """While a hash is taken again and again, everything written under new keys comes out exactly once."""
    with lab(f"MAP({HASH}, H, u32, u64, 100000, 0);") as maps_and_types:
        bpf_map = maps_and_types.maps["H"]
        taken = []

        def keep(entries):
            taken.extend(entries.keys.view("<u4")[:, 0].tolist())

        def write():
            for number in range(20000):
                bpf_map.update(struct.pack("<I", number), struct.pack("<Q", 1))

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            take(bpf_map, keep)
        take(bpf_map, keep)

    assert list(range(20000)) == sorted(taken)


def test_buffers_that_are_too_small_for_a_hash_bucket_grow(monkeypatch):
    """A thousand entries and room for one at a time: where two share a bucket, they do not fit at first."""
    monkeypatch.setattr("dynmon.metrics.scanning.BATCH_BYTES", 1)
    monkeypatch.setattr("dynmon.metrics.scanning.MIN_BATCH_ROWS", 1)
    with lab(f"MAP({HASH}, H, u32, u32, 1000, 0);") as maps_and_types:
        for number in range(1000):
            maps_and_types.maps["H"].update(struct.pack("<I", number), struct.pack("<I", number))

        value = read(maps_and_types.bind("H"), drain=False).value

    assert [{"key": number, "value": number} for number in range(1000)] == sorted(value, key=lambda one: one["key"])


def test_a_map_that_is_gone_cannot_be_read():
    with lab("MAP(2, ONE, u32, u64, 1, 0);") as closed:
        gone = closed.bind("ONE", name="gone")

    with pytest.raises(KernelError, match="read map 'ONE'"):
        read(gone, drain=False)

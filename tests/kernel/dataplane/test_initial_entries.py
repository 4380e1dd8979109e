"""Entries from a configuration are in the maps before the code runs, and a read gives them back as they came."""

import pytest

from dynmon.bpf import possible_cpus
from dynmon.dataplane.initial_entries import InvalidEntry, write_entries
from dynmon.metrics import read
from dynmon.models import Direction
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
struct flow { u32 saddr; u16 port; char name[4]; };
struct counts { u64 packets; u64 bytes; };
struct prefix { u32 length; u8 address[4]; };
struct route { u32 length; u32 address[4]; };
struct pair { u32 key; u32 value; };
typedef u16 ports[2];
enum state { CLOSED = -1, OPEN = 1 };
struct endpoint { union { u32 v4; u32 v6[4]; } address; u16 port; } __attribute__((packed));
struct header { u8 length : 4, version : 4; u32 label : 20; enum state state; _Bool seen[3]; } __attribute__((packed));
struct bpf_spin_lock { u32 val; };
struct bpf_timer { u64 opaque[2]; };
struct guarded { struct bpf_spin_lock lock; u64 packets; };
struct timed { struct bpf_timer timer; float ratio; double mean; };
u64 packets = 1;
MAP(1, FLOWS, struct flow, struct counts, 4, 0);
MAP(9, LRU, u32, u32, 100, 0);
MAP(11, PREFIXES, struct prefix, u32, 4, 1);
MAP(11, ROUTES, struct route, u32, 4, 1);
MAP(2, ARRAY, u32, struct counts, 4, 0);
MAP(2, PAIRS, u32, struct pair, 2, 0);
MAP(6, PERCPU, u32, u16, 4, 0);
MAP(6, PERCPU_LISTS, u32, ports, 4, 0);
MAP(5, PERCPU_HASH, u32, u64, 4, 0);
QUEUE(22, QUEUE, u16, 4);
QUEUE(23, STACK, u16, 4);
QUEUE(30, BLOOM, u32, 100);
struct { int (*type)[27]; int (*max_entries)[4096]; } RING SEC(".maps");
MAP(1, HEADERS, struct endpoint, struct header, 4, 0);
MAP(2, GUARDED, u32, struct guarded, 2, 0);
MAP(2, TIMED, u32, struct timed, 1, 0);
MAP(1, STATES, enum state, unsigned __int128, 4, 0);
MAP(3, JUMPS, u32, u32, 4, 0);
struct { int (*type)[1]; int (*key_size)[4]; int (*value_size)[6]; int (*max_entries)[4]; } BYTES SEC(".maps");
"""
CPUS = range(possible_cpus())


@pytest.fixture
def maps_and_types():
    with lab(SOURCE) as loaded:
        yield loaded


def write(maps_and_types, **entries):
    write_entries(entries, maps_and_types.loaded, maps_and_types.btf, Direction.INGRESS)


def value(maps_and_types, name):
    found = read(maps_and_types.bind(name), drain=True).value
    return sorted(found, key=str) if isinstance(found[0], dict) and "key" in found[0] else found


AS_READ = {
    "FLOWS": [
        {"key": {"saddr": 1, "port": 53, "name": [97, 0, 0, 0]}, "value": {"packets": 2, "bytes": 3}},
        {"key": {"saddr": 2**32 - 1, "port": 0, "name": [98, 0, 0, -1]}, "value": {"packets": 0, "bytes": 2**64 - 1}},
    ],
    "LRU": [{"key": 1, "value": 2}],
    "PREFIXES": [{"key": "10.0.0.0/8", "value": 7}],
    "ROUTES": [{"key": "2001:db8::/32", "value": 1}, {"key": "::/0", "value": 2}],
    "ARRAY": [{"packets": index, "bytes": 0} for index in range(4)],
    "PAIRS": [{"key": 1, "value": 2}, {"key": 3, "value": 4}],
    "PERCPU": [{"key": index, "value": [index + cpu for cpu in CPUS]} for index in range(4)],
    "PERCPU_LISTS": [{"key": index, "value": [[index, cpu] for cpu in CPUS]} for index in range(4)],
    "PERCPU_HASH": [{"key": 9, "value": list(CPUS)}],
    "QUEUE": [3, 1, 2],
    "HEADERS": [
        {
            "key": {"address": {"v4": 1, "v6": [1, 2, 3, 4]}, "port": 53},
            "value": {"length": 5, "version": 4, "label": 2**20 - 1, "state": "CLOSED", "seen": [True, False, True]},
        }
    ],
    "GUARDED": [{"lock": {"val": 0}, "packets": packets} for packets in (7, 2**63)],
    "TIMED": [{"timer": {"opaque": [0, 0]}, "ratio": None, "mean": -0.5}],
    "STATES": [{"key": "CLOSED", "value": 2**128 - 1}, {"key": "OPEN", "value": 1}],
    "BYTES": [{"key": "01020304", "value": "0000ff000000"}],
}


@pytest.mark.parametrize("name", AS_READ)
def test_what_a_read_gives_can_be_given(maps_and_types, name):
    write(maps_and_types, **{name: AS_READ[name]})

    assert AS_READ[name] == value(maps_and_types, name)


def test_a_short_form_does_where_it_says_the_same(maps_and_types):
    """Members that are zero, one value for all CPUs, addresses and text, the places of an array's values."""
    write(
        maps_and_types,
        FLOWS=[{"key": {"saddr": "1.0.0.0", "port": 53, "name": "a"}, "value": {"packets": "0x2", "bytes": 3}}],
        PREFIXES=[{"key": {"length": 8, "address": "10.0.0.0"}, "value": 7}],
        ARRAY=[{}, {"packets": 1}, {"key": 3, "value": {"packets": 3}}],
        PERCPU=[5, {"key": 2, "value": 6}],
        PERCPU_LISTS=[[1, 2]],
        PERCPU_HASH=[{"key": 9, "value": 1}],
        BYTES=[{"key": 1, "value": 2}],
    )

    assert AS_READ["FLOWS"][:1] == value(maps_and_types, "FLOWS")
    assert AS_READ["PREFIXES"] == value(maps_and_types, "PREFIXES")
    assert [0, 1, 0, 3] == [each["packets"] for each in value(maps_and_types, "ARRAY")]
    assert [5, 0, 6, 0] == [each["value"][0] for each in value(maps_and_types, "PERCPU")]
    assert [[5] * len(CPUS)] == [each["value"] for each in value(maps_and_types, "PERCPU")[:1]]
    assert [[1, 2]] * len(CPUS) == value(maps_and_types, "PERCPU_LISTS")[0]["value"]
    assert [{"key": 9, "value": [1] * len(CPUS)}] == value(maps_and_types, "PERCPU_HASH")
    assert [{"key": "01000000", "value": "020000000000"}] == value(maps_and_types, "BYTES")


def test_a_stack_and_a_bloom_filter_are_pushed_in_order(maps_and_types):
    write(maps_and_types, STACK=[1, 2, 3], BLOOM=[7, 8])

    assert [3, 2, 1] == value(maps_and_types, "STACK")


def test_programs_are_left_to_the_loader(maps_and_types):
    write(maps_and_types, JUMPS=[{"key": 0, "value": "somebody"}])

    assert maps_and_types.maps["JUMPS"].lookup(bytes(4)) is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"FLOWS": [{"key": {"saddr": -1}, "value": {}}]},
            "FLOWS[0].key.saddr: expected a number from 0 to 4294967295",
        ),
        ({"FLOWS": [{"key": {}, "value": {"x": 1}}]}, 'FLOWS[0].value: has no member "x"; its members: packets, bytes'),
        ({"FLOWS": [{"key": {}}]}, 'FLOWS[0]: expected {"key": …, "value": …}'),
        ({"FLOWS": [1, 2, 3, 4, 5]}, "FLOWS: 5 entries are given, but the map has room for 4 (its max_entries)"),
        ({"ARRAY": [{}, {"packets": -1}]}, "ARRAY[1].packets: expected a number from 0"),
        ({"ARRAY": [{"key": 4, "value": {}}]}, "ARRAY[0].key: expected an index from 0 to 3, not 4"),
        ({"PERCPU": [[1] * 99]}, f"PERCPU[0]: expected one value for all CPUs, or a list of {len(CPUS)}"),
        ({"PERCPU": [[0] * (len(CPUS) - 1) + [-1]]}, f"PERCPU[0][{len(CPUS) - 1}]: expected a number from 0 to 65535"),
        ({"PREFIXES": [{"key": "10.0.0.0/33", "value": 0}]}, 'PREFIXES[0].key: expected a prefix such as "10.0.0.0/8"'),
        ({"PREFIXES": [{"key": {"length": 33}, "value": 0}]}, "PREFIXES[0]: the kernel refused it"),
        ({"RING": [1]}, "RING: a map of type ringbuf cannot be given entries"),
        ({".data": [{"packets": 1}]}, ".data: it holds global variables"),
        ({"FLOW": []}, "FLOW: the code declares no such map; it declares: ARRAY, BLOOM, BYTES, FLOWS, GUARDED,"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_place(maps_and_types, entries, message):
    with pytest.raises(InvalidEntry) as refusal:
        write(maps_and_types, **entries)

    assert str(refusal.value).startswith(f"ingress-path.initial-entries.{message}")
    assert ("check", message.partition(": ")[0]) == (
        refusal.value.fields()["stage"],
        refusal.value.fields()["path"].removeprefix("ingress-path.initial-entries."),
    )

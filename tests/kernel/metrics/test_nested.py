"""Maps of maps are read with what is inside of them, in the shape that each inner map has by itself."""

import ctypes
import json
import struct
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest

from dynmon.bpf import BpfMap, Loader, LoadRequest, MapType, ProgramType, possible_cpus
from dynmon.compiler import Compiler
from dynmon.errors import KernelError
from dynmon.metrics import Page, UnreadableMap, describe, families_of, read
from dynmon.metrics.extraction import TooMuchToRead
from dynmon.metrics.nested import nested_page, read_nested
from dynmon.metrics.shapes import maps_alone
from dynmon.models import Direction, Hook
from dynmon.monitor.tables import table
from dynmon.settings import CompileLimits
from tests.kernel.metrics.lab import Lab, lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
ARRAY, HASH, PERCPU_ARRAY, LPM_TRIE, ARRAY_OF_MAPS, HASH_OF_MAPS, QUEUE = 2, 1, 6, 11, 12, 13, 22
SOURCE = f"""
struct flow {{ u32 saddr; u16 port; }};
struct prefix {{ u32 length; u8 address[4]; }};
struct flow flow;  /* clang writes no struct that only inner maps have */
struct prefix prefix;
#define INNER(kind, keytype, valuetype, bits) \\
	struct {{ int (*type)[kind]; keytype *key; valuetype *value; int (*max_entries)[3]; int (*map_flags)[bits]; }}
#define OUTER(kind, name, keytype, ...) \\
	struct {{ int (*type)[kind]; keytype *key; int (*value_size)[4]; int (*max_entries)[4]; \\
	__typeof__(__VA_ARGS__) *values[]; }} name SEC(".maps")
OUTER({ARRAY_OF_MAPS}, ARRAYS, u32, INNER({ARRAY}, u32, u64, 0));
OUTER({ARRAY_OF_MAPS}, HASHES, u32, INNER({HASH}, struct flow, u32, 0));
OUTER({ARRAY_OF_MAPS}, PERCPU, u32, INNER({PERCPU_ARRAY}, u32, u64, 0));
OUTER({HASH_OF_MAPS}, TENANTS, struct flow, INNER({LPM_TRIE}, struct prefix, u64, 1));
OUTER({ARRAY_OF_MAPS}, QUEUES, u32, struct {{ int (*type)[{QUEUE}]; u32 *value; int (*max_entries)[3]; }});
struct {{
	int (*type)[{ARRAY_OF_MAPS}]; int (*key_size)[4]; int (*value_size)[4]; int (*max_entries)[2];
	struct {{ int (*type)[{HASH}]; int (*key_size)[2]; int (*value_size)[3]; int (*max_entries)[3]; }} *values[];
}} UNTYPED SEC(".maps");
"""
CAP_SYS_ADMIN = 21
FLOW = struct.pack("<IHxx", 1, 53)
EMPTY_PLACES = [None] * 4


@pytest.fixture
def maps():
    with lab(SOURCE) as loaded:
        yield loaded


@pytest.fixture
def put():
    """Make an inner map with `entries` and put it into an outer one."""
    with ExitStack() as open_maps:

        def put_into(outer, key, kind, entries, key_size=4, value_size=8, flags=0):
            inner = BpfMap.create(kind, key_size, value_size, 3, name="inner", flags=flags)
            open_maps.enter_context(inner)
            for inner_key, value in entries:
                inner.update(inner_key, value)
            outer.update(key, struct.pack("<I", inner.fd))
            return inner

        yield put_into


class Capabilities(ctypes.Structure):
    """``struct __user_cap_data_struct``, two of them for 64 capabilities."""

    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


@contextmanager
def without_sys_admin():
    """Run the block without CAP_SYS_ADMIN in this thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, own = (ctypes.c_uint32 * 2)(0x20080522, 0), (Capabilities * 2)()
    assert not libc.capget(header, own)
    has = own[0].effective
    own[0].effective &= ~(1 << CAP_SYS_ADMIN)
    assert not libc.capset(header, own)
    try:
        yield
    finally:
        own[0].effective = has
        assert not libc.capset(header, own)


def place(number):
    return struct.pack("<I", number)


def count(number):
    return struct.pack("<Q", number)


def value(metric):
    return read(metric, drain=False).value


def test_an_array_of_arrays_has_null_in_its_empty_places(maps, put):
    put(maps.maps["ARRAYS"], place(2), MapType.ARRAY, [(place(1), count(7))])

    assert [None, None, [0, 7, 0], None] == value(maps.bind("ARRAYS"))


def test_inner_hashes_are_pairs(maps, put):
    put(maps.maps["HASHES"], place(0), MapType.HASH, [(FLOW, place(9))], key_size=8, value_size=4)
    put(maps.maps["HASHES"], place(3), MapType.HASH, [], key_size=8, value_size=4)

    assert [[{"key": {"saddr": 1, "port": 53}, "value": 9}], None, None, []] == value(maps.bind("HASHES"))


def test_inner_per_cpu_maps_have_a_slot_for_each_cpu(maps, put):
    cpus = list(range(possible_cpus()))
    slots = struct.pack(f"<{len(cpus)}Q", *cpus)
    put(maps.maps["PERCPU"], place(0), MapType.PERCPU_ARRAY, [(place(2), slots)])

    assert {"key": 2, "value": cpus} == value(maps.bind("PERCPU"))[0][2]


def test_a_hash_of_tries_has_both_keys(maps, put):
    prefix = struct.pack("<I4B", 8, 10, 0, 0, 0)
    put(maps.maps["TENANTS"], FLOW, MapType.LPM_TRIE, [(prefix, count(1))], key_size=8, flags=1)

    assert [
        {"key": {"saddr": 1, "port": 53}, "value": [{"key": "10.0.0.0/8", "value": 1}]},
    ] == value(maps.bind("TENANTS"))


def test_without_types_inner_entries_are_hexadecimal_unless_the_configuration_has_one(maps, put):
    put(maps.maps["UNTYPED"], place(0), MapType.HASH, [(b"ab", b"\1\2\3")], key_size=2, value_size=3)

    assert [[{"key": "6162", "value": "010203"}], None] == value(maps.bind("UNTYPED"))
    assert [[{"key": "6162", "value": [1, 2, 3]}], None] == value(maps.bind("UNTYPED", type="u8[3]"))


def test_a_given_type_of_another_size_is_refused(maps):
    with pytest.raises(UnreadableMap, match="its inner maps' value has 8 bytes, but the given type 'u32' has 4"):
        maps.bind("ARRAYS", type="u32")


def test_maps_that_cannot_be_read_say_so(maps, put):
    put(maps.maps["QUEUES"], place(0), MapType.QUEUE, [(b"", place(1))], key_size=0, value_size=4)
    entries = read_nested(maps.bind("QUEUES"))

    assert EMPTY_PLACES == value(maps.bind("QUEUES"))
    assert "maps inside of it are of type queue, which cannot be read: reading one empties it" == entries.note


def test_a_map_that_went_away_is_null(maps, put, monkeypatch):
    """Between our asking for the number and our opening it, which only luck could meet."""
    put(maps.maps["ARRAYS"], place(0), MapType.ARRAY, [])
    read_number = BpfMap.lookup

    def gone(bpf_map, key):
        number = read_number(bpf_map, key)
        bpf_map.delete(key)
        return number and struct.pack("<I", 1 << 30)

    monkeypatch.setattr(BpfMap, "lookup", gone)

    assert EMPTY_PLACES == value(maps.bind("ARRAYS"))


def test_without_the_capability_there_is_a_reason(maps, put):
    put(maps.maps["ARRAYS"], place(0), MapType.ARRAY, [])
    with without_sys_admin():
        entries = read_nested(maps.bind("ARRAYS"))

    assert (None,) * 4 == entries.inner
    assert "the maps inside of it are not shown: opening them takes CAP_SYS_ADMIN" in entries.note


def test_parts_of_an_answer_are_parts_of_the_whole(maps, put):
    for number in (0, 2):
        put(maps.maps["ARRAYS"], place(number), MapType.ARRAY, [(place(0), count(number))])
    reading = read(maps.bind("ARRAYS"), drain=False)

    assert [reading.value] == list(reading.parts())
    assert [None, [2, 0, 0]] == replace(reading, entries=reading.entries.part(1, 3)).value
    assert [[2, 0, 0], [0, 0, 0]] == replace(reading, entries=reading.entries.rows(np.array([2, 0]))).value


def test_a_page_opens_no_more_than_is_on_it(maps, put):
    """Two entries of four, whose inner maps have 36 bytes each: more may be inside of the others."""
    for number in range(4):
        put(maps.maps["ARRAYS"], place(number), MapType.ARRAY, [(place(0), count(number))])
    metric = maps.bind("ARRAYS")
    one, cursor = nested_page(metric, Page(2), 72)
    other, end = nested_page(metric, Page(2, cursor), 72)

    assert maps_alone(metric, read_nested(metric)) == maps_alone(metric, one) + maps_alone(metric, other)
    assert end is None


def test_more_than_allowed_is_refused_with_the_name_of_the_outer_map(maps, put):
    for number in range(4):
        put(maps.maps["ARRAYS"], place(number), MapType.ARRAY, [])

    assert 4 == len(read_nested(maps.bind("ARRAYS"), 4 * 36))
    with pytest.raises(
        TooMuchToRead, match="read map 'ARRAYS': 144 bytes are not all of it, and one read may take 143"
    ):
        read_nested(maps.bind("ARRAYS"), 4 * 36 - 1)


@pytest.mark.parametrize("option", ["swap-on-read", "empty-on-read"])
def test_they_are_never_taken_out(maps, option):
    with pytest.raises(UnreadableMap, match=f"{option}: its inner maps are found by both copies"):
        maps.bind("ARRAYS", **{"extraction-options": {option: True}})


@pytest.mark.parametrize("option", ["swap-on-read", "empty-on-read"])
def test_neither_is_a_map_that_the_code_puts_inside_of_another(option):
    """Its copy would be idle only in name: both programs find the first one by way of the outer map."""
    source = f"""
    struct inner {{ int (*type)[{ARRAY}]; u32 *key; u64 *value; int (*max_entries)[1]; }};
    struct inner inside SEC(".maps"), outside SEC(".maps");
    struct {{ int (*type)[{ARRAY_OF_MAPS}]; int (*key_size)[4]; int (*value_size)[4]; int (*max_entries)[2];
    struct inner *values[]; }} OUTER SEC(".maps") = {{ .values = {{ [1] = &inside }} }};
    """
    options = {"extraction-options": {option: True}}
    with lab(source) as some:
        assert some.bind("outside", **options).swaps
        with pytest.raises(UnreadableMap, match=f"{option}: it is inside of map 'OUTER', so both copies write to it"):
            some.bind("inside", **options)
        assert [0] == value(some.bind("inside"))
        assert [None, [0]] == value(some.bind("OUTER"))


def test_they_are_read_as_json_only(maps):
    metadata = {"open-metrics-metadata": {"type": "gauge", "help": "Help."}}
    metric = maps.bind("ARRAYS", **metadata)

    assert "its values are maps, not numbers" == describe(metric).left_out
    assert [()] == [family.samples for family in families_of([metric])]


def test_an_explanation_has_the_types_of_what_is_inside(maps):
    told = describe(maps.bind("HASHES"))

    assert [
        ("value", "map", "what the map holds"),
        ("value[].key.saddr", "u32", "number"),
        ("value[].key.port", "u16", "number"),
        ("", "", "nothing"),
        ("value[].value", "u32", "number"),
    ] == [(leaf.path, leaf.type_name, leaf.shown_as) for leaf in told.value]
    assert ("the maps inside of it are opened one by one, which takes CAP_SYS_ADMIN",) == told.notes


def test_the_dialects_inner_maps_have_the_types_of_their_pattern(tmp_path, put):
    """The tag of the outer map names it."""
    source = """
    struct flow { u32 saddr; u16 port; };
    BPF_HASH(PATTERN, struct flow, u64, 3);
    BPF_HASH_OF_MAPS(TENANTS, u16, "PATTERN", 4);
    static int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }
    """
    with Compiler(tmp_path, CompileLimits()) as compiler:
        artifact = compiler.compile(source, Direction.INGRESS, Hook.TC)
    request = LoadRequest(
        object=artifact.object,
        program=artifact.program,
        program_type=ProgramType.SCHED_CLS,
        file="ingress",
        memory_bytes=1 << 28,
        wanted=frozenset({"TENANTS"}),
    )
    with Loader() as loader, loader.load(request) as loaded:
        put(loaded.maps["TENANTS"], struct.pack("<H", 7), MapType.HASH, [(FLOW, count(3))], key_size=8)

        assert [{"key": 7, "value": [{"key": {"saddr": 1, "port": 53}, "value": 3}]}] == value(
            Lab(loaded).bind("TENANTS")
        )


def test_a_table_has_tables_inside(maps, put):
    put(maps.maps["ARRAYS"], place(1), MapType.ARRAY, [(place(0), count(5))])
    metric = maps.bind("ARRAYS")
    rows = table(metric, read_nested(metric))

    assert [0, 1, 2, 3] == rows["key"].tolist()
    assert [5, 0, 0] == rows["value"][1]["value"].tolist()
    assert rows["value"][0] is None
    assert json.dumps(value(metric)) == "[null, [5, 0, 0], null, null]"


def test_a_closed_map_fails_the_read():
    with lab(SOURCE) as closed:
        metric = closed.bind("ARRAYS")
    with pytest.raises(KernelError):
        read_nested(metric)

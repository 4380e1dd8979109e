"""The keys of LPM tries are shown as prefixes, as JSON, as labels and as text in tables."""

import struct

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dynmon.dataplane.initial_entries import write_entries
from dynmon.metrics import describe, families_of, read
from dynmon.metrics.extraction import take
from dynmon.metrics.readings import entries_of
from dynmon.models import Direction
from dynmon.monitor.tables import table
from tests.expositions import exposed
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
typedef u32 __be32;
struct in_addr { __be32 s_addr; };
struct in6_addr { union { u8 bytes[16]; __be32 words[4]; } in6_u; };
struct v4 { u32 prefixlen; struct in_addr address; };
struct v6 { u32 prefixlen; struct in6_addr address; };
struct path { u32 prefixlen; char text[12]; };
MAP(11, V4, struct v4, u64, 100, 1);
MAP(11, V6, struct v6, u32, 100, 1);
MAP(11, DEFAULT, u64, u64, 100, 1);
MAP(11, PATHS, struct path, u64, 100, 1);
struct {
	int (*type)[11]; int (*key_size)[8]; u64 *value; int (*max_entries)[4]; int (*map_flags)[1];
} UNTYPED SEC(".maps");
"""
GAUGE = {"open-metrics-metadata": {"type": "gauge", "help": "Help."}}


@pytest.fixture
def tries():
    with lab(SOURCE) as loaded:
        yield loaded


@pytest.mark.parametrize("name", ["V4", "DEFAULT", "UNTYPED"])
def test_keys_are_prefixes_as_the_program_wrote_them(tries, name):
    """What lies behind the prefix length are the address's bytes as in a packet."""
    for length, address in ((0, [0, 0, 0, 0]), (8, [10, 1, 2, 3]), (32, [192, 0, 2, 1])):
        tries.maps[name].update(struct.pack("<I4B", length, *address), struct.pack("<Q", length))

    value = read(tries.bind(name), drain=False).value

    assert {"0.0.0.0/0": 0, "10.0.0.0/8": 8, "192.0.2.1/32": 32} == {one["key"]: one["value"] for one in value}


@pytest.mark.parametrize("name", ["V4", "PATHS"])
def test_bits_beyond_the_prefix_are_no_part_of_a_key(tries, name):
    """Two copies of one map may have different ones, and are put together by key."""
    bpf_map = tries.maps[name]
    rest = bytes(bpf_map.info.key_size - 8)
    seen = []
    for number in (1, 2):
        bpf_map.update(struct.pack("<I4B", 15, 10, number, 2, 3) + rest, struct.pack("<Q", number))
        take(bpf_map, seen.append)

    assert [struct.pack("<I4B", 15, 10, last, 0, 0) + rest for last in (0, 2)] == [
        entries.keys.tobytes() for entries in seen
    ]
    assert [1, 2] == [entries.values.view("<u8").item() for entries in seen]


def test_a_given_type_wins(tries):
    tries.maps["UNTYPED"].update(struct.pack("<I4B", 8, 10, 1, 2, 3), bytes(8))

    assert [[8, 0, 0, 0, 10, 0, 0, 0]] == [
        one["key"] for one in read(tries.bind("UNTYPED", **{"key-type": "u8[8]"}), drain=False).value
    ]
    assert ["10.0.0.0/8"] == [
        one["key"] for one in read(tries.bind("UNTYPED", **{"key-type": "struct v4"}), drain=False).value
    ]


def test_text_is_no_address(tries):
    tries.maps["PATHS"].update(struct.pack("<I12s", 16, b"/a"), bytes(8))
    [entry] = read(tries.bind("PATHS"), drain=False).value

    assert {"prefixlen": 16, "text": [47, 97, *[0] * 10]} == entry["key"]


def test_a_prefix_is_a_label(tries):
    entries = {"V6": [{"key": "2001:db8::/32", "value": 7}, {"key": "::/0", "value": 1}]}
    write_entries(entries, tries.loaded, tries.btf, Direction.INGRESS)

    text = exposed(families_of([tries.bind("V6", **GAUGE)]))
    [family] = text_string_to_metric_families(text if isinstance(text, str) else text.decode())

    assert {"2001:db8::/32": 7, "::/0": 1} == {sample.labels["key"]: sample.value for sample in family.samples}
    assert ("gauge m", 100, ["key"]) == tuple(
        describe(tries.bind("V6", **GAUGE)).wire()[key] for key in ("exported-as", "series", "labels")
    )


def test_an_explanation_says_what_the_key_is_taken_for(tries):
    [leaf] = describe(tries.bind("V6")).key

    assert ("key", "struct v6", "prefix such as 2001:db8::/32") == (leaf.path, leaf.type_name, leaf.shown_as)


def test_a_prefix_is_text_in_a_table(tries):
    tries.maps["V4"].update(struct.pack("<I4B", 8, 10, 0, 0, 0), struct.pack("<Q", 5))
    metric = tries.bind("V4")
    rows = table(metric, entries_of(metric, drain=False))

    assert [("10.0.0.0/8", 5)] == rows.tolist()
    assert "<U18" == rows["key"].dtype.str

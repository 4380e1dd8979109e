"""A metric tells what it will read and export before anybody reads it."""

import pytest

from dynmon.metrics import describe
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
typedef u32 __be32;
struct flow { __be32 saddr; u16 port; };
struct counts { u64 packets; u64 bytes; };
u32 histogram[4] = { 1 };
u64 packets;
MAP(2, ONE, u32, u64, 1, 0);
MAP(6, BUCKETS, u32, u32, 256, 0);
MAP(1, PORTS, u16, u64, 1024, 0);
MAP(1, FLOWS, struct flow, struct counts, 10240, 0);
QUEUE(22, SIZES, u32, 10);
struct { int (*type)[2]; int (*key_size)[4]; int (*value_size)[3]; int (*max_entries)[1]; } UNTYPED SEC(".maps");
"""


@pytest.fixture(scope="module")
def maps_and_types():
    with lab(SOURCE) as loaded:
        yield loaded


def exported(kind):
    return {"open-metrics-metadata": {"type": kind, "help": "Help.", "labels": [{"name": "site", "value": "home"}]}}


@pytest.mark.parametrize(
    ("name", "series", "labels"),
    [("ONE", 1, ["site"]), ("BUCKETS", 256, ["site", "index"]), ("PORTS", 1024, ["site", "key"])],
)
def test_series_and_labels_that_a_map_can_make(maps_and_types, name, series, labels):
    told = describe(maps_and_types.bind(name, name="n", **exported("counter"))).wire()

    assert (series, labels, "counter n_total", None) == tuple(
        told[key] for key in ("series", "labels", "exported-as", "left-out")
    )


def test_series_of_variables(maps_and_types):
    several = describe(maps_and_types.bind_variable("histogram", **exported("gauge"))).wire()
    one = describe(maps_and_types.bind_variable("packets", **exported("gauge"))).wire()

    assert (4, ["site", "index"], "gauge m", "histogram", ".data") == tuple(
        several[key] for key in ("series", "labels", "exported-as", "variable", "map")
    )
    assert (1, ["site"]) == (one["series"], one["labels"])
    assert [{"path": "histogram", "type-name": "u32[4]"}] == [
        {key: leaf[key] for key in ("path", "type-name")} for leaf in several["value"]
    ]
    assert [] == several["key"]


def test_every_part_of_keys_and_values_is_told(maps_and_types):
    told = describe(maps_and_types.bind("FLOWS", **exported("gauge"))).wire()

    assert [
        ("key.saddr", "__be32", 0, 4, "number"),
        ("key.port", "u16", 4, 2, "number"),
        ("", "", 6, 2, "nothing"),
        ("value.packets", "u64", 0, 8, "number"),
        ("value.bytes", "u64", 8, 8, "number"),
    ] == [
        tuple(leaf[key] for key in ("path", "type-name", "offset", "size", "shown-as"))
        for leaf in told["key"] + told["value"]
    ]
    assert (10240, "gauge m_packets, gauge m_bytes", None) == tuple(
        told[key] for key in ("series", "exported-as", "left-out")
    )
    assert [
        ("label saddr", "key.saddr", "inet_ip", "its type is __be32, and its name has 'saddr'"),
        (
            "label port",
            "key.port",
            "uint",
            "its type u16 is in the order of this machine; a port in network order would be a __be16",
        ),
        ("gauge m_packets", "value.packets", "number", "a field that is a number"),
        ("gauge m_bytes", "value.bytes", "number", "a field that is a number"),
    ] == [tuple(decision.values()) for decision in told["decisions"]]


@pytest.mark.parametrize(
    ("more", "bounds", "said"),
    [
        ({}, "buckets up to 1, 3, 7 … 1.84467e+19", True),
        ({"bucket-type": "fixed", "bucket-keys": [0.5, 64, 1500]}, "buckets up to 0.5, 64, 1500", False),
    ],
)
def test_buckets_are_told_by_their_bounds(maps_and_types, more, bounds, said):
    """And where nobody says what they hold, so is what they are taken for."""
    metadata = {"open-metrics-metadata": {"type": "histogram", "help": "Help.", **more}}
    *_, (makes, source, how, why) = [
        tuple(decision.values())
        for decision in describe(maps_and_types.bind("BUCKETS", **metadata)).wire()["decisions"]
    ]

    assert ("histogram m", "value", bounds) == (makes, source, how)
    assert why.startswith("each entry is a bucket")
    assert said is ("bpf_log2l: 7 has 64 to 127" in why)


def test_what_a_read_does_is_noted(maps_and_types):
    emptying = {"extraction-options": {"empty-on-read": True}}

    def notes(name, **config):
        return describe(maps_and_types.bind(name, **config)).notes

    assert () == notes("ONE")
    twice = "its map is made twice: a read switches to the other copy and waits for one grace period"
    assert ("reading its value as JSON empties it; scrapes do not", twice) == notes("ONE", **emptying)
    assert ("as JSON a value for each possible CPU, exported as their sum",) == notes("BUCKETS")
    assert ("every read of its value empties the queue; the daemon-wide /metrics leaves it out",) == notes("SIZES")


def test_a_metric_for_json_only_says_so(maps_and_types):
    told = describe(maps_and_types.bind("UNTYPED"))

    assert "it has no open-metrics-metadata: it is read as JSON only" == told.left_out
    assert ("3 bytes", "6 hexadecimal digits", "its type is not known") == (
        told.value[0].type_name,
        told.value[0].shown_as,
        told.value[0].why,
    )
    assert ("key", "index", "number") == (told.key[0].path, told.key[0].type_name, told.key[0].shown_as)

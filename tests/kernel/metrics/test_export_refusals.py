"""What a metadata asks for and the map does not have is refused at injection, with its place and what there is."""

import pytest

from dynmon.metrics.errors import UnusableMetadata
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
struct flow { u32 saddr; u16 port; u8 mac[6]; char name[16]; };
struct traffic { u64 packets; u64 bytes; char name[8]; u64 one[4]; u64 two[4]; };
MAP(1, FLOWS, struct flow, struct traffic, 1024, 0);
MAP(1, PLAIN, u32, u64, 1024, 0);
MAP(2, LISTED, u32, u64, 16, 0);
"""
PLACE = "open-metrics-metadata."


@pytest.fixture(scope="module")
def maps():
    with lab(SOURCE) as loaded:
        yield loaded


def label(field, *decoders):
    return {"key-labels": [{"name": "x", "field": field, "decoders": list(decoders)}]}


@pytest.mark.parametrize(
    ("name", "metadata", "path", "reason"),
    [
        (
            "FLOWS",
            {"key-labels": [{"name": "x", "field": "sadr"}]},
            "key-labels[0].field",
            "there is no field 'sadr'; the fields are: saddr, port, mac, name",
        ),
        ("PLAIN", label("saddr", "uint"), "key-labels[0].field", "it is u32, which has no fields"),
        (
            "FLOWS",
            label("port", "inet_ip"),
            "key-labels[0].decoders[0]",
            "decoder inet_ip takes 4 or 16 bytes, but field 'port' (u16) has 2",
        ),
        (
            "FLOWS",
            label("mac", "uint"),
            "key-labels[0].decoders[0]",
            "decoder uint takes 1, 2, 4 or 8 bytes, but field 'mac' (u8[6]) has 6",
        ),
        ("FLOWS", label("saddr", "mac"), "key-labels[0].decoders[0]", "decoder mac takes 6 or 8 bytes"),
        ("FLOWS", label("saddr", "enum"), "key-labels[0].decoders[0]", "decoder enum takes an enum"),
        ("FLOWS", label("port", "cidr"), "key-labels[0].decoders[0]", "an address needs prefix-length"),
        (
            "FLOWS",
            label("saddr", {"name": "cidr", "prefix-length": 33}),
            "key-labels[0].decoders[0].prefix-length",
            "33 bits are more than field 'saddr' (u32) has",
        ),
        ("FLOWS", label("saddr", "uint", "inet_ip"), "key-labels[0].decoders[1]", "must be the first, not behind uint"),
        (
            "FLOWS",
            label("name", "string", "proto"),
            "key-labels[0].decoders[1]",
            "proto takes a number, which string does not give",
        ),
        ("FLOWS", {"drop": ["portt"]}, "drop[0]", "there is no label 'portt'; there are: saddr, port, mac, name"),
        ("FLOWS", {"keep": ["nothing"]}, "keep[0]", "there is no label 'nothing'"),
        ("FLOWS", {"index-names": ["a"]}, "index-names", "the map has no indexes"),
        ("FLOWS", {"per-cpu": "label"}, "per-cpu", "the map is of type hash: it has no values by CPU"),
        (
            "FLOWS",
            {"value-field": "packet"},
            "value-field",
            "there is no field 'packet'; the fields are: packets, bytes",
        ),
        ("FLOWS", {"value-field": "name"}, "value-field", "field 'name' (char[8]) is not a number"),
        ("FLOWS", {"values": [{"field": "bytes"}, {"field": "byte"}]}, "values[1].field", "there is no field 'byte'"),
        ("FLOWS", {"unit": "bytes"}, "unit", "the values are structs: say in values of which field"),
        ("FLOWS", {"type": "histogram"}, "bucket-field", "is required: several fields may be buckets: one, two"),
        ("FLOWS", {"type": "histogram", "bucket-field": "bytes"}, "bucket-field", "is not an array of counts"),
        ("FLOWS", {"type": "histogram", "bucket-field": "one", "sum-field": "name"}, "sum-field", "is not a number"),
        ("PLAIN", {"type": "histogram", "bucket-field": "x"}, "bucket-field", "there is no field 'x'"),
        ("PLAIN", {"type": "histogram", "bucket-type": "linear"}, "bucket-max", "is required for linear buckets"),
        ("LISTED", {"type": "histogram", "bucket-max": 16}, "bucket-max", "is 16, but the last bucket is 15"),
        ("LISTED", {"type": "histogram", "sum-field": "sum"}, "sum-field", "there is no field 'sum'"),
    ],
)
def test_the_refusal_names_the_place(maps, name, metadata, path, reason):
    with pytest.raises(UnusableMetadata) as refusal:
        maps.bind(name, name="m", **{"open-metrics-metadata": {"type": "counter", "help": "Help.", **metadata}})

    assert PLACE + path == refusal.value.path
    assert reason in refusal.value.reason
    fields = refusal.value.fields()
    assert ("check", "m", name, PLACE + path) == tuple(fields[key] for key in ("stage", "metric", "map", "path"))


def test_a_name_that_is_nearly_right_is_guessed(maps):
    with pytest.raises(UnusableMetadata) as refusal:
        maps.bind("FLOWS", **{"open-metrics-metadata": {"type": "gauge", "help": "", "keep": ["portt"]}})

    assert "did you mean 'port'" in refusal.value.fields()["hint"]


def test_a_metric_of_a_configuration_has_its_whole_place(rehearsed):
    handler = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)"
    code = f"BPF_HASH(M, u32); {handler} {{ M.increment(1); return RX_OK; }}"
    metrics = [
        {"name": "json", "map-name": "M"},
        {"name": "m", "map-name": "M", "open-metrics-metadata": {"type": "gauge", "help": "", "drop": ["x"]}},
    ]

    with pytest.raises(UnusableMetadata) as refusal:
        rehearsed({"ingress-path": {"code": code, "metric-configs": metrics}}, b"")

    assert "ingress-path.metric-configs[1].open-metrics-metadata.drop[0]" == refusal.value.fields()["path"]

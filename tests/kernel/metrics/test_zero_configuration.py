"""A type and a help text are enough: families and labels as the types and names in other people's programs suggest."""

from __future__ import annotations

import pytest

from tests.packets import Payload, ethernet
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
FRAME = ethernet(Payload(bytes(46), 0x88B5))
BY_REASON = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
enum reason { REASON_PASSED, REASON_RATE = 2, REASON_MAX };
struct {
	__uint(type, BPF_MAP_TYPE_%s);
	__uint(max_entries, REASON_MAX);
	__type(key, enum reason);
	__type(value, __u64);
} verdicts SEC(".maps");
SEC("tc") int count(struct __sk_buff *skb)
{
	enum reason key = REASON_RATE;
	__u64 *value = bpf_map_lookup_elem(&verdicts, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	return -1;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture
def types(exported):
    """The types of the families of a counter whose values are a struct of these fields, by their names."""

    def run(*fields):
        declared = "struct v { " + " ".join(f"u64 {field};" for field in fields) + " }; BPF_HASH(V, u32, struct v);"
        body = "struct v v = {}; V.update(&zero, &v);"
        families = exported(declared, body, {"m": ("V", {"type": "counter"})}, FRAME).families
        return {name.removeprefix("m_"): family.type for name, family in families.items()}

    return run


def test_what_counts_is_a_counter(types):
    """Also where a part of the name could be of something else."""
    names = [
        "packets",
        "rx_bytes",
        "syns_seen",
        "bad_flags",
        "no_state",
        "first_fragments",
        "time_ns",
        "end_to_end_ns",
        "starts",
        "dropped",
    ]

    assert dict.fromkeys(names, "counter") == types(*names)


def test_moments_and_identities_are_gauges(types):
    """Nobody has a rate of the time of the last packet."""
    moments = [
        "first_seen",
        "last_seen",
        "lastSeen",
        "start_mono_time_ts",
        "timestamp",
        "last_update",
        "atime",
        "start",
    ]
    identities = ["flags", "state", "ifindex", "in_if_index", "id", "saddr", "dport", "protocol", "max", "errno"]

    assert dict.fromkeys([*moments, *identities], "gauge") == types(*moments, *identities)


def test_the_configuration_decides_about_what_is_named_a_moment(exported):
    """By the rule for its values, or by a type of its own."""
    declared = "struct v { u64 start, last_used; }; BPF_ARRAY(V, struct v, 1);"
    values = [{"field": "start", "type": "counter"}, {"field": "last_used"}]

    shown = exported(declared, "V.lookup(&zero);", {"m": ("V", {"type": "counter", "values": values})}, FRAME)

    assert {"m_start": "counter", "m_last_used": "counter"} == {
        name: family.type for name, family in shown.families.items()
    }


def test_what_is_left_out_of_values_is_said_once(exported):
    declared = "struct v { u64 packets, bytes; u8 mac[6]; u32 sizes[4]; }; BPF_ARRAY(V, struct v, 1);"

    families = exported(declared, "V.lookup(&zero);", {"m": ("V", {"type": "counter"})}, FRAME).families

    assert families["m_bytes"].documentation == "Help: bytes"
    assert families["m_packets"].documentation == (
        "Help: packets (m (ingress): field 'mac' is not exported: arrays are not numbers; "
        "m (ingress): field 'sizes' is not exported: arrays are not numbers)"
    )


@pytest.mark.parametrize("kind", ["ARRAY", "PERCPU_ARRAY"])
@pytest.mark.parametrize(
    ("more", "names"),
    [({}, ["REASON_PASSED", "1", "REASON_RATE"]), ({"index-names": ["passed", "odd"]}, ["passed", "odd", "2"])],
)
def test_indexes_are_called_as_their_enum_says(rehearsed, kind, more, names):
    metadata = {"type": "counter", "help": "Help.", **more}
    metric = {"name": "verdicts", "map-name": "verdicts", "open-metrics-metadata": metadata}
    shown = rehearsed({"ingress-path": {"code": BY_REASON % kind, "metric-configs": [metric]}}, FRAME)

    counts = [0, 0, 1]
    assert shown.samples == {
        ("verdicts_total", f"index={name}"): count for name, count in zip(names, counts, strict=True)
    }

"""Code in every spelling goes the same way over REST: chosen, sized, given its constants and entries, counted."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess

import pytest

from dynmon.client import ApiError
from tests.support import needs, wait_until

pytestmark = needs("kernel", "clang")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)

DIALECT = """
const volatile u32 step = 1;
u64 seen;
BPF_ARRAY(counts, u64, 4);

static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	counts.atomic_increment(0, step);
	__sync_fetch_and_add(&seen, 1);
	return RX_OK;
}
"""
PLAIN = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 step = 1;
__u64 seen;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("tc") int count(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&counts, &key);

	if (value)
		__sync_fetch_and_add(value, step);
	__sync_fetch_and_add(&seen, 1);
	return -1;
}

SEC("kprobe/tcp_close") int unrelated(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""
METRICS = [
    {"name": "counts", "map-name": "counts", "open-metrics-metadata": {"help": "Counts", "type": "counter"}},
    {"name": "seen", "variable": "seen", "open-metrics-metadata": {"help": "Packets", "type": "counter"}},
    {"name": "globals", "map-name": ".bss"},
]


def compiled(source: str) -> bytes:
    command = ["clang", "-target", "bpf", "-O2", "-g", "-x", "c", "-c", "-o", "-", "-"]
    command += ["-I", "/usr/include/x86_64-linux-gnu"]
    return subprocess.run(command, input=source.encode(), capture_output=True, check=True).stdout


def spellings():
    plain = compiled(PLAIN)
    return {
        "dialect": {"code": DIALECT},
        "libbpf C": {"code": PLAIN},
        "object": {"object": base64.b64encode(plain).decode()},
        "gzipped object": {"object": base64.b64encode(gzip.compress(plain)).decode()},
    }


def values(client, direction="ingress"):
    return {name: client.metric_value("monitor", direction, name) for name in ("counts", "seen")}


@pytest.mark.parametrize("spelling", ["dialect", "libbpf C", "object", "gzipped object"])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_every_spelling_counts(client, veth, spelling, direction):
    path = {
        **spellings()[spelling],
        "constants": {"step": 3},
        "map-sizes": {"counts": 2},
        "initial-entries": {"counts": [1000, 7]},
        "metric-configs": METRICS,
    }
    client.create("monitor", {"dataplane-config": {f"{direction}-path": path}})
    client.attach("monitor", veth.host)
    send = veth.send_in if direction == "ingress" else veth.send_out
    send(FRAME, count=5)

    wait_until(lambda: values(client, direction) == {"counts": [1015, 7], "seen": [5]}, "five packets")
    assert {"seen": 5}.items() <= client.metric_value("monitor", direction, "globals")[0].items()
    text = client.open_metrics("monitor")
    assert 'counts_total{index="0"} 1015' in text
    assert "seen_total 5" in text

    shown = client.get("monitor")["dataplane-config"][f"{direction}-path"]
    assert path | {"name": "unnamed"} == {key: shown[key] for key in (*path, "name")} | {"metric-configs": METRICS}


def test_a_path_with_an_object_is_patched_around_it(client, veth):
    """New metrics on the object that is there; then code instead of it."""
    client.create("monitor", {"dataplane-config": {"ingress-path": spellings()["object"]}})
    url = ("dynmon", "monitor", "dataplane-config", "ingress-path")
    client.request("PATCH", url, body={"metric-configs": METRICS})
    assert [0] == client.metric_value("monitor", "ingress", "seen")

    client.request("PATCH", url, body={"code": DIALECT, "metric-configs": METRICS[:1]})
    shown = client.get("monitor")["dataplane-config"]["ingress-path"]
    assert DIALECT == shown["code"]
    assert "object" not in shown


def test_the_example_of_the_reference_runs(client, veth, repository):
    """A tail call into a program that the configuration puts there, with a constant, a size and first entries."""
    text = (repository / "docs/reference/configuration.md").read_text()
    example = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[1])
    client.create("monitor", {"dataplane-config": example})
    client.attach("monitor", veth.host)
    veth.send_in(FRAME, count=3)

    expected = [0, 106, 0, 0, 0, 0, 0, 0]
    wait_until(lambda: expected == client.metric_value("monitor", "ingress", "counts"), "three packets")
    client.inject("monitor", example)
    assert [0, 100] == client.metric_value("monitor", "ingress", "counts")[:2]


@pytest.mark.parametrize(
    ("change", "stage", "place", "words"),
    [
        ({"program": "missing"}, "open", "ingress-path", "no program called 'missing'; it has: count"),
        ({"program": "unrelated"}, "open", "ingress-path", "does not run on packets"),
        ({"program-type": "xdp"}, "open", "ingress-path", "no program for tc"),
        ({"constants": {"stop": 1}}, "check", "ingress-path.constants.stop", "it has: step"),
        ({"constants": {"step": "x"}}, "check", "ingress-path.constants.step", "number"),
        ({"constants": {"step": -1}}, "check", "ingress-path.constants.step", "from 0 to 4294967295"),
        ({"map-sizes": {"count": 1}}, "open", "ingress-path", "counts"),
        (
            {"initial-entries": {"counts": [1, 2, 3, 4, 5]}},
            "check",
            "ingress-path.initial-entries.counts",
            "room for 4",
        ),
        ({"initial-entries": {"counts": ["x"]}}, "check", "ingress-path.initial-entries.counts[0]", "number"),
        ({"metric-configs": [{"name": "x", "map-name": "nope"}]}, "check", "ingress-path", "it declares: counts"),
        ({"metric-configs": [{"name": "x", "variable": "nope"}]}, "check", "ingress-path", "seen"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_old_code_counts_on(client, veth, change, stage, place, words):
    good = {"code": PLAIN, "metric-configs": METRICS}
    client.create("monitor", {"dataplane-config": {"ingress-path": good}})
    client.attach("monitor", veth.host)
    with pytest.raises(ApiError) as refused:
        client.inject("monitor", {"ingress-path": {**good, **change}})

    assert (stage, 422) == (refused.value.problem["stage"], refused.value.status)
    assert refused.value.problem["path"].startswith(place)
    assert words in refused.value.detail
    veth.send_in(FRAME, count=2)
    wait_until(lambda: values(client)["seen"] == [2], "the old code to count")


def test_a_constant_of_the_dialect_can_be_read(client):
    path = {"code": DIALECT, "constants": {"step": 9}, "metric-configs": [{"name": "step", "variable": "step"}]}
    client.create("monitor", {"dataplane-config": {"ingress-path": path}})

    assert [9] == client.metric_value("monitor", "ingress", "step")

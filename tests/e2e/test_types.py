"""The types of a cube: where the ingress path runs. Egress is at tc whatever the type."""

from __future__ import annotations

import pytest

from tests.hooks import attached, tcx_programs
from tests.support import needs, wait_until

pytestmark = needs("kernel", "clang", "tcx")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
CODE = """
BPF_ARRAY(PKTS, u64, 1);
BPF_ARRAY(BYTES, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.atomic_increment(0);
	BYTES.atomic_increment(0, md->packet_len);
	return RX_OK;
}
"""
PATH = {
    "code": CODE,
    "metric-configs": [{"name": "packets", "map-name": "PKTS"}, {"name": "bytes", "map-name": "BYTES"}],
}
CONFIG = {"ingress-path": PATH, "egress-path": PATH}
XDP_WORDS = {"TC": "", "XDP_SKB": "xdpgeneric", "XDP_DRV": "xdp "}


def counts(client, cube="monitor"):
    return [
        client.metric_value(cube, direction, metric)[0]
        for direction in ("ingress", "egress")
        for metric in ("packets", "bytes")
    ]


@pytest.mark.parametrize("kind", XDP_WORDS)
def test_each_type_counts_both_directions(client, veth, kind):
    """The same code sees the same packets at either hook, before and after it is replaced."""
    before = attached(veth.host)
    client.create("monitor", {"type": kind.lower(), "dataplane-config": CONFIG})
    client.attach("monitor", veth.host)
    assert kind == client.get("monitor")["type"]
    assert ["dynmon_egress"] == tcx_programs(veth.host, "egress")
    assert (["dynmon_ingress"] if kind == "TC" else []) == tcx_programs(veth.host, "ingress")
    assert XDP_WORDS[kind] in "".join(attached(veth.host)["xdp"])

    for packets in (5, 3):
        client.inject("monitor", CONFIG)
        veth.send_in(FRAME, count=packets)
        veth.send_out(FRAME, count=2)
        expected = [packets, packets * len(FRAME), 2, 2 * len(FRAME)]
        wait_until(lambda expected=expected: counts(client) == expected, f"{expected}")

    client.detach("monitor", veth.host)
    assert before == attached(veth.host)


def test_xdp_and_tc_share_an_interface(client, veth):
    """XDP comes first; what it lets pass is seen at tc."""
    for name, kind in (("tc", "TC"), ("xdp", "XDP_SKB")):
        client.create(name, {"type": kind, "dataplane-config": CONFIG})
        client.attach(name, veth.host)
    veth.send_in(FRAME, count=4)
    wait_until(lambda: counts(client, "tc")[0] == 4 == counts(client, "xdp")[0], "four packets at both")

    client.inject("xdp", {"ingress-path": {**PATH, "code": CODE.replace("RX_OK", "RX_DROP")}})
    veth.send_in(FRAME, count=2)

    wait_until(lambda: counts(client, "xdp")[0] == 2, "two packets at XDP")
    assert 4 == counts(client, "tc")[0]

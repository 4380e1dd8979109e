"""A monitor fails open: what its handler returns by mistake lets the packet pass, and is counted."""

from __future__ import annotations

import pytest

from tests.support import needs, wait_until

pytestmark = needs("kernel", "clang")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
CODE = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.increment(0);
	return VERDICT;
}
"""


def path(verdict):
    return {"code": CODE.replace("VERDICT", verdict), "metric-configs": [{"name": "packets", "map-name": "PKTS"}]}


def anomalies(client, cube, direction):
    text = client.request("GET", ("metrics",)).text
    series = f'dynmon_anomalies_total{{cube="{cube}",direction="{direction}"}}'
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(series))


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize(
    ("verdict", "passing", "strange"),
    [
        ("RX_OK", 6, 0),
        ("RX_DROP", 0, 0),
        ("RX_ERROR", 6, 6),
        ("RX_REDIRECT", 6, 6),
        ("-7", 6, 6),
        ("(int)md->packet_len", 6, 6),
        ("pcn_pkt_drop(ctx, md)", 0, 0),
    ],
)
def test_verdicts(client, veth, direction, verdict, passing, strange):
    """The second monitor on the interface sees exactly the packets that the first one lets pass."""
    order = ["first", "second"] if direction == "ingress" else ["second", "first"]
    for name in order:
        client.create(name)
        client.attach(name, veth.host)
    client.inject("first", {f"{direction}-path": path(verdict)})
    client.inject("second", {f"{direction}-path": path("RX_OK")})

    veth.send(direction, FRAME, count=6)

    def count(name):
        return client.metric_value(name, direction, "packets")[0]

    wait_until(lambda: count("first") == 6, "six packets at the first monitor")
    assert passing == count("second")
    assert strange == anomalies(client, "first", direction)
    assert 0 == anomalies(client, "second", direction)

"""Code is replaced under traffic without a packet lost or counted twice; a failed injection changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dynmon.client import ApiError
from tests.hooks import tcx_links, tcx_programs
from tests.support import needs, run, wait_until

pytestmark = needs("kernel", "clang", "tcx")

REPLACEMENTS = 200
FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)

# The generations count in one map that outlives them all, so that what each counted can be added up exactly.
KEEPER = """
BPF_TABLE_PUBLIC("percpu_array", int, u64, TOTAL, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
"""
GENERATION = """
BPF_TABLE("extern", int, u64, TOTAL, 1);
BPF_ARRAY(GENERATION, u64, 1);
/* generation %d */
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int key = 0;
	u64 *total = TOTAL.lookup(&key), *own = GENERATION.lookup(&key);

	if (total)
		(*total)++;
	if (own)
		__sync_fetch_and_add(own, 1);
	return RX_OK;
}
"""
COUNTER = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int key = 0;
	u64 *count = PKTS.lookup(&key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return RX_OK;
}
"""
PACKETS = {"name": "packets", "map-name": "PKTS"}

BAD_CODE = {
    "compile": "int handle_rx(",
    "verify": """
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return *(char *)(long)ctx->data;
}
""",
}


@contextmanager
def flood(veth, direction) -> Iterator[list[int]]:
    """Send frames as fast as one thread can for the length of the block; afterwards the list has the number sent."""
    sent: list[int] = []
    stop = threading.Event()

    def run() -> None:
        count = 0
        while not stop.is_set():
            count += veth.send(direction, FRAME, count=64)
        sent.append(count)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join(30)


def count_of(client, cube, direction, metric="packets"):
    [value] = client.metric_value(cube, direction, metric)
    return sum(value["value"]) if isinstance(value, dict) else value


@pytest.mark.timeout(300)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_two_hundred_replacements_under_flood_are_exact(client, veth, direction):
    """Every packet is counted by exactly one generation of the code."""
    path = f"{direction}-path"
    client.create("keeper")
    client.inject("keeper", {path: {"code": KEEPER, "metric-configs": [{"name": "packets", "map-name": "TOTAL"}]}})
    client.create("monitor")
    generation = {"name": "own", "map-name": "GENERATION"}
    client.inject("monitor", {path: {"code": GENERATION % 0, "metric-configs": [generation]}})
    client.attach("monitor", veth.host)

    with flood(veth, direction) as sent:
        for number in range(REPLACEMENTS):
            # Two texts in turn: what is compiled is cached, so that replacing is what this measures.
            client.inject("monitor", {path: {"code": GENERATION % (number % 2), "metric-configs": [generation]}})

    [expected] = sent
    assert expected > REPLACEMENTS
    wait_until(lambda: count_of(client, "keeper", direction) >= expected, "the last packets to be counted")
    assert expected == count_of(client, "keeper", direction)
    # The last generation started from empty maps and runs.
    before = count_of(client, "monitor", direction, "own")
    veth.send(direction, FRAME, count=3)
    wait_until(lambda: count_of(client, "monitor", direction, "own") == before + 3, "three more packets")
    assert before < expected


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("fault", ["compile", "verify", "map", "twice"])
def test_a_failed_injection_under_flood_changes_nothing(client, veth, direction, fault):
    """The old program counts every packet, before, during and after the refusal."""
    good = {"code": COUNTER, "metric-configs": [PACKETS]}
    bad = {
        "compile": {"code": BAD_CODE["compile"]},
        "verify": {"code": BAD_CODE["verify"]},
        "map": {"code": COUNTER, "metric-configs": [{"name": "packets", "map-name": "NOPE"}]},
        "twice": {"code": COUNTER, "metric-configs": [PACKETS, PACKETS]},
    }[fault]
    client.create("monitor")
    client.inject("monitor", {f"{direction}-path": good})
    client.attach("monitor", veth.host)

    with flood(veth, direction) as sent:
        for _ in range(5):
            with pytest.raises(ApiError) as caught:
                client.inject("monitor", {f"{direction}-path": bad})
            assert 400 <= caught.value.status < 500

    [expected] = sent
    wait_until(lambda: count_of(client, "monitor", direction) >= expected, "the last packets to be counted")
    assert expected == count_of(client, "monitor", direction)


def test_one_bad_path_leaves_both_as_they_were(client, veth):
    """All or nothing across the two paths."""
    good = {"code": COUNTER, "metric-configs": [PACKETS]}
    client.create("monitor")
    client.inject("monitor", {"ingress-path": good, "egress-path": good})
    client.attach("monitor", veth.host)
    veth.send_in(FRAME, count=7)
    veth.send_out(FRAME, count=5)

    with pytest.raises(ApiError, match="ingress"):
        client.inject("monitor", {"ingress-path": {"code": BAD_CODE["compile"]}, "egress-path": good})
    with pytest.raises(ApiError, match="egress"):
        client.inject("monitor", {"ingress-path": good, "egress-path": {"code": BAD_CODE["verify"]}})

    assert 7 == count_of(client, "monitor", "ingress")
    assert 5 == count_of(client, "monitor", "egress")


def test_a_direction_without_code_has_no_program(client, veth):
    """A cube attaches nothing where it has nothing to do, and takes its program away when the path is reset."""
    client.create("monitor")
    client.attach("monitor", veth.host)
    assert [] == tcx_programs(veth.host, "ingress") + tcx_programs(veth.host, "egress")

    client.inject("monitor", {"egress-path": {"code": COUNTER}})
    assert ["dynmon_egress"] == tcx_programs(veth.host, "egress")
    assert [] == tcx_programs(veth.host, "ingress")

    client.reset("monitor", "egress")
    assert [] == tcx_programs(veth.host, "egress")


SHARING = {
    "ingress": """
BPF_TABLE_SHARED("percpu_array", int, u64, BOTH, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	BOTH.increment(0);
	return RX_OK;
}
""",
    "egress": """
BPF_TABLE("extern", int, u64, BOTH, 1);
BPF_ARRAY(OWN, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	BOTH.increment(0, 10);
	OWN.increment(0);
	return RX_OK;
}
""",
}
BOTH = {"name": "both", "map-name": "BOTH"}
OWN = {"name": "own", "map-name": "OWN"}


def test_a_shared_map_stays_one_map_when_one_path_is_replaced(client, veth):
    """New ingress code starts with a new shared map, and the egress code that goes on counts there from then on."""
    ingress = {"code": SHARING["ingress"], "metric-configs": [BOTH]}
    egress = {"code": SHARING["egress"], "metric-configs": [BOTH, OWN]}

    def counts():
        veth.send_in(FRAME, count=3)
        veth.send_out(FRAME, count=2)
        names = [("ingress", "both"), ("egress", "both"), ("egress", "own")]
        return [count_of(client, "monitor", *name) for name in names]

    client.create("monitor", {"dataplane-config": {"ingress-path": ingress, "egress-path": egress}})
    client.attach("monitor", veth.host)
    assert [23, 23, 2] == counts()

    client.inject("monitor", {"egress-path": egress})
    assert [46, 46, 2] == counts()

    client.inject("monitor", {"ingress-path": ingress})
    assert [23, 23, 4] == counts()

    narrower = {**ingress, "code": SHARING["ingress"].replace("u64", "u32")}
    with pytest.raises(ApiError, match="egress code: map 'BOTH' is declared with values of 8 bytes"):
        client.inject("monitor", {"ingress-path": narrower})
    client.set_loglevel("monitor", "DEBUG")
    assert [46, 46, 6] == counts()

    client.reset("monitor", "ingress")
    veth.send_out(FRAME)
    assert 56 == count_of(client, "monitor", "egress", "both")


@needs("bpftool")
def test_a_link_that_somebody_else_detached_is_made_again(client, veth):
    """`bpftool link detach` takes a program off; the next injection puts its successor there."""
    good = {"code": COUNTER, "metric-configs": [PACKETS]}
    client.create("monitor", {"dataplane-config": {"ingress-path": good, "egress-path": good}})
    client.attach("monitor", veth.host)
    for link_id in tcx_links(veth.host, "egress"):
        run("bpftool", "link", "detach", "id", str(link_id))
    assert [] == tcx_programs(veth.host, "egress")

    client.inject("monitor", {"ingress-path": good, "egress-path": good})
    veth.send_in(FRAME, count=4)
    veth.send_out(FRAME, count=3)

    assert [4, 3] == [count_of(client, "monitor", direction) for direction in ("ingress", "egress")]
    client.detach("monitor", veth.host)
    assert [] == tcx_programs(veth.host, "ingress") + tcx_programs(veth.host, "egress")


def test_the_log_level_changes_without_losing_counts(client, daemon, veth):
    """`set loglevel=` loads the same code on the same maps with another constant."""
    code = COUNTER.replace("int key = 0;", 'int key = 0;\n\tpcn_log(ctx, LOG_DEBUG, "seen %d bytes", md->packet_len);')
    client.create("monitor", {"loglevel": "INFO"})
    client.inject("monitor", {"ingress-path": {"code": code, "metric-configs": [PACKETS]}})
    client.attach("monitor", veth.host)
    veth.send_in(FRAME, count=3)
    wait_until(lambda: count_of(client, "monitor", "ingress") == 3, "three packets")

    client.set_loglevel("monitor", "DEBUG")
    veth.send_in(FRAME, count=4)

    wait_until(lambda: count_of(client, "monitor", "ingress") == 7, "seven packets")
    assert "DEBUG" == client.get("monitor")["loglevel"]
    wait_until(lambda: "seen 60 bytes" in daemon.log(), "the log lines")
    lines = [line for line in daemon.log().splitlines() if "seen 60 bytes" in line]
    assert 4 == len(lines)
    assert all("[dynmon.cube.monitor] [DEBUG] ingress:" in line for line in lines)

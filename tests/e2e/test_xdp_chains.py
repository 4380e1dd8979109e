"""Several cubes at XDP on one interface: their order, what is said of it, and what is left of them."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dynmon.client import ApiError, DynmonClient, normalised_url
from tests.daemon import Daemon, start_daemon
from tests.e2e.test_polycubectl import Polycubectl
from tests.hooks import attached, exists, program_ids
from tests.kernel.bpf.objects import XDP_COUNTER, compile_c
from tests.rooms import room
from tests.support import Veth, eventually, needs, run, wait_until

pytestmark = needs("kernel", "clang", "bpftool")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
CODE = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.atomic_increment(0);
	return RX_OK;
}
"""
TYPES = pytest.mark.parametrize("kind", ["XDP_SKB", "XDP_DRV"])
IN_ORDER = ["th1", "th2", "th3", "th4", "th5"]
# The sequence of the original's own test of chains.
PUBLISHED: dict[str, dict[str, Any]] = {
    "th3": {},
    "th1": {"position": "first"},
    "th5": {"position": "last"},
    "th2": {"after": "th1"},
    "th4": {"before": "th5"},
}
PIN = "/sys/fs/bpf/e2e_xdp_foreign"


def path(code: str = CODE) -> dict[str, Any]:
    return {"ingress-path": {"code": code, "metric-configs": [{"name": "packets", "map-name": "PKTS"}]}}


def put_on(client: DynmonClient, name: str, interface: str, kind: str, **place: Any) -> None:
    client.create(name, {"type": kind, "dataplane-config": path()})
    client.attach(name, interface, **place)


def packets(client: DynmonClient, names: list[str]) -> list[int]:
    return [client.metric_value(name, "ingress", "packets")[0] for name in names]


@TYPES
def test_the_published_order(daemon: Daemon, client: DynmonClient, veth: Veth, tmp_path: Path, kind: str) -> None:
    """Topology and hook map print it; one that drops leaves those behind it at zero, and only those."""
    for name, place in PUBLISHED.items():
        put_on(client, name, veth.host, kind, **place)

    chain = client.topology(veth.host)
    assert "th1 ---> th2 ---> th3 ---> th4 ---> th5 ---> stack" == chain["ingress service chain"]
    assert "th5 ---> th4 ---> th3 ---> th2 ---> th1 ---> stack" == chain["egress service chain"]
    entries = client.hooks(veth.host)["ingress"]
    assert IN_ORDER == [entry["cube"] for entry in entries]
    [dispatcher] = {entry["dispatcher-id"] for entry in entries}
    assert {dispatcher} == program_ids(veth.host)
    lines = Polycubectl(normalised_url(daemon.url), tmp_path)(f"netdevs {veth.host} hooks show").splitlines()
    rows = [line.split() for line in lines if re.match(r" +\d", line)]
    assert [[str(number), "xdp", name] for number, name in enumerate(IN_ORDER)] == [
        [row[0], row[1], row[3]] for row in rows
    ]
    veth.send_in(FRAME, count=7)
    eventually(lambda: packets(client, IN_ORDER), [7] * 5)

    for place in reversed(range(5)):
        client.inject(IN_ORDER[place], path(CODE.replace("RX_OK", "RX_DROP")))
        before = packets(client, IN_ORDER)
        veth.send_in(FRAME, count=3)
        expected = [count + 3 * (number <= place) for number, count in enumerate(before)]
        eventually(lambda expected=expected: packets(client, IN_ORDER), expected)  # type: ignore[misc]
        reached = [entry["reached"] for entry in client.hooks(veth.host)["ingress"]]
        assert [number <= place for number in range(5)] == reached


@TYPES
def test_what_no_cube_is_left_of_is_as_before(client: DynmonClient, veth: Veth, kind: str) -> None:
    before = attached(veth.host)
    for name in IN_ORDER:
        put_on(client, name, veth.host, kind)
    client.detach("th2", veth.host)
    client.delete("th5")
    veth.send_in(FRAME, count=4)
    eventually(lambda: packets(client, IN_ORDER[:4]), [4, 0, 4, 4])

    for name in ("th1", "th3", "th4"):
        client.detach(name, veth.host)

    assert before == attached(veth.host)


def test_the_two_types_do_not_mix(client: DynmonClient, veth: Veth) -> None:
    """The second is refused by name, and is attached to nothing, also not where it could be."""
    put_on(client, "first", veth.host, "XDP_SKB")
    client.create("second", {"type": "XDP_DRV", "dataplane-config": {**path(), "egress-path": path()["ingress-path"]}})

    with pytest.raises(ApiError, match="cube 'first' is there as XDP_SKB") as caught:
        client.attach("second", veth.host)

    assert (409, "attach", ["first"]) == (
        caught.value.status,
        caught.value.problem["stage"],
        caught.value.problem["cubes"],
    )
    assert "make the cube of type XDP_SKB or TC" in caught.value.problem["hint"]
    assert "" == client.get("second")["parent"]
    veth.send_in(FRAME, count=4)
    eventually(lambda: packets(client, ["first", "second"]), [4, 0])


def test_an_interface_without_native_xdp(client: DynmonClient) -> None:
    client.create("native", {"type": "XDP_DRV", "dataplane-config": path()})

    with pytest.raises(ApiError, match="its driver has no XDP in 'drv' mode") as caught:
        client.attach("native", "lo")

    assert (501, "try XDP_SKB") == (caught.value.status, caught.value.problem["hint"])


@pytest.fixture
def foreign(veth: Veth, tmp_path: Path) -> Iterator[int]:
    """Somebody else's program at XDP; its id."""
    made = tmp_path / "foreign.o"
    made.write_bytes(compile_c(XDP_COUNTER))
    run("bpftool", "prog", "load", str(made), PIN, "type", "xdp")
    run("ip", "link", "set", veth.host, "xdpgeneric", "pinned", PIN)
    yield int(json.loads(run("bpftool", "-j", "prog", "show", "pinned", PIN))["id"])
    Path(PIN).unlink()


def test_a_foreign_program_is_not_touched(client: DynmonClient, veth: Veth, foreign: int) -> None:
    """Neither by one who is refused, nor by what it does afterwards."""
    before = attached(veth.host)
    for name in ("one", "two"):
        client.create(name, {"type": "XDP_SKB", "dataplane-config": path()})
        with pytest.raises(ApiError, match=rf"already has an XDP program \(id {foreign}\)") as caught:
            client.attach(name, veth.host)
        assert (409, foreign) == (caught.value.status, caught.value.problem["program-id"])
    put_on(client, "behind", veth.host, "TC")
    assert [None, "behind"] == [entry.get("cube") for entry in client.hooks(veth.host)["ingress"]]
    for name in ("one", "two", "behind"):
        client.delete(name)

    assert before == attached(veth.host)


def test_a_foreign_program_survives_the_daemon(veth: Veth, state_root: Path, foreign: int) -> None:
    """One that is killed, with a cube that was refused there and one at tc behind it."""
    before = attached(veth.host)
    daemon = start_daemon(state_root / "killed_behind_foreign")
    with DynmonClient(daemon.url) as client:
        put_on(client, "behind", veth.host, "TC")
        with pytest.raises(ApiError, match="already has an XDP program"):
            put_on(client, "refused", veth.host, "XDP_SKB")

        daemon.end(signal.SIGKILL)

    wait_until(lambda: before == attached(veth.host), "the interface to be as before")
    assert {foreign} == program_ids(veth.host)


@TYPES
def test_a_chain_in_another_namespace(client: DynmonClient, kind: str) -> None:
    """The daemon looks in from its own, at every change."""
    with room("chained") as blue:
        before = blue.attached()
        for name in ("th2", "th1", "th3"):
            put_on(client, name, blue.port, kind, position="first" if name == "th1" else "last")
        blue.send("ingress", FRAME, count=5)
        eventually(lambda: packets(client, IN_ORDER[:3]), [5, 5, 5])
        client.inject("th1", path(CODE.replace("RX_OK", "RX_DROP")))
        client.detach("th2", blue.port)
        blue.send("ingress", FRAME, count=3)
        eventually(lambda: packets(client, IN_ORDER[:3]), [3, 5, 5])
        for name in ("th1", "th3"):
            client.delete(name)
        assert before == blue.attached()


def test_a_cube_at_tc_is_behind_those_at_xdp(client: DynmonClient, veth: Veth) -> None:
    """Wherever it is in the chain of the interface."""
    put_on(client, "tc", veth.host, "TC")
    for name in ("one", "two"):
        put_on(client, name, veth.host, "XDP_SKB")
    assert ["one", "two", "tc"] == [entry["cube"] for entry in client.hooks(veth.host)["ingress"]]
    client.inject("two", path(CODE.replace("RX_OK", "RX_DROP")))
    veth.send_in(FRAME, count=4)
    eventually(lambda: packets(client, ["one", "two", "tc"]), [4, 4, 0])

    client.delete("two")
    veth.send_in(FRAME, count=3)
    eventually(lambda: packets(client, ["one", "tc"]), [7, 3])


@TYPES
def test_a_killed_daemon_leaves_nothing(veth: Veth, state_root: Path, kind: str) -> None:
    """The kernel takes the link off, and with it the dispatcher and all that it called."""
    before = attached(veth.host)
    daemon = start_daemon(state_root / f"killed_chain_{kind}")
    with DynmonClient(daemon.url) as client:
        for name in IN_ORDER[:3]:
            put_on(client, name, veth.host, kind)
        entries = client.hooks(veth.host)["ingress"]
        programs = {entry[key] for entry in entries for key in ("program-id", "dispatcher-id")}
        assert 4 == len(programs)

        daemon.end(signal.SIGKILL)

    wait_until(lambda: before == attached(veth.host), "the interface to be as before")
    wait_until(lambda: not any(exists("prog", number) for number in programs), "the programs to go")

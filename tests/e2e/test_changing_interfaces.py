"""What others do to an interface with monitors on it: nothing breaks, and the state shown is the state there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dynmon.client import ApiError, DynmonClient
from tests.daemon import Daemon
from tests.e2e.test_namespaces import CONFIG, FRAME, counts
from tests.hooks import program_ids
from tests.kernel.bpf.objects import TC_COUNTER, XDP_COUNTER, compile_c
from tests.rooms import process
from tests.support import Veth, eventually, needs, network_namespace, run, wait_until

pytestmark = needs("kernel", "clang", "bpftool", "tcx")

PINS = Path("/sys/fs/bpf/e2e_changing")
XDP, FILTER = ("xdp", None), ("clsact", None)


@pytest.fixture(scope="module")
def shared_daemon(any_daemon: Daemon) -> Daemon:
    """A daemon with tcx, then one without."""
    return any_daemon


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
    """Loads programs of somebody else, and gives their pins."""
    PINS.mkdir()

    def load(code: str, kind: str) -> str:
        made, pin = tmp_path / f"{kind}.o", PINS / kind
        made.write_bytes(compile_c(code))
        run("bpftool", "prog", "load", str(made), str(pin), "type", kind)
        return str(pin)

    yield load
    for pin in PINS.iterdir():
        pin.unlink()
    PINS.rmdir()


def monitors(client: DynmonClient, interface: str) -> None:
    """One at tc and, behind it in the chain, one at XDP."""
    for name, kind in (("tc", "TC"), ("xdp", "XDP_SKB")):
        client.create(name, {"type": kind, "dataplane-config": CONFIG})
    client.attach("tc", interface)


def down_and_up(veth: Veth) -> None:
    run("ip", "link", "set", veth.host, "down")
    run("ip", "link", "set", veth.host, "up")
    wait_until(lambda: "state UP" in run("ip", "link", "show", veth.host), f"{veth.host} to be up")


def test_what_others_do_breaks_nothing(client: DynmonClient, veth: Veth, foreign: Callable[[str, str], str]) -> None:
    """A filter and a program at XDP that come late and go, another MTU, down and up."""
    interface = veth.host
    at_xdp, at_tc = foreign(XDP_COUNTER, "xdp"), foreign(TC_COUNTER, "classifier")
    monitors(client, interface)
    [ours] = [(each["hook"], each["cube"]) for each in client.hooks(interface)["ingress"]]
    # Our filter is behind all others, ours at tcx before them.
    with_filter = [FILTER, ours] if ours[0] == "clsact" else [ours, FILTER]
    received = 0

    def check(occupants: list[tuple[str, str | None]], chain: str = "tc ---> stack") -> None:
        nonlocal received
        veth.send_in(FRAME, count=2)
        received += 2
        eventually(lambda: counts(client, "tc"), [received, 0])
        assert [{"port": interface, "state": "attached"}] == client.get("tc")["attachments"]
        shown = client.hooks(interface)["ingress"]
        assert occupants == [(each["hook"], each.get("cube")) for each in shown]
        assert [True] * len(occupants) == [each["reached"] for each in shown]
        assert chain == client.topology(interface)["ingress service chain"]

    run("tc", "qdisc", "replace", "dev", interface, "clsact")
    run("tc", "filter", "add", "dev", interface, "ingress", "prio", "1", "bpf", "da", "pinned", at_tc)
    check(with_filter)
    run("ip", "link", "set", interface, "xdpgeneric", "pinned", at_xdp)
    check([XDP, *with_filter])
    run("ip", "link", "set", interface, "mtu", "1400")
    check([XDP, *with_filter])
    down_and_up(veth)
    check([XDP, *with_filter])
    with pytest.raises(ApiError, match="already has an XDP program"):
        client.attach("xdp", interface)
    check([XDP, *with_filter])
    run("ip", "link", "set", interface, "xdpgeneric", "off")
    client.attach("xdp", interface)
    both, chain = [("xdp", "xdp"), *with_filter], "tc ---> xdp ---> stack"
    check(both, chain)
    run("ip", "link", "set", interface, "xdpgeneric", "pinned", at_xdp, check=False)  # the kernel has us there
    check(both, chain)
    run("ip", "link", "set", interface, "mtu", "1300")
    down_and_up(veth)
    check(both, chain)
    run("tc", "filter", "del", "dev", interface, "ingress", "prio", "1")
    check([("xdp", "xdp"), ours], chain)
    assert [8, 0] == counts(client, "xdp")


def test_an_interface_that_moves_away_takes_nothing_with_it(client: DynmonClient, veth: Veth) -> None:
    """The counts stay, and when it comes back it is another interface."""
    interface = veth.host
    monitors(client, interface)
    client.attach("xdp", interface)
    veth.send_in(FRAME, count=3)
    eventually(lambda: [counts(client, name) for name in ("tc", "xdp")], [[3, 0], [3, 0]])
    with process("unshare", "--net") as elsewhere:
        run("ip", "link", "set", interface, "netns", str(elsewhere.pid))
        eventually(lambda: [client.get(name)["attachments"] for name in ("tc", "xdp")], [[], []])
        with pytest.raises(ApiError, match="not found"):
            client.hooks(interface)
        with pytest.raises(ApiError, match="not found"):
            client.topology(interface)
        with network_namespace(f"/proc/{elsewhere.pid}/ns/net"):
            assert set() == program_ids(interface)
            run("ip", "link", "set", interface, "up")
            wait_until(lambda: "state UP" in run("ip", "link", "show", interface), f"{interface} to be up")
        veth.send_in(FRAME, count=4)
        back = ("ip", "link", "set", interface, "netns", str(os.getpid()))
        run("nsenter", "--net", f"--target={elsewhere.pid}", *back)
    down_and_up(veth)
    veth.send_in(FRAME, count=5)

    assert {"name": interface, "ingress": [], "egress": []} == client.hooks(interface)
    client.attach("tc", interface)
    veth.send_in(FRAME, count=6)
    eventually(lambda: [counts(client, name) for name in ("tc", "xdp")], [[9, 0], [3, 0]])

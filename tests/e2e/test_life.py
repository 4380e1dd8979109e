"""Daemons come, live side by side, and go without leaving anything behind."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from dynmon.client import DynmonClient
from tests.daemon import DYNMOND, KERNELS, running_daemon, start_daemon
from tests.hooks import attached, tcx_programs
from tests.support import is_gone, needs, run, veth_pair, wait_until

pytestmark = needs("kernel", "clang", "tcx")

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
CONFIG = {
    f"{direction}-path": {
        "code": """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.increment(0);
	return RX_OK;
}
""",
        "metric-configs": [{"name": "packets", "map-name": "PKTS"}],
    }
    for direction in ("ingress", "egress")
}


def monitor(client, name, interface):
    client.create(name, {"dataplane-config": CONFIG})
    client.attach(name, interface)


def counts(client, name):
    return [client.metric_value(name, direction, "packets")[0] for direction in ("ingress", "egress")]


@pytest.mark.parametrize("environment", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_of_ours_is_left_behind(state_root, veth, number, environment):
    """However the daemon ends, its interfaces are as they were before it came."""
    before = attached(veth.host)
    daemon = start_daemon(state_root / "life", environment=environment)
    with DynmonClient(daemon.url) as client:
        monitor(client, "one", veth.host)
        monitor(client, "two", veth.host)
        veth.send_in(FRAME, count=5)
        veth.send_out(FRAME, count=3)
        assert [5, 3] == counts(client, "one") == counts(client, "two")
    assert before != attached(veth.host)

    status = daemon.end(number)

    assert (-number if number == signal.SIGKILL else 0) == status, daemon.log()
    wait_until(lambda: attached(veth.host) == before, "the interface to be as it was")


@pytest.mark.parametrize("environment", KERNELS.values(), ids=KERNELS)
def test_filters_of_others_survive(state_root, veth, environment):
    """Somebody's tc filter, priority 1 as tools like to use, is there before, with and after us."""
    run("tc", "qdisc", "add", "dev", veth.host, "clsact")
    for direction in ("ingress", "egress"):
        match = ("match", "u32", "0xdeadbeef", "0xffffffff", "at", "0", "classid", "1:1")
        run("tc", "filter", "add", "dev", veth.host, direction, "pref", "1", "u32", *match)
    before = attached(veth.host)

    with running_daemon(state_root / "life", environment=environment) as daemon, DynmonClient(daemon.url) as client:
        monitor(client, "one", veth.host)
        client.inject("one", CONFIG)
        assert all("u32" in " ".join(attached(veth.host)[f"filters {way}"]) for way in ("ingress", "egress"))
        veth.send_in(FRAME, count=4)
        veth.send_out(FRAME, count=2)
        assert [4, 2] == counts(client, "one")
        client.detach("one", veth.host)

        assert before == attached(veth.host)
    assert before == attached(veth.host)


def test_two_daemons_do_not_touch_each_other(state_root, veth):
    """Side by side on one interface, with cubes of the same name; one ends, the other counts on."""
    with (
        running_daemon(state_root / "left") as left,
        running_daemon(state_root / "right") as right,
        DynmonClient(left.url) as left_client,
        DynmonClient(right.url) as right_client,
    ):
        monitor(left_client, "monitor", veth.host)
        veth.send_in(FRAME, count=2)
        monitor(right_client, "monitor", veth.host)
        veth.send_in(FRAME, count=3)
        assert [5, 0] == counts(left_client, "monitor")
        assert [3, 0] == counts(right_client, "monitor")

        left.end(signal.SIGKILL)
        wait_until(lambda: tcx_programs(veth.host, "ingress") == ["dynmon_ingress"], "the left one's link to go")
        veth.send_in(FRAME, count=4)
        assert [7, 0] == counts(right_client, "monitor")


def test_one_state_directory_has_one_daemon(state_root):
    with running_daemon(state_root / "life") as daemon:
        second = subprocess.run(
            [DYNMOND, "--port", "0", "--state-dir", daemon.state_dir], capture_output=True, text=True, timeout=30
        )

    assert 1 == second.returncode
    assert "another dynmond uses" in second.stderr


def test_a_port_in_use_is_a_clear_error(state_root):
    with running_daemon(state_root / "left") as daemon:
        second = subprocess.run(
            [DYNMOND, "--port", str(daemon.port), "--state-dir", state_root / "right"],
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert 1 == second.returncode
    assert "cannot listen on 127.0.0.1 port" in second.stderr
    assert "Traceback" not in second.stderr


def test_without_capabilities_the_daemon_says_so(state_root):
    """An ordinary user learns at once what is missing."""
    result = subprocess.run(
        [
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            DYNMOND,
            "--port",
            "0",
            "--state-dir",
            state_root / "life",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert 1 == result.returncode
    assert "without CAP_BPF and CAP_NET_ADMIN; run it as root" in result.stderr


def processes_below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def test_the_loader_may_die(state_root, veth):
    """Killing the processes that compile and load costs at most the requests they work on."""
    with running_daemon(state_root / "life") as daemon, DynmonClient(daemon.url) as client:
        monitor(client, "one", veth.host)
        veth.send_in(FRAME, count=2)
        children = processes_below(daemon.process.pid)
        assert children
        for child in children:
            os.kill(child, signal.SIGKILL)
        # Until they are gone, the next request may still reach one of them, and is lost with it.
        wait_until(lambda: all(map(is_gone, children)), "the processes to end")

        client.inject("one", CONFIG)
        veth.send_in(FRAME, count=3)

        assert [3, 0] == counts(client, "one")


def test_a_deleted_interface_leaves_a_detached_cube(state_root):
    """The cube keeps its counts and can be attached elsewhere."""
    with running_daemon(state_root / "life") as daemon, DynmonClient(daemon.url) as client:
        with veth_pair() as veth:
            monitor(client, "one", veth.host)
            veth.send_in(FRAME, count=2)
            assert veth.host == client.get("one")["parent"]
        assert "" == client.get("one")["parent"]
        assert [2, 0] == counts(client, "one")
        client.inject("one", CONFIG)
        with veth_pair() as veth:
            client.attach("one", veth.host)
            veth.send_in(FRAME, count=3)
            assert [3, 0] == counts(client, "one")


def test_many_injections_leak_nothing(client, daemon, veth):
    """Descriptors of the daemon are the same after a hundred injections as after the first."""
    monitor(client, "one", veth.host)

    def descriptors():
        return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))

    client.inject("one", CONFIG)
    before = descriptors()
    for _ in range(100):
        client.inject("one", CONFIG)

    wait_until(lambda: descriptors() <= before, "descriptors to be given back")

"""clsact as a guest: what others have on an interface stays, what is ours goes."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from dynmon.bpf import attach_clsact
from dynmon.models import Direction
from tests.kernel.bpf.conftest import Counter
from tests.kernel.bpf.objects import TC_COUNTER
from tests.support import needs, run, wait_until

FRAME = bytes(60)
PIN = "/sys/fs/bpf/foreign"

pytestmark = pytest.mark.usefixtures("no_leaks")


def qdiscs(interface):
    return run("tc", "qdisc", "show", "dev", interface)


def filters(interface, direction):
    return run("tc", "filter", "show", "dev", interface, str(direction))


@pytest.fixture
def foreign(load):
    """A pinned program of somebody else that counts packets and ends the walk."""
    counter = Counter(load(TC_COUNTER.replace("TC_ACT_UNSPEC", "TC_ACT_OK")))
    run("bpftool", "prog", "pin", "id", str(counter.program.id), PIN)
    yield counter
    run("rm", PIN)


def add_filter(interface, direction, *place):
    run("tc", "filter", "replace", "dev", interface, str(direction), *place, "bpf", "da", "pinned", PIN)


@pytest.mark.parametrize("direction", list(Direction))
def test_the_qdisc_comes_and_goes_with_our_filters(veth, index, counter, another_counter, direction):
    """It is made for the first and removed with the last."""
    first = attach_clsact(counter.program, index, direction, interface_name=veth.host)
    second = attach_clsact(another_counter.program, index, direction, interface_name=veth.host)
    assert "clsact" in qdiscs(veth.host)
    assert 2 == filters(veth.host, direction).count("0x64796e6d")

    first.close()
    assert 1 == filters(veth.host, direction).count("0x64796e6d")
    second.close()
    assert "clsact" not in qdiscs(veth.host)


def test_a_qdisc_of_somebody_else_stays(veth, index, counter):
    """We do not remove what we did not make, even when nothing is left on it."""
    run("tc", "qdisc", "add", "dev", veth.host, "clsact")
    attach_clsact(counter.program, index, Direction.INGRESS, interface_name=veth.host).close()

    assert "clsact" in qdiscs(veth.host)
    assert not filters(veth.host, "ingress")


@pytest.mark.parametrize("direction", list(Direction))
def test_a_foreign_filter_survives_and_keeps_our_qdisc(veth, index, counter, foreign, direction):
    """Somebody's filter on the qdisc that we made is there afterwards, as it was."""
    with attach_clsact(counter.program, index, Direction.INGRESS, interface_name=veth.host):
        add_filter(veth.host, direction, "prio", "53504")
        veth.send(direction, FRAME, count=2)
    veth.send(direction, FRAME, count=3)

    assert 5 == foreign.packets()
    assert "0x64796e6d" not in filters(veth.host, direction)
    assert "clsact" in qdiscs(veth.host)


def test_we_come_behind_foreign_filters(veth, index, counter, foreign):
    """What a foreign filter keeps from those behind it, we do not see."""
    run("tc", "qdisc", "add", "dev", veth.host, "clsact")
    add_filter(veth.host, "ingress", "prio", "50000")
    with attach_clsact(counter.program, index, Direction.INGRESS, interface_name=veth.host):
        veth.send_in(FRAME, count=4)

    assert (4, 0) == (foreign.packets(), counter.packets())


def test_a_foreign_filter_at_the_very_end_does_not_keep_us_out(veth, index, counter, foreign):
    """There is no priority behind it, so we come just before."""
    run("tc", "qdisc", "add", "dev", veth.host, "clsact")
    add_filter(veth.host, "ingress", "prio", "65535")
    with attach_clsact(counter.program, index, Direction.INGRESS, interface_name=veth.host):
        veth.send_in(FRAME, count=4)

    assert (4, 4) == (foreign.packets(), counter.packets())


def test_a_filter_that_somebody_put_in_our_place_stays(veth, index, counter, foreign):
    """Closing removes our program's filter, not whatever has its handle and priority now."""
    link = attach_clsact(counter.program, index, Direction.INGRESS, interface_name=veth.host)
    add_filter(veth.host, "ingress", "prio", str(link.priority), "handle", "0x64796e6d")
    link.close()

    assert f"id {foreign.program.id} " in filters(veth.host, "ingress")


ORPHAN = """
import signal, socket, sys
from tests.kernel.bpf.conftest import request_for
from tests.kernel.bpf.objects import TC_COUNTER
from dynmon.bpf import Loader, attach_tc
from dynmon.models import Direction
loader = Loader()
loaded = loader.load(request_for(TC_COUNTER))
index = socket.if_nametoindex(sys.argv[1])
links = [attach_tc(loaded.program, index, each, interface_name=sys.argv[1]) for each in Direction]
links[0].update(loaded.program)
print(loader.server_pid, *(link.id for link in links if link.id), flush=True)
signal.pause()
"""


def existing_links():
    return {link["id"] for link in json.loads(run("bpftool", "-j", "link", "show"))}


@contextmanager
def orphan(repository, interface, without):
    """A process with programs on `interface`, killed at the end of the block: its loader, and the ids of its links."""
    environment = {**os.environ, "DYNMON_WITHOUT": without, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", ORPHAN, interface]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            server, *links = map(int, process.stdout.readline().split())
            yield server, set(links)
        finally:
            process.kill()


@pytest.mark.parametrize("without", [pytest.param("", marks=needs("tcx")), "tcx"])
def test_nothing_is_left_of_a_killed_process(veth, repository, without):
    """After kill -9: no filter, no qdisc, no link, no loader."""
    with orphan(repository, veth.host, without) as (server, links):
        assert ("clsact" in qdiscs(veth.host)) == (without == "tcx")
        assert links <= existing_links()
        assert bool(links) != (without == "tcx")

    wait_until(lambda: "clsact" not in qdiscs(veth.host), "the qdisc to go")
    wait_until(lambda: not Path(f"/proc/{server}").exists(), "the loader to end")
    wait_until(lambda: not links & existing_links(), "the links to go")


def test_a_foreign_filter_survives_our_being_killed(veth, foreign, repository):
    """What the guard removes is ours alone."""
    with orphan(repository, veth.host, "tcx"):
        add_filter(veth.host, "ingress", "prio", "7")
        assert "0x64796e6d" in filters(veth.host, "ingress")

    wait_until(lambda: "0x64796e6d" not in filters(veth.host, "ingress"), "our filter to go")
    wait_until(lambda: "0x64796e6d" not in filters(veth.host, "egress"), "our other filter to go")
    assert f"id {foreign.program.id} " in filters(veth.host, "ingress")

"""However a script ends, its Monitor leaves no link, no program, no filter, no qdisc and no process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e.python_scripts import Script, running_script, script_server
from tests.hooks import attached, exists, program_ids, tcx_links
from tests.packets import ethernet, ipv4, udp
from tests.support import Veth, is_gone, needs, wait_until

pytestmark = needs("kernel", "clang", "bpftool", "tcx")

FRAME = ethernet(ipv4(udp()))
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
# Hiding tcx makes the monitor use clsact filters, as it does on kernels before 6.6.
HOOKS = {
    "tcx": ("TC", {}),
    "clsact": ("TC", {"DYNMON_WITHOUT": "tcx"}),
    "xdp": ("XDP_DRV", {}),
}
PROLOGUE = '''
import os, sys
from dynmon import Monitor

CODE = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.atomic_increment(0);
	return RX_OK;
}
"""
interface, hook = sys.argv[1:]
monitor = Monitor(interface, CODE, egress=CODE, hook=hook)
'''
READS_FOR_EVER = """
with monitor:
    while not monitor.read("PKTS", "ingress")["value"][0]:
        pass
    print("counts", flush=True)
    while True:
        monitor.read("PKTS", "ingress")
"""
OPENS_AND_CLOSES_FOR_EVER = """
while True:
    with monitor:
        print("open", flush=True)
    print("closed", flush=True)
"""
FORKS = """
with monitor:
    if not os.fork():
        monitor.close()
        sys.stdin.read()
        os._exit(0)
    print("forked", flush=True)
    sys.stdin.read()
"""
FORKS_BESIDE_ANOTHER = """
with Monitor(interface, CODE, egress=CODE, hook=hook) as other:
""" + FORKS.replace("\n", "\n    ").replace("monitor.close()", "monitor.close(); other.close()")
FAILS = """
with monitor:
    1 / 0
"""
IS_LEFT_OPEN = """
monitor.open()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    """Where all these scripts come from."""
    with script_server() as server:
        yield server


@pytest.fixture
def start(server, state_root, veth):
    """Start a script that has a monitor of the interface."""

    def start(text: str, kind: str) -> AbstractContextManager[Script]:
        hook, environment = HOOKS[kind]
        settings = {"XDG_CACHE_HOME": str(state_root), **environment}
        return running_script(server, PROLOGUE + text, veth.host, hook, environment=settings)

    return start


@contextlib.contextmanager
def traffic(veth: Veth) -> Iterator[None]:
    """Packets in both directions, all the time."""
    enough = threading.Event()

    def send() -> None:
        while not enough.is_set():
            veth.send_in(FRAME, count=20)
            veth.send_out(FRAME, count=20)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        enough.set()
        sender.join()


def family_of(pid: int) -> set[int]:
    """The processes below `pid`, and those below them."""
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found |= {child} | family_of(child)
    return found


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_killed_script_leaves_nothing(start, veth, kind, number):
    """Under traffic, while it reads; the interface is as it was before it came."""
    before = attached(veth.host)
    with traffic(veth), start(READS_FOR_EVER, kind) as script:
        assert "counts\n" == script.stdout.readline()
        programs, family = program_ids(veth.host), family_of(script.pid)
        links = {link for direction in ("ingress", "egress") for link in tcx_links(veth.host, direction)}
        assert 2 == len(programs)
        assert {"tcx": 2, "clsact": 0, "xdp": 1}[kind] == len(links)
        assert before != attached(veth.host)

        script.send_signal(number)

        assert -number == script.wait()
        wait_until(lambda: attached(veth.host) == before, "the interface to be as it was")
        wait_until(lambda: not any(exists("prog", each) for each in programs), "the programs to go")
        wait_until(lambda: not any(exists("link", each) for each in links), "the links to go")
        wait_until(lambda: all(map(is_gone, family)), "the processes of the loader and the compiler to end")


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize("lines", [1, 2, 5])
def test_killed_while_it_opens_or_closes(start, veth, kind, lines):
    """At whatever step the end comes."""
    before = attached(veth.host)
    with start(OPENS_AND_CLOSES_FOR_EVER, kind) as script:
        for _ in range(lines):
            assert script.stdout.readline()
        family = family_of(script.pid)

        script.kill()

        wait_until(lambda: attached(veth.host) == before, "the interface to be as it was")
        wait_until(lambda: all(map(is_gone, family)), "the processes of the loader and the compiler to end")


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize(("text", "status"), [(FAILS, 1), (IS_LEFT_OPEN, 0)], ids=["an exception", "the end"])
def test_a_script_that_ends_by_itself(start, veth, kind, text, status):
    """By an exception that nobody catches, and by the last line with a monitor still open."""
    before = attached(veth.host)
    with start(text, kind) as script:
        assert status == script.wait()
        assert ("ZeroDivisionError" in script.stderr.read()) == bool(status)
    assert before == attached(veth.host)


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize("text", [FORKS, FORKS_BESIDE_ANOTHER], ids=["alone", "beside another"])
def test_a_forked_child_keeps_nothing_attached(start, veth, kind, text):
    """It neither ends its parent's monitor when it closes it, nor keeps it when the parent is killed."""
    before = attached(veth.host)
    with start(text, kind) as script:
        assert "forked\n" == script.stdout.readline()
        programs, family = program_ids(veth.host), family_of(script.pid)
        # At XDP several are behind one.
        assert (2 if text == FORKS else 3 if kind == "xdp" else 4) == len(programs)

        script.kill()

        wait_until(lambda: attached(veth.host) == before, "the interface to be as it was")
        wait_until(lambda: not any(exists("prog", each) for each in programs), "the programs to go")
        wait_until(lambda: 1 == sum(not is_gone(each) for each in family), "all but the forked child to end")
    wait_until(lambda: all(map(is_gone, family)), "the forked child to end")


def test_without_capabilities_the_error_says_what_is_missing(state_root, veth):
    """An ordinary user learns at once what is missing."""
    command = [sys.executable, "-c", PROLOGUE + READS_FOR_EVER, veth.host, "TC"]
    result = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command],
        env={**os.environ, "XDG_CACHE_HOME": str(state_root)},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert 1 == result.returncode
    assert "NotPermitted: cannot load or attach eBPF programs without CAP_BPF and CAP_NET_ADMIN" in result.stderr

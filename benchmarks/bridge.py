"""What two namespaces get through a simplebridge, against the same two through the kernel's own bridge."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmarks.figures import Figure, median
from dynmon.dataplane.switch import Switch
from dynmon.trial import workbench
from tests.support import Veth, network_namespace, run, veth_pair

ROUNDS = 15
MEGABYTE = 1 << 20
KERNEL_BRIDGE = "benchbr0"
ADDRESSES = ("10.77.0.1", "10.77.0.2")
TIME_BAR = 1 / 0.9
# Packets as long as the sender likes (GSO), and none longer than the wire would take.
KINDS = {"64 KiB at a time": (65535, 256), "1,500 bytes at a time": (1, 32)}
SINK = """
import socket, sys
listening = socket.create_server((sys.argv[1], 0))
print(listening.getsockname()[1], flush=True)
buffer = bytearray(1 << 20)
while True:
    connection = listening.accept()[0]
    while connection.recv_into(buffer):
        pass
    connection.close()
"""


def figures(scratch: Path) -> list[Figure]:
    """Both ways take turns between the same two hosts."""
    with ExitStack() as parts:
        foundry = parts.enter_context(workbench(scratch / "cache"))
        switch = parts.enter_context(closing(Switch(foundry, aging_seconds=300)))
        veths = [parts.enter_context(veth_pair(addresses=("", f"{address}/24"))) for address in ADDRESSES]
        port = parts.enter_context(_sink(veths[1]))
        found = []
        for kind, (segments, megabytes) in KINDS.items():
            for veth in veths:
                run("ip", "-n", veth.namespace, "link", "set", veth.peer, "gso_max_segs", str(segments))
            ours, theirs = [], []
            for _ in range(ROUNDS):
                with _switched(switch, veths):
                    ours.append(_seconds(veths[0], port, megabytes))
                with _bridged(veths):
                    theirs.append(_seconds(veths[0], port, megabytes))
            what = f"{megabytes} MiB through a simplebridge, {kind}"
            mine, other = median(ours), median(theirs)
            holds = mine <= other * TIME_BAR
            bar = "0.9 of its throughput"
            found.append(Figure(what, mine, "s", other, "the kernel's bridge", bar, holds))
        return found


@contextmanager
def _switched(switch: Switch, veths: list[Veth]) -> Iterator[None]:
    for number, veth in enumerate(veths):
        switch.plug(number, socket.if_nametoindex(veth.host), veth.host)
    yield
    for number in range(len(veths)):
        switch.unplug(number)


@contextmanager
def _bridged(veths: list[Veth]) -> Iterator[None]:
    run("ip", "link", "add", KERNEL_BRIDGE, "up", "type", "bridge", "forward_delay", "0")
    for veth in veths:
        run("ip", "link", "set", veth.host, "master", KERNEL_BRIDGE)
    yield
    run("ip", "link", "del", KERNEL_BRIDGE)


@contextmanager
def _sink(veth: Veth) -> Iterator[int]:
    """Takes all that comes; the port it listens at."""
    cpus = sorted(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(cpus[-1]), sys.executable, "-c", SINK, ADDRESSES[1]]
    command = ["ip", "netns", "exec", veth.namespace, *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _seconds(veth: Veth, port: int, megabytes: int) -> float:
    """How long a connection needs to send that much; the first bytes, which find the way, are not counted."""
    chunk = bytes(MEGABYTE)
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        with network_namespace(f"/run/netns/{veth.namespace}"):
            connection = socket.create_connection((ADDRESSES[1], port), timeout=60)
        with connection:
            connection.sendall(chunk)
            before = time.perf_counter()
            for _ in range(megabytes):
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
            return time.perf_counter() - before
    finally:
        os.sched_setaffinity(0, cpus)

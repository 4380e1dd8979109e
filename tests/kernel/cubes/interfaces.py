"""Pairs of interfaces that tests make and remove, many at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests import packets
from tests.kernel.cubes.monitors import Monitors
from tests.support import run, send_frames, wait_until

FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
GROUP = "77"


def ip(*lines: str) -> None:
    """Do what these lines say, in one go."""
    run("ip", "-batch", "-", input="\n".join(lines))


def make(*names: str) -> None:
    """Pairs of interfaces NAME and NAME-far, which are up and silent."""
    ip(*(f"link add {name} up arp off group {GROUP} type veth peer name {name}-far" for name in names))
    ip(*(f"link set {name}-far up arp off" for name in names))
    both_up(*names)


def both_up(*names: str) -> None:
    """Wait until both ends of each pair have a carrier: before, what is sent goes nowhere."""
    ends = {end for name in names for end in (name, f"{name}-far")}
    wait_until(lambda: ends <= set(up()), "all to be up")


def up() -> list[str]:
    """The interfaces that are up."""
    lines = (line.split() for line in run("ip", "-br", "link").splitlines())
    return [name.partition("@")[0] for name, state, *_ in lines if state == "UP"]


def remove() -> None:
    """Remove all that were made, at once: one by one, each takes the kernel some grace periods."""
    run("ip", "link", "del", "group", GROUP, check=False)


@contextmanager
def removed_at_the_end() -> Iterator[None]:
    """Make interfaces with names that begin with w in this block; they are silent until a test sends."""
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    yield
    remove()
    for _, name in socket.if_nameindex():
        if name.startswith("w"):
            run("ip", "link", "del", name, check=False)


def send(name: str, count: int) -> None:
    """Let an interface receive."""
    send_frames(f"{name}-far", (FRAME,), count)


def attached(monitors: Monitors, name: str) -> list[str]:
    return sorted(port for port, state in monitors.states(name) if state == "attached")


def is_listening() -> bool:
    """Whether a thread of this process hears of interfaces."""
    return any(thread.name == "dynmon-links" for thread in threading.enumerate())

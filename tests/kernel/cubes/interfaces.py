"""Pairs of interfaces that tests make and remove, many at once."""

from __future__ import annotations

from tests.kernel.cubes.conftest import FRAME
from tests.kernel.cubes.monitors import Monitors
from tests.support import run, send_frames, wait_until


def ip(*lines: str) -> None:
    """Do what these lines say, in one go."""
    run("ip", "-batch", "-", input="\n".join(lines))


def make(*names: str) -> None:
    """Pairs of interfaces NAME and NAME-far, which are up and silent."""
    ip(*(f"link add {name} up arp off type veth peer name {name}-far" for name in names))
    ip(*(f"link set {name}-far up arp off" for name in names))
    wait_until(lambda: all("state UP" in run("ip", "link", "show", name) for name in names), "all to be up")


def send(name: str, count: int) -> None:
    """Let an interface receive."""
    send_frames(f"{name}-far", (FRAME,), count)


def attached(monitors: Monitors, name: str) -> list[str]:
    return sorted(port for port, state in monitors.states(name) if state == "attached")

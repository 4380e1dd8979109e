"""Many interfaces under one monitor, many monitors on one interface, and many that come and go."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest

from dynmon.bpf import GracePeriod
from dynmon.bpf.errors import HookFull
from dynmon.models import Direction
from tests.kernel.cubes.interfaces import attached, ip, make, send
from tests.support import eventually, open_descriptors

INTERFACES = 500
CHURN = 78  # the group of those that come and go
AT_ONCE = 63  # the kernel's BPF_MPROG_MAX less one

pytestmark = pytest.mark.usefixtures("wires")


def test_five_hundred_interfaces_under_one_selector(monitors):
    """Attached within 10 s, read within 1 s, and each packet counted once.

    The kernel takes a grace period for each program; on a machine that is busy otherwise, that alone may be too long.
    """
    before = grace_period_seconds()
    names = [f"wm{number}" for number in range(INTERFACES)]
    make(*names)
    monitors.make("m", directions=["ingress"], swaps=True)
    began = time.monotonic()
    monitors.attach("m", "wm*[0-9]")
    attaching = time.monotonic() - began
    assert sorted(names) == attached(monitors, "m")
    for each, total in ((1, INTERFACES), (2, 3 * INTERFACES)):
        for name in names:
            send(name, each)
        began = time.monotonic()
        (count,) = monitors.registry.get("m").read_metric(Direction.INGRESS, "packets", drain=True).value
        reading = time.monotonic() - began
        assert total == count
        assert reading < 1
    assert attaching < max(10, 2 * INTERFACES * max(before, grace_period_seconds()))


def test_sixty_monitors_on_one_interface(monitors):
    """The kernel takes 63 programs on a hook; the next monitor hears so, and is attached to nothing."""
    make("w0")
    names = [f"m{number}" for number in range(AT_ONCE)]
    monitors.on("w0", *names, directions=["ingress"])
    send("w0", 3)
    monitors.expect(**{name: [3, 0] for name in names})
    monitors.make("late", directions=["ingress"])
    with pytest.raises(HookFull, match="attach to 'w0' ingress: the kernel takes 63 programs there and no more"):
        monitors.attach("late", "w0")
    assert [] == monitors.states("late")
    monitors.attach("late", "w?")
    (status,) = monitors.registry.get("late").attachments.status()
    assert ("w0", "refused") == (status.port, status.state)
    assert "63 programs" in status.reason
    monitors.detach("m7", "w0")
    ip("link set w0 mtu 1400")
    eventually(lambda: monitors.states("late"), [("w0", "attached")])
    send("w0", 2)

    monitors.expect(late=[2, 0], m6=[5, 0], m7=[3, 0], m8=[5, 0])


@pytest.mark.usefixtures("no_leaks")
def test_a_thousand_interfaces_that_come_and_go_leave_nothing(monitors):
    """No descriptor, and so no link, and no memory; whether the monitor got to them or not."""
    monitors.make("m", directions=["ingress"])
    monitors.attach("m", "wc*")
    make("wc")
    both = ["wc", "wc-far"]
    eventually(lambda: attached(monitors, "m"), both)

    def churn(rounds: int) -> None:
        names = [f"wc{number}" for number in range(25)]
        for turn in range(rounds):
            ip(*(f"link add {name} group {CHURN} type veth peer name {name}-far" for name in names))
            if turn % 4 == 0:
                eventually(lambda: len(attached(monitors, "m")), 2 + 2 * len(names))
            ip(f"link del group {CHURN}")
        eventually(lambda: attached(monitors, "m"), both)
        gc.collect()

    churn(2)
    before, memory = len(open_descriptors()), resident()
    churn(20)

    eventually(lambda: len(open_descriptors()), before)
    assert resident() - memory < 4 << 20
    send("wc", 5)
    monitors.expect(m=[5, 0])


def grace_period_seconds() -> float:
    """How long one takes now."""
    count = 50
    with GracePeriod() as grace:
        grace.wait()
        began = time.monotonic()
        for _ in range(count):
            grace.wait()
        return (time.monotonic() - began) / count


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

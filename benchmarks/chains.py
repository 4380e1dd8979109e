"""What several cubes at XDP on one interface cost: the dispatcher for each packet, a change of the chain, other code.

The packet's figures compare with the same program alone, without a dispatcher; those of changes with the update of a
link, which takes a grace period of the kernel's own (see `benchmarks.switch`).
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.per_packet import seconds_per_packet
from benchmarks.switch import alone, clock, in_turns, seconds_to_first_packet
from dynmon.bpf import Program
from dynmon.bpf.owner import Owner
from dynmon.dataplane import Foundry
from dynmon.dataplane.dispatcher import Dispatcher
from dynmon.dataplane.xdp_chain import XdpChain, XdpMember
from dynmon.models import Direction, Hook
from dynmon.netdev import Located
from dynmon.trial import workbench
from tests.support import Veth, veth_pair
from tests.traffic import wire

EXAMPLE = "packet_counter"
CHAINS = (1, 2, 8)
MEMBERS = 3
PACKET_ROUNDS = 21
CHANGES = 100
SWITCHES = 300


def figures(scratch: Path) -> list[Figure]:
    """The two sides of each figure take turns, so both meet the same machine."""
    with workbench(scratch / "cache") as foundry, veth_pair() as veth, veth_pair() as other, ExitStack() as parts:
        programs = [parts.enter_context(alone(foundry, EXAMPLE, Hook.XDP)).program for _ in range(max(CHAINS))]
        packets = [_packet(foundry, programs[:members]) for members in CHAINS]
        first = _first_packet(foundry, veth)
        chain = parts.enter_context(_Chain(foundry, veth, programs))
        single = parts.enter_context(_Chain(foundry, other, programs, members=1))
        return [*packets, first, _slot(chain, single), _change(chain, single)]


def _packet(foundry: Foundry, programs: list[Program]) -> Figure:
    """A packet through as many cubes, and through the first of them alone."""
    ours, theirs = list[float](), list[float]()
    with Dispatcher.of(foundry, programs) as dispatcher:
        for _ in range(PACKET_ROUNDS + 1):
            ours.append(seconds_per_packet(dispatcher.program))
            theirs.append(seconds_per_packet(programs[0]))
    # The first turn warms caches and clocks.
    measured, one = median(ours[1:]), median(theirs[1:])
    cubes = f"{len(programs)} XDP cube{'s' * (len(programs) > 1)}"
    return Figure(f"packet, {cubes} by a dispatcher", measured, "ns", one, "one cube, directly")


class _Chain(Owner):
    """Members on an interface, the first of which runs one program or another."""

    def __init__(self, foundry: Foundry, veth: Veth, programs: list[Program], *, members: int = MEMBERS) -> None:
        self._chain = XdpChain(foundry, Located(socket.if_nametoindex(veth.host), None))
        self._port = veth.host
        self._copies = programs[:2]
        self.members = [self.join(program) for program in programs[:members]]

    def join(self, program: Program) -> XdpMember:
        """One more, behind the others."""
        return self._chain.join("cube", program, "drv", port=self._port, before=None)

    def update(self) -> None:
        """Let the first run other code."""
        self._copies.reverse()
        self.members[0].update(self._copies[0])

    def come_and_go(self) -> None:
        """Let one more be there for a moment."""
        self.join(self._copies[0]).close()

    def close(self) -> None:
        """Take all off."""
        for member in self.members:
            member.close()


def _first_packet(foundry: Foundry, veth: Veth) -> Figure:
    """From the call to the first packet that a member's other program meets, under flood."""
    with ExitStack() as parts:
        copies = [parts.enter_context(clock(foundry.loader, Hook.XDP)) for _ in range(2)]
        others = [parts.enter_context(alone(foundry, EXAMPLE, Hook.XDP)).program for _ in range(MEMBERS - 1)]
        chain = parts.enter_context(_Chain(foundry, veth, [copies[0].program, *others]))
        traffic = parts.enter_context(wire(foundry.loader, veth, Direction.INGRESS))
        with traffic.flood():
            times = [seconds_to_first_packet(chain.members[0], copies[number % 2]) for number in range(1, SWITCHES + 1)]
    return Figure(f"switch, one of {MEMBERS} XDP cubes, to the first packet", median(times), "us")


def _slot(chain: _Chain, single: _Chain) -> Figure:
    """A member is told to run other code, and so is a cube that is alone: an update of the link."""
    ours, theirs = in_turns(SWITCHES, chain.update, single.update)
    what = f"update, one of {MEMBERS} XDP cubes, to the end of the call"
    return Figure(what, ours, "us", theirs, "one that is alone")


def _change(chain: _Chain, single: _Chain) -> Figure:
    """One more cube comes to the chain and goes, against two updates of a link."""

    def update_twice() -> None:
        single.update()
        single.update()

    ours, theirs = in_turns(CHANGES, chain.come_and_go, update_twice)
    return Figure(f"a cube comes to {MEMBERS} at XDP and goes", ours, "ms", theirs, "two updates of an XDP link")

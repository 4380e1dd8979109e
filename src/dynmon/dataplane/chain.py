"""The order of cubes at one interface.

Index 0 is nearest the wire: a received packet meets it first, a sent packet meets it last. On the port of a cube, which
an interface is plugged into, index 0 is nearest the cube, so a packet that enters meets it last. The kernel keeps one
list of programs for each hook, in the order in which they run. A cube without code for a direction has a place in the
chain but no program in that list, so a new program goes before the next one, in running order, that has a link there.
At XDP the kernel has no such list; that one is ours, see `xdp_chain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dynmon.bpf import Link
from dynmon.dataplane.xdp_chain import XdpChain
from dynmon.errors import InvalidInputError
from dynmon.models import AttachRequest, Direction
from dynmon.netdev import Located


class Member(Protocol):
    """What a chain knows of a cube."""

    name: str

    def link(self, point: AttachPoint, direction: Direction) -> Link | None:
        """The link that holds the cube's program at the interface, if it has code for `direction`."""


class NotOnChain(InvalidInputError):
    """`before` or `after` names a cube that is not attached to the interface."""

    def __init__(self, name: str, interface: str, members: Sequence[str]) -> None:
        present = ", ".join(members) or "none"
        super().__init__(f"cube {name!r} is not attached to {interface!r}; cubes attached there: {present}")
        self.name = name
        self.interface = interface

    def fields(self) -> Mapping[str, str]:
        return {"cube": self.name, "interface": self.interface}


class Chain:
    """The cubes attached to one interface, or with `is_port` to the port of a cube, index 0 first."""

    def __init__(self, port: str, *, is_port: bool = False) -> None:
        self.port = port
        self.is_port = is_port
        self.members: list[Member] = []

    def index_for(self, request: AttachRequest) -> int:
        """Where the cube of `request` goes; without a position it goes last.

        Raises:
            NotOnChain: The neighbour that was asked for is not here.
        """
        if request.before is not None:
            return self._index_of(request.before)
        if request.after is not None:
            return self._index_of(request.after) + 1
        return 0 if request.position == "first" else len(self.members)

    def _index_of(self, name: str) -> int:
        names = [member.name for member in self.members]
        if name not in names:
            raise NotOnChain(name, self.port, names)
        return names.index(name)


class AttachPoint:
    """What is ours at one interface: its own chain and, where it is plugged into a cube, the chain of that port.

    `end` holds the program behind which received packets meet nobody: that of the port. `xdp` has what runs at
    XDP, from the first cube that comes to do so.
    """

    def __init__(self, located: Located, name: str) -> None:
        self.located = located
        self.at_wire = Chain(name)
        self.at_port: Chain | None = None
        self.end: Link | None = None
        self.xdp: XdpChain | None = None

    def running_order(self, direction: Direction) -> list[Member]:
        """The cubes here as packets of `direction` meet them."""
        inward = [*self.at_wire.members, *(self.at_port.members[::-1] if self.at_port else ())]
        return inward if direction is Direction.INGRESS else inward[::-1]

    def successor(self, member: Member, direction: Direction, *, at_xdp: bool = False) -> Link | None:
        """The link at tc whose program runs next after that of `member`, None when `member` runs last of ours.

        With `at_xdp` the link there: all programs at XDP run before those at tc.
        """
        running_order = self.running_order(direction)
        behind = running_order[running_order.index(member) + 1 :]
        links = (other.link(self, direction) for other in behind)
        end = self.end if direction is Direction.INGRESS and not at_xdp else None
        return next((link for link in links if link and (link.kind == "xdp") is at_xdp), end)

"""What can be wrong with the ports of cubes and what they are plugged into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynmon.errors import ConflictError, InvalidInputError, NotFoundError


class NoSuchPort(NotFoundError):
    """The cube has no port of this name."""

    def __init__(self, cube: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"port {name!r} of cube {cube!r} does not exist; it has: {', '.join(known) or 'none'}")
        self.cube = cube
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "port": self.name}


class PortExists(ConflictError):
    """The cube has a port of this name already."""

    def __init__(self, cube: str, name: str) -> None:
        super().__init__(f"port {name!r} of cube {cube!r} already exists")
        self.cube = cube
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "port": self.name}


class TooManyPorts(ConflictError):
    """The cube has all the ports that it can have."""

    def __init__(self, cube: str, most: int) -> None:
        super().__init__(f"cube {cube!r} has {most} ports, and cannot have more")


class InterfaceInUse(ConflictError):
    """An interface is the peer of one port at a time."""

    def __init__(self, interface: str, port: str) -> None:
        super().__init__(f"interface {interface!r} is already in use: it is the peer of {port!r}")
        self.interface = interface
        self.port = port

    def fields(self) -> Mapping[str, Any]:
        return {"interface": self.interface, "port": self.port}


class UnusablePeer(InvalidInputError):
    """What cannot be plugged into."""

    def __init__(self, port: str, peer: str, reason: str) -> None:
        super().__init__(f"plug {port!r} into {peer!r}: {reason}")
        self.port = port
        self.peer = peer

    def fields(self) -> Mapping[str, Any]:
        return {"port": self.port, "peer": self.peer}


class HasPeer(ConflictError):
    """A port has one peer at a time."""

    def __init__(self, port: str, peer: str) -> None:
        super().__init__(f"{port!r} already has a peer, {peer!r}; disconnect it first")
        self.port = port
        self.peer = peer

    def fields(self) -> Mapping[str, Any]:
        return {"port": self.port, "peer": self.peer}


class NotConnected(ConflictError):
    """Two ends that are not each other's peer cannot be parted."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one!r} is not connected to {other!r}")
        self.peers = (one, other)

    def fields(self) -> Mapping[str, Any]:
        return {"peers": list(self.peers)}


class NotAPort(InvalidInputError):
    """Neither end is the port of a cube."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"neither {one!r} nor {other!r} is a port of a cube, as br1:port1 is")


class AddressUnknown(NotFoundError):
    """The address is at no port, or was not seen for too long."""

    def __init__(self, cube: str, address: str) -> None:
        super().__init__(f"cube {cube!r} does not know where {address} is")
        self.cube = cube
        self.address = address

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "address": self.address}

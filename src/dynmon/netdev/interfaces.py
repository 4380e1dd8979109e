"""Network interfaces of the namespace that the calling thread is in, over netlink."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynmon.errors import NotFoundError

IFF_UP = 0x1
IFF_LOOPBACK = 0x8


class InterfaceNotFound(NotFoundError):
    """No network interface has this name, in the daemon's namespace or in the one that `where` tells about."""

    def __init__(self, name: str, where: str = "") -> None:
        super().__init__(f"interface {name!r} not found {where}".rstrip())
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"interface": self.name}


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as it was when we looked."""

    name: str
    index: int
    is_up: bool
    is_loopback: bool
    addresses: tuple[str, ...] = ()
    master: int | None = None  # the index of the bridge, bond, team or VRF that it is a port of


def find_interface(name: str) -> Interface:
    """The interface called `name`.

    Raises:
        InterfaceNotFound: There is none.
    """
    for interface in list_interfaces():
        if interface.name == name:
            return interface
    raise InterfaceNotFound(name)


def interface_index(name: str) -> int:
    """The ifindex of `name`.

    Raises:
        InterfaceNotFound: There is no such interface.
    """
    try:
        return socket.if_nametoindex(name)
    except (OSError, ValueError) as error:  # ValueError: a name that no C string can hold
        raise InterfaceNotFound(name) from error


def list_interfaces() -> list[Interface]:
    """Every interface, in the kernel's order, with its addresses as ``address/prefix``."""
    # Few daemons are ever asked for a list; the import takes an eighth of a second and 9 MB.
    from pyroute2 import IPRoute

    with IPRoute() as netlink:
        addresses: dict[int, list[str]] = {}
        for message in netlink.get_addr():
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            addresses.setdefault(message["index"], []).append(f"{text}/{message['prefixlen']}")
        return [
            Interface(
                name=message.get_attr("IFLA_IFNAME"),
                index=message["index"],
                is_up=bool(message["flags"] & IFF_UP),
                is_loopback=bool(message["flags"] & IFF_LOOPBACK),
                addresses=tuple(addresses.get(message["index"], ())),
                master=message.get_attr("IFLA_MASTER"),
            )
            for message in netlink.get_links()
        ]


def usable_interfaces() -> Iterator[Interface]:
    """The interfaces that are up and not the loopback."""
    return (interface for interface in list_interfaces() if interface.is_up and not interface.is_loopback)

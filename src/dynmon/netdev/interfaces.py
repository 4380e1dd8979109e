"""Network interfaces of the namespace that the calling thread is in, over netlink."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynmon.errors import KernelError, NotFoundError

IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_RUNNING = 0x40
IFF_NOARP = 0x80
ARPHRD_ETHER = 1
LONGEST = 65535  # the largest MTU
NO_ADDRESS = 1  # IN6_ADDR_GEN_MODE_NONE
# struct ifreq: the name, and a union of which we use a short.
IFREQ = struct.Struct("=16sH22x")
SIOCGIFFLAGS = 0x8913
SIOCGIFHWADDR = 0x8927
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_PROMISC = 1
MEMBERSHIP = struct.Struct("=iHH8x")  # struct packet_mreq


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


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """What can be asked quickly about one interface."""

    name: str
    is_running: bool
    is_loopback: bool
    is_ethernet: bool


def interface_state(index: int) -> InterfaceState | None:
    """The interface as it is now; None when it is gone. It runs when it is up and has a carrier."""
    try:
        name = socket.if_indextoname(index)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
            flags, hardware = (
                IFREQ.unpack(fcntl.ioctl(control, request, IFREQ.pack(name.encode(), 0)))[1]
                for request in (SIOCGIFFLAGS, SIOCGIFHWADDR)
            )
    except OSError:
        return None
    is_running = flags & IFF_UP and flags & IFF_RUNNING
    return InterfaceState(name, bool(is_running), bool(flags & IFF_LOOPBACK), hardware == ARPHRD_ETHER)


def make_veth(name: str, other: str) -> None:
    """Make two interfaces that are joined back to back, up and silent: the host sends nothing by them.

    Raises:
        KernelError: The kernel refused.
    """
    from pyroute2 import IPRoute, NetlinkError

    quiet = {"IFLA_AF_SPEC": {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", NO_ADDRESS)]})]}}
    try:
        with IPRoute() as netlink:
            netlink.link("add", ifname=name, kind="veth", mtu=LONGEST, peer={"ifname": other, "mtu": LONGEST})
            for each in (name, other):
                netlink.link("set", index=interface_index(each), **quiet)
                flags = IFF_UP | IFF_NOARP
                netlink.link("set", index=interface_index(each), flags=flags, change=flags)
    except NetlinkError as error:
        raise KernelError(f"make the interfaces {name!r} and {other!r}", OSError(error.code, str(error))) from error


def delete_interface(name: str) -> None:
    """Remove an interface; one that is gone already is fine.

    Raises:
        KernelError: The kernel refused.
    """
    from pyroute2 import IPRoute, NetlinkError

    try:
        with IPRoute() as netlink:
            netlink.link("del", index=interface_index(name))
    except InterfaceNotFound:
        return
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise KernelError(f"remove the interface {name!r}", OSError(error.code, str(error))) from error


class Promiscuity:
    """Lets an interface receive packets for any address while this is open; the kernel counts who wants that.

    It ends at the latest with the process.
    """

    def __init__(self, index: int, name: str) -> None:
        """Begin.

        Raises:
            InterfaceNotFound: There is no such interface.
            KernelError: The kernel refused: it takes CAP_NET_RAW.
        """
        try:
            # Protocol 0: no packet comes to this socket.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        except OSError as error:
            raise KernelError(f"receive all packets of {name!r} (needs CAP_NET_RAW)", error) from error
        try:
            wish = MEMBERSHIP.pack(index, PACKET_MR_PROMISC, 0)
            self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, wish)
        except OSError as error:
            self._socket.close()
            if error.errno == errno.ENODEV:
                raise InterfaceNotFound(name) from error
            raise KernelError(f"receive all packets of {name!r}", error) from error

    def __enter__(self) -> Promiscuity:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

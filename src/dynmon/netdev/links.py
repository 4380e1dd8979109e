"""What rtnetlink tells of the interfaces of the namespace that we are in: cheap for many, and the same in an event."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dynmon.netdev.rtnetlink import DUMP, LINK, ask, attributes

GET_LINK = 18
IFF_LOOPBACK = 0x8
IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_EXT_MASK = 3, 10, 18, 29
IFLA_INFO_KIND = 1
SKIP_STATISTICS = struct.pack("=HHI", 8, IFLA_EXT_MASK, 1 << 3)
AF_UNSPEC = 0


@dataclass(frozen=True, slots=True)
class NetLink:
    """An interface as the kernel told it."""

    index: int
    name: str
    kind: str  # veth, bridge, vlan …; "" for hardware
    master: int | None  # the index of the bridge, bond, team or VRF that it is a port of
    is_loopback: bool

    @classmethod
    def of(cls, body: bytes) -> NetLink | None:
        """The interface that a message is about; None when it is about a part of one (a bridge's port, a radio)."""
        family, _, index, flags, _ = LINK.unpack_from(body)
        facts = attributes(body[LINK.size :])
        if family != AF_UNSPEC or IFLA_IFNAME not in facts:
            return None
        kind = attributes(facts.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"")
        master = facts.get(IFLA_MASTER)
        return cls(
            index,
            _text(facts[IFLA_IFNAME]),
            _text(kind),
            struct.unpack("=I", master)[0] if master else None,
            bool(flags & IFF_LOOPBACK),
        )


def net_links() -> dict[int, NetLink]:
    """All interfaces by their number."""
    answers = ask(GET_LINK, DUMP, LINK.pack(AF_UNSPEC, 0, 0, 0, 0) + SKIP_STATISTICS)
    return {link.index: link for answer in answers if (link := NetLink.of(answer))}


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="surrogateescape")

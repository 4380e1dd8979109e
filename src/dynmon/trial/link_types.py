"""Packets of other link layers as Ethernet frames: addresses are zero, the ethertype says what follows.

Numbers are those of https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

Framer = Callable[[bytes], bytes]

ETHERNET_HEADER = 14
IPV4, IPV6 = 0x0800, 0x86DD
UNKNOWN = 0  # no ethertype is zero
BSD_FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}  # AF_INET6 has a number of its own in each system

LINK_TYPES = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP over HDLC",
    51: "PPP over Ethernet",
    101: "raw IP",
    105: "IEEE 802.11",
    108: "OpenBSD loopback",
    113: "Linux cooked",
    117: "OpenBSD packet filter log",
    119: "IEEE 802.11 with Prism header",
    127: "IEEE 802.11 with radiotap",
    147: "private use",
    187: "Bluetooth HCI",
    189: "USB",
    192: "per-packet information",
    195: "IEEE 802.15.4",
    201: "Bluetooth HCI",
    220: "USB",
    227: "CAN",
    228: "raw IPv4",
    229: "raw IPv6",
    239: "netfilter log",
    249: "USBPcap",
    253: "netlink",
    276: "Linux cooked v2",
}


def link_type_name(link_type: int) -> str:
    """What people call it."""
    return LINK_TYPES.get(link_type, "unknown here")


def _ethernet(data: bytes) -> bytes:
    return data


def _raw(data: bytes) -> bytes:
    return _frame(_by_version(data), data)


def _cooked(data: bytes) -> bytes:
    """Packet type, kind and length of the address, the address, the protocol: 16 bytes (LINKTYPE_LINUX_SLL)."""
    return _frame(_number(data, 14), data[16:]) if len(data) >= 16 else b""


def _cooked_v2(data: bytes) -> bytes:
    """The protocol first, then interface, kind, packet type and address: 20 bytes (LINKTYPE_LINUX_SLL2)."""
    return _frame(_number(data, 0), data[20:]) if len(data) >= 20 else b""


def _loopback(data: bytes) -> bytes:
    """The address family, in the byte order of whoever captured it."""
    if len(data) < 4:
        return b""
    families = (int.from_bytes(data[:4], order) for order in ("little", "big"))
    known = [BSD_FAMILIES[family] for family in families if family in BSD_FAMILIES]
    return _frame(known[0] if known else UNKNOWN, data[4:])


def _by_version(data: bytes) -> int:
    return {4: IPV4, 6: IPV6}.get(data[0] >> 4, UNKNOWN) if data else UNKNOWN


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")


def _frame(ethertype: int, payload: bytes) -> bytes:
    return bytes(12) + struct.pack("!H", ethertype) + payload


FRAMERS: dict[int, Framer] = {
    1: _ethernet,
    101: _raw,
    12: _raw,
    14: _raw,
    228: _raw,
    229: _raw,
    113: _cooked,
    276: _cooked_v2,
    0: _loopback,
    108: _loopback,
}

"""Build frames by hand: what a test sends is known to the last byte.

Headers compose from the outside in: ``ethernet(ipv4(udp(dns_query("example.org", A), dport=53)))``. A header that says
what follows takes a packet that knows its own number (`Payload.number`), so protocol fields cannot disagree with the
contents by accident; each can still be overridden to be wrong on purpose.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

MAC_A = bytes.fromhex("020000000a01")
MAC_B = bytes.fromhex("020000000b02")
IPV4_A, IPV4_B = "10.1.0.1", "10.1.0.2"
IPV6_A, IPV6_B = "fd00::1", "fd00::2"

ETH_IPV4, ETH_ARP, ETH_VLAN, ETH_IPV6, ETH_QINQ = 0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, NO_NEXT, DESTINATION = 0, 43, 44, 59, 60
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes, and the number by which the header in front of them announces them.

    ``checksum_at`` is where the checksum over the IP pseudo header goes, None where there is none.
    """

    data: bytes
    number: int
    checksum_at: int | None = None


def ethernet(
    payload: Payload, *, source: bytes = MAC_A, destination: bytes = MAC_B, ethertype: int | None = None
) -> bytes:
    """The frame that goes on the wire (without its check sequence)."""
    number = payload.number if ethertype is None else ethertype
    return destination + source + struct.pack("!H", number) + payload.data


def vlan(payload: Payload, identifier: int = 7, *, tag: int = ETH_VLAN) -> Payload:
    """An 802.1Q tag in front of `payload`; with ``tag=ETH_QINQ`` the outer tag of 802.1ad."""
    return Payload(struct.pack("!HH", identifier, payload.number) + payload.data, tag)


def arp(*, sender: str = IPV4_A, target: str = IPV4_B) -> Payload:
    """A question who has `target`."""
    header = struct.pack("!HHBBH", 1, ETH_IPV4, 6, 4, 1)
    return Payload(header + MAC_A + _packed(sender) + bytes(6) + _packed(target), ETH_ARP)


def ipv4(
    payload: Payload,
    *,
    source: str = IPV4_A,
    destination: str = IPV4_B,
    options: bytes = b"",
    fragment_offset: int = 0,
    more_fragments: bool = False,
    protocol: int | None = None,
) -> Payload:
    """An IPv4 packet; `options` is padded to whole words, `fragment_offset` counts bytes."""
    options += bytes(-len(options) % 4)
    number = payload.number if protocol is None else protocol
    data = _with_checksum(payload, _packed(source), _packed(destination), number)
    fields = (0x2000 if more_fragments else 0) | fragment_offset // 8
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | (5 + len(options) // 4),
        0,
        20 + len(options) + len(data),
        0x1234,
        fields,
        64,
        number,
        0,
        _packed(source),
        _packed(destination),
    )
    checksum = struct.pack("!H", internet_checksum(header + options))
    return Payload(header[:10] + checksum + header[12:] + options + data, ETH_IPV4)


def ipv6(
    payload: Payload,
    *,
    source: str = IPV6_A,
    destination: str = IPV6_B,
    extensions: tuple[Payload, ...] = (),
) -> Payload:
    """An IPv6 packet; `extensions` are made with `extension` and `ipv6_fragment`, outermost first.

    The number of an extension is its own; the chain of next-header fields is filled in here.
    """
    data = _with_checksum(payload, _packed(source), _packed(destination), payload.number)
    number = payload.number
    for header in reversed(extensions):
        data = bytes([number]) + header.data[1:] + data
        number = header.number
    fixed = struct.pack("!IHBB", 0x60000000, len(data), number, 64)
    return Payload(fixed + _packed(source) + _packed(destination) + data, ETH_IPV6)


def extension(number: int, size: int = 8) -> Payload:
    """A hop-by-hop, routing or destination-options header of `size` bytes (a multiple of eight) of padding."""
    padding = bytes([1, size - 4]) + bytes(size - 4)
    return Payload(bytes([0, size // 8 - 1]) + padding, number)


def ipv6_fragment(offset: int = 0, *, more: bool = False) -> Payload:
    """A fragment header; `offset` counts bytes."""
    return Payload(struct.pack("!BBHI", 0, 0, offset & ~7 | more, 0x1234), FRAGMENT)


def udp(data: bytes = b"", *, sport: int = 40000, dport: int = 9) -> Payload:
    """A UDP datagram."""
    return Payload(struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data, UDP, checksum_at=6)


def tcp(flags: int, data: bytes = b"", *, sport: int = 40000, dport: int = 80) -> Payload:
    """A TCP segment with `flags` (`SYN | ACK`) and no options."""
    return Payload(
        struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, flags, 65535, 0, 0) + data, TCP, checksum_at=16
    )


def icmp_echo(data: bytes = b"ping") -> Payload:
    """An ICMP echo request."""
    message = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + data
    return Payload(message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:], ICMP)


def icmpv6_echo(data: bytes = b"ping") -> Payload:
    """An ICMPv6 echo request."""
    return Payload(struct.pack("!BBHHH", 128, 0, 0, 1, 1) + data, ICMPV6, checksum_at=2)


def raw(data: bytes, number: int) -> Payload:
    """Any bytes, announced as `number`."""
    return Payload(data, number)


def dns_name(name: str) -> bytes:
    """A domain name as labels behind their lengths."""
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def dns_query(name: str, query_type: int, *, response: bool = False, opcode: int = 0, questions: int = 1) -> bytes:
    """A DNS message with one question (whatever `questions` claims) of class IN."""
    flags = (0x8000 if response else 0) | opcode << 11 | 0x0100
    header = struct.pack("!HHHHHH", 0xBEEF, flags, questions, 0, 0, 0)
    return header + dns_name(name) + struct.pack("!HH", query_type, 1)


def ntp(mode: int, *, version: int = 4) -> bytes:
    """An NTP message of 48 bytes in `mode` 1 to 5."""
    return bytes([version << 3 | mode]) + bytes(47)


def ntp_private(*, response: bool = False, items: int = 0) -> bytes:
    """A mode 7 message of ntpd: a monlist request, or a response with `items` entries of 72 bytes."""
    first = (0x80 if response else 0) | 2 << 3 | 7
    return struct.pack("!BBBBHH", first, 0, 3, 42, items, 72) + bytes(72 * items)


def internet_checksum(data: bytes) -> int:
    """The ones' complement sum of RFC 1071."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _with_checksum(payload: Payload, source: bytes, destination: bytes, number: int) -> bytes:
    if payload.checksum_at is None:
        return payload.data
    size = struct.pack("!I", len(payload.data))
    pseudo_header = source + destination + size + bytes([0, 0, 0, number])
    # A computed zero travels as all ones: in UDP, zero says that there is no checksum.
    checksum = internet_checksum(pseudo_header + payload.data) or 0xFFFF
    at = payload.checksum_at
    return payload.data[:at] + struct.pack("!H", checksum) + payload.data[at + 2 :]

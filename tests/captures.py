"""Capture files made by hand, of packets that are known to the last byte, with what a right count of them is.

A `Packet` says which counters of our examples it moves. `carried` puts one datagram into everything that an example
looks behind: VLAN tags, options, extension headers, first fragments. `hidden` puts the same bytes where they are not
what they look like: later fragments, other protocols, frames cut short.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from tests import packets as p
from tests.packets import ACK, FIN, PSH, RST, SYN, ethernet, ipv4, ipv6, tcp, udp, vlan

LINKTYPE_ETHERNET = 1
SNAPLEN = 65535
FIRST_NS = 1_700_000_000_123_456_789
STEP_NS = 1_000_003
PCAP_MICROSECONDS, PCAP_NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
SECTION_HEADER, INTERFACE_DESCRIPTION, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 3, 6
OPTION_TIMESTAMP_RESOLUTION = 9
TIME_EXCEEDED = 11
TCP, UDP, ICMP, NO_IP = (f"{name}_packets_total" for name in ("tcp", "udp", "icmp", "non_ip"))
PROTOCOLS = {p.TCP: TCP, p.UDP: UDP}
MIN_WHOLE = 14 + 20 + 8


@dataclass(frozen=True)
class Packet:
    """A captured frame; `counts` are the counters it moves by one, `length` what it had on the wire."""

    frame: bytes
    counts: tuple[str, ...] = ()
    length: int = 0

    @property
    def wire_length(self) -> int:
        return self.length or len(self.frame)


def expected(packets: Iterable[Packet], names: Iterable[str]) -> dict[str, int]:
    """What each counter in `names` is after all of `packets`."""
    found = Counter(name for packet in packets for name in packet.counts)
    return {name: found[name] for name in names}


def pcap(packets: Iterable[Packet], *, order: str, nanoseconds: bool) -> bytes:
    """A file of libpcap's own format."""
    magic = PCAP_NANOSECONDS if nanoseconds else PCAP_MICROSECONDS
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, SNAPLEN, LINKTYPE_ETHERNET)]
    for packet, moment in zip(packets, _moments(), strict=False):
        seconds, rest = divmod(moment, 10**9)
        fraction = rest if nanoseconds else rest // 1000
        parts.append(struct.pack(f"{order}IIII", seconds, fraction, len(packet.frame), packet.wire_length))
        parts.append(packet.frame)
    return b"".join(parts)


def pcapng(packets: Iterable[Packet], *, order: str, nanoseconds: bool) -> bytes:
    """A file of pcapng with one section and one interface; every seventh packet is in a simple block."""
    resolution = struct.pack(f"{order}HHB3x", OPTION_TIMESTAMP_RESOLUTION, 1, 9) if nanoseconds else b""
    parts = [
        _block(order, SECTION_HEADER, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(
            order,
            INTERFACE_DESCRIPTION,
            struct.pack(f"{order}HHI", LINKTYPE_ETHERNET, 0, SNAPLEN) + resolution + bytes(4),
        ),
    ]
    for number, (packet, moment) in enumerate(zip(packets, _moments(), strict=False)):
        if number % 7 == 6 and packet.wire_length == len(packet.frame):
            body = struct.pack(f"{order}I", packet.wire_length)
            parts.append(_block(order, SIMPLE_PACKET, body + packet.frame))
            continue
        high, low = divmod(moment if nanoseconds else moment // 1000, 1 << 32)
        body = struct.pack(f"{order}IIIII", 0, high, low, len(packet.frame), packet.wire_length)
        parts.append(_block(order, ENHANCED_PACKET, body + packet.frame))
    return b"".join(parts)


FORMATS: dict[str, Callable[[Iterable[Packet]], bytes]] = {
    f"{kind.__name__}-{name}-{'ns' if nanoseconds else 'us'}": partial(kind, order=order, nanoseconds=nanoseconds)
    for kind in (pcap, pcapng)
    for name, order in (("little", "<"), ("big", ">"))
    for nanoseconds in (False, True)
}


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + size + body + size


def _moments() -> Iterator[int]:
    moment = FIRST_NS
    while True:
        yield moment
        moment += STEP_NS


def carried(payload: p.Payload, *counts: str) -> list[Packet]:
    """`payload` wherever our examples find it."""
    hop, routing, destination = (p.extension(number) for number in (p.HOP_BY_HOP, p.ROUTING, p.DESTINATION))
    networks = [
        ipv4(payload),
        ipv4(payload, options=b"\x01" * 4),
        ipv4(payload, options=b"\x01" * 40),
        ipv4(payload, more_fragments=True),
        ipv6(payload),
        ipv6(payload, extensions=(hop,)),
        ipv6(payload, extensions=(hop, p.extension(p.DESTINATION, 24), routing, destination)),
        ipv6(payload, extensions=(p.ipv6_fragment(0),)),
        ipv6(payload, extensions=(destination, p.ipv6_fragment(0, more=True))),
    ]
    tagged = [
        vlan(networks[0]),
        vlan(networks[1], 4094),
        vlan(networks[6], 0),
        vlan(vlan(networks[0], 5), 100, tag=p.ETH_QINQ),
        vlan(vlan(networks[8], 5), 100),
    ]
    counts = (*counts, PROTOCOLS[payload.number])
    return [Packet(ethernet(network), counts) for network in networks + tagged]


def hidden(payload: p.Payload) -> list[Packet]:
    """The bytes of `payload` where they mean something else, or where too few are left."""
    rest = p.raw(payload.data, payload.number)
    beginning = p.raw(payload.data[:7], payload.number)
    whole = ethernet(ipv4(payload))
    frames = {
        PROTOCOLS[payload.number]: [
            ethernet(ipv4(rest, fragment_offset=8, more_fragments=True)),
            ethernet(ipv4(rest, fragment_offset=1480)),
            ethernet(vlan(ipv4(rest, fragment_offset=64, options=b"\x01" * 8))),
            ethernet(ipv6(rest, extensions=(p.ipv6_fragment(8, more=True),))),
            ethernet(vlan(ipv6(rest, extensions=(p.extension(p.HOP_BY_HOP), p.ipv6_fragment(2048))))),
            ethernet(ipv4(beginning)),
            ethernet(ipv6(beginning)),
            whole[: 14 + 20 + 7],
        ],
        ICMP: [ethernet(ipv4(rest, protocol=p.ICMP)), ethernet(ipv4(p.raw(_time_exceeded(ipv4(payload)), p.ICMP)))],
        NO_IP: [
            ethernet(ipv4(payload), ethertype=0x88B5),
            ethernet(vlan(ipv4(payload)))[: 14 + 4 + 6],
            ethernet(vlan(ipv6(payload)))[: 14 + 4 + 22],
        ],
    }
    # What the capture cut short was longer on the wire.
    return [
        Packet(frame, (count,), length=len(frame) + 200 if len(frame) < MIN_WHOLE else 0)
        for count, group in frames.items()
        for frame in group
    ]


def _time_exceeded(packet: p.Payload) -> bytes:
    message = struct.pack("!BBHI", TIME_EXCEEDED, 0, 0, 0) + packet.data
    return message[:2] + struct.pack("!H", p.internet_checksum(message)) + message[4:]


DNS_TYPES = {"a": 1, "ptr": 12, "mx": 15, "txt": 16, "aaaa": 28, "srv": 33, "https": 65, "any": 255, "other": 48}


def dns_traffic() -> list[Packet]:
    """Queries of every type, in everything; answers, updates, other ports and TCP, which are not counted."""
    found: list[Packet] = []
    for number, (name, query_type) in enumerate(DNS_TYPES.items()):
        query = udp(p.dns_query(f"host{number}.example.org", query_type), sport=40000 + number, dport=53)
        found += carried(query, f"dns_{name}_queries_total")
    query = p.dns_query("www.example.org", 1)
    answer = p.dns_query("www.example.org", 1, response=True)
    found += carried(udp(query, sport=53, dport=53), "dns_a_queries_total")
    found += carried(udp(query[:-3], dport=53), "dns_malformed_queries_total")
    others = [
        udp(answer, sport=53),
        udp(answer, dport=53),
        udp(query, sport=53),
        udp(query, dport=5353),
        udp(query, dport=54),
        udp(p.dns_query("www.example.org", 6, opcode=5), dport=53),
        udp(query[:11], dport=53),
        udp(dport=53),
        tcp(PSH | ACK, struct.pack("!H", len(query)) + query, dport=53),
        tcp(SYN, dport=53),
    ]
    for payload in others:
        found += carried(payload)
    return found + hidden(udp(query, dport=53))


def ntp_traffic() -> list[Packet]:
    """Requests of clients, mode 7 both ways and other modes, in everything."""
    private, answer = p.ntp_private(), p.ntp_private(response=True, items=6)
    counted = [
        (udp(p.ntp(3), dport=123), "ntp_requests_total"),
        (udp(p.ntp(3, version=3), sport=123, dport=123), "ntp_requests_total"),
        (udp(p.ntp(4), sport=123), None),
        (udp(p.ntp(3), sport=123), None),
        (udp(p.ntp(4), dport=123), None),
        (udp(p.ntp(5), sport=123, dport=123), None),
        (udp(private, dport=123), "ntp_private_requests_total"),
        (udp(answer, sport=123), "ntp_private_responses_total"),
    ]
    found: list[Packet] = []
    for payload, name in counted:
        found += carried(payload, *filter(None, ("ntp_packets_total", name)))
    for payload in (udp(p.ntp(3), dport=124), udp(b"", dport=123), tcp(SYN, dport=123)):
        found += carried(payload)
    return found + hidden(udp(p.ntp(3), dport=123))


def tcp_traffic() -> list[Packet]:
    """Connections asked for, accepted, closed and refused, in everything."""
    counted = {
        SYN: ("tcp_syn_total",),
        SYN | ACK: ("tcp_syn_ack_total",),
        SYN | FIN: ("tcp_syn_total", "tcp_fin_total"),
        ACK: (),
        FIN | ACK: ("tcp_fin_total",),
        RST: ("tcp_rst_total",),
        RST | ACK: ("tcp_rst_total",),
        FIN | RST: ("tcp_fin_total", "tcp_rst_total"),
        PSH | ACK: (),
        0: (),
    }
    found: list[Packet] = []
    for number, (flags, names) in enumerate(counted.items()):
        found += carried(tcp(flags, sport=41000 + number), *names)
    found += carried(udp(tcp(SYN).data))
    return found + hidden(tcp(SYN))

"""The big ones: a load balancer for layer 4 and the agent of a flow exporter."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from tests import packets as p
from tests.kernel.third_party.cases import Case, number, of_map, only, over_cpus, size, swapped
from tests.packets import ACK, FIN, SYN, ethernet, ipv4, ipv6, tcp, udp

IPV4_MAPPED = [0] * 10 + [0xFF, 0xFF]

# The load balancer: two virtual addresses over IPv4, one of them for QUIC, and one over IPv6.
VIP, QUIC_VIP, VIP6 = "10.200.1.1", "10.200.1.2", "fd00::200"
WORDS6 = list(struct.unpack("<4I", ipaddress.ip_address(VIP6).packed))


def to_vip(flags: int, sport: int) -> bytes:
    return ethernet(ipv4(tcp(flags, sport=sport), destination=VIP))


FIRST_FLOW = [to_vip(flags, 4001) for flags in (SYN, SYN, ACK, ACK, ACK)]
SECOND_FLOW = [to_vip(ACK, 4002)] * 2
QUIC_KNOWN = ethernet(
    ipv4(udp(bytes([0xC0, 0, 0, 0, 1, 8, 0x40, 0, 0x40]) + bytes(20), dport=443), destination=QUIC_VIP)
)
QUIC_UNKNOWN = ethernet(ipv4(udp(bytes([0x40]) + bytes(20), dport=443), destination=QUIC_VIP))
OVER_IPV6 = [ethernet(ipv6(tcp(ACK, dport=80), destination=VIP6))] * 3
TOO_BIG = ethernet(ipv4(p.raw(bytes([3, 4]) + bytes(30), p.ICMP)))
NOT_BALANCED = [
    ethernet(ipv4(tcp(SYN, dport=81), destination=VIP)),
    ethernet(ipv4(tcp(SYN), destination=VIP, options=b"\x01" * 4)),
    ethernet(ipv4(udp(b"x" * 16), destination=QUIC_VIP, more_fragments=True)),
    ethernet(ipv4(p.icmp_echo())),
    ethernet(p.arp()),
]
TCP_VIP_FRAMES = FIRST_FLOW + SECOND_FLOW
QUIC_FRAMES = [QUIC_KNOWN, *[QUIC_UNKNOWN] * 2]


def lb_stats(packets: int, byte_count: int) -> dict[str, int]:
    return {"v1": packets, "v2": byte_count}


def vip(address: list[int], port: int, proto: int, number_: int, flags: int) -> dict[str, Any]:
    key = {"vipv6": address + [0] * (4 - len(address)), "port": swapped(port), "proto": proto}
    return {"key": key, "value": {"flags": flags, "vip_num": number_}}


LOAD_BALANCER = Case(
    "l4_load_balancer.c",
    {
        "stats": of_map(
            "stats",
            {
                0: lb_stats(7, size(*TCP_VIP_FRAMES)),
                1: lb_stats(3, size(*QUIC_FRAMES)),
                2: lb_stats(3, size(*OVER_IPV6)),
                512: lb_stats(2 + 1 + 1 + 3, 0),
                513: lb_stats(2, 1 + 1 + 3),
                514: lb_stats(2, 1),
                516: lb_stats(1, 0),
            },
            over_cpus,
        ),
        "reals_stats": of_map(
            "reals_stats",
            {
                0: lb_stats(12, size(*TCP_VIP_FRAMES, *QUIC_FRAMES, *OVER_IPV6) - len(QUIC_KNOWN)),
                5: lb_stats(1, len(QUIC_KNOWN)),
            },
            over_cpus,
        ),
        "vips": of_map("vip_map", [(0, 0), (1, 4), (2, 2)], lambda read: sorted(_vip_values(read))),
        "connections": of_map("fallback_cache", 3, len),
        "first_real": of_map("reals", number("10.50.0.1"), lambda read: read[0]["dst"]),
    },
    [*TCP_VIP_FRAMES, *QUIC_FRAMES, *OVER_IPV6, TOO_BIG, *NOT_BALANCED],
    {
        "map-sizes": {"ch_rings": 3 * 65537, "reals": 16, "lru_mapping": 2},
        "initial-entries": {
            "vip_map": [
                vip([number(VIP)], 80, p.TCP, 0, 0),
                vip([number(QUIC_VIP)], 443, p.UDP, 1, 4),
                vip(WORDS6, 0, p.TCP, 2, 2),
            ],
            "reals": [{"dst": number("10.50.0.1")}, {"dstv6": WORDS6, "flags": 1}],
            "server_id_map": [0, 5],
        },
    },
    cube_type="XDP_SKB",
)


def _vip_values(read: list[Any]) -> list[tuple[int, int]]:
    return [(entry["value"]["vip_num"], entry["value"]["flags"]) for entry in read]


# The flow exporter: three conversations, of which a table of one entry loses two.
TCP_FLOW = [ethernet(ipv4(tcp(flags, sport=5001, dport=443))) for flags in (SYN, ACK, FIN | ACK)]
DNS_FLOW = [ethernet(ipv4(udp(p.dns_query("example.org", 1), sport=5002, dport=53)))]
DNS_FLOW6 = [ethernet(ipv6(udp(p.dns_query("example.org", 28), sport=5003, dport=53)))]
FLOW_FRAMES = [*TCP_FLOW, *DNS_FLOW, *DNS_FLOW6]


def flow_key(version: int, sport: int, dport: int, protocol: int) -> tuple[Any, ...]:
    if version == 4:
        ends = [(*IPV4_MAPPED, *ipaddress.ip_address(end).packed) for end in (p.IPV4_A, p.IPV4_B)]
    else:
        ends = [tuple(ipaddress.ip_address(end).packed) for end in (p.IPV6_A, p.IPV6_B)]
    return (*ends, sport, dport, protocol, 0, 0)


def flow_value(direction: int, frames: list[bytes], flags: int, ethertype: int) -> tuple[Any, ...]:
    return len(frames), size(*frames), flags, ethertype, tuple(p.MAC_A), tuple(p.MAC_B), 1, direction


FLOW_FIELDS = ("packets", "bytes", "flags", "eth_protocol", "src_mac", "dst_mac", "sampling", "direction_first_seen")


def exporter_case(direction: str, program: str, note: str) -> Case:
    number_ = ["ingress", "egress"].index(direction)
    flows = {
        flow_key(4, 5001, 443, p.TCP): flow_value(number_, TCP_FLOW, 0x13, p.ETH_IPV4),
        flow_key(4, 5002, 53, p.UDP): flow_value(number_, DNS_FLOW, 0, p.ETH_IPV4),
        flow_key(6, 5003, 53, p.UDP): flow_value(number_, DNS_FLOW6, 0, p.ETH_IPV6),
    }
    counters = {"0": 0, "1": 0, "2": 1, "3": 0, "4": 0, "5": 5}
    return Case(
        "flow_exporter.c",
        {
            "flows": of_map("aggregated_flows", flows, only(*FLOW_FIELDS)),
            "counters": of_map("global_counters", {2: 1, 5: 5}, over_cpus, samples=counters),
            "dns": of_map("dns_flows", 2, len),
        },
        [*FLOW_FRAMES, ethernet(p.arp())],
        {
            "program": program,
            "map-sizes": {"aggregated_flows": 5000, "packet_drops": 100, "dns_flows": 100, "direct_flows": 1 << 16},
            "constants": {"sampling": 1, "enable_dns_tracking": 1, "dns_port": 53, "trace_messages": 0},
        },
        direction=direction,
        note=note,
    )


FLOW_EXPORTERS = [
    exporter_case("ingress", "ingress_flow_parse", "tc"),
    exporter_case("ingress", "tcx_ingress_flow_parse", "tcx"),
    exporter_case("egress", "tcx_egress_flow_parse", "tcx-egress"),
    Case(
        "flow_exporter.c",
        {
            "flows": of_map("aggregated_flows", 1, len),
            "counters": of_map("global_counters", {0: 2, 5: 5}, over_cpus),
        },
        FLOW_FRAMES,
        {
            "program": "ingress_flow_parse",
            "map-sizes": {"aggregated_flows": 1, "direct_flows": 4096, "dns_flows": 1},
            "constants": {"sampling": 1, "trace_messages": 1},
        },
        note="full",
    ),
]

APPLIANCES = [LOAD_BALANCER, *FLOW_EXPORTERS]

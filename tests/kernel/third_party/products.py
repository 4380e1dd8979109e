"""Programs as products have them: a balancer, an exporter, a filter, a datapath."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from tests import packets as p
from tests.kernel.third_party.cases import (
    MIXED,
    TCP_FRAME,
    UDP6_FRAME,
    UDP_FRAME,
    Case,
    by_key,
    number,
    of_map,
    of_variable,
    only,
    over_cpus,
    size,
    swapped,
)
from tests.packets import ACK, FIN, RST, SYN, ethernet, ipv4, ipv6, tcp, udp

HOUR_NS = 3600 * 10**9
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

# The filter: what is listed, and what is above an allowance that never grows again.
LISTED = [ethernet(ipv4(udp(), source="10.66.0.5")), ethernet(ipv4(udp(), source="10.66.0.6"))]
LISTED6 = [ethernet(ipv6(udp(), source="fd66::1"))]
PREFIX6 = list(ipaddress.ip_address("fd66::").packed)
FILTER_COUNTS = {"REASON_PASSED": 3 + 1 + 1, "REASON_BLACKLIST_V4": 2, "REASON_BLACKLIST_V6": 1, "REASON_RATE": 2}
DROPPER = Case(
    "ddos_dropper.c",
    {
        "verdicts": of_map("verdict_cnt", FILTER_COUNTS, over_cpus, samples={"0": 5, "1": 2, "2": 1, "3": 2}),
        "buckets": of_map("buckets", {number(p.IPV4_A): (0, 2)}, only("tokens", "dropped")),
        "listed": of_map("blacklist_v4", {(24, (10, 66, 0, 0)): 2, (8, (99, 0, 0, 0)): 0}, by_key),
        "listed6": of_map("blacklist_v6", [1], lambda read: [entry["value"] for entry in read]),
    },
    [*LISTED, *LISTED6, *[UDP_FRAME] * 5, UDP6_FRAME, ethernet(p.arp())],
    {
        "map-sizes": {"buckets": 1024},
        "constants": {"cfg": {"tokens_per_second": 0, "burst": 3, "enforce": 1}},
        "initial-entries": {
            "blacklist_v4": [
                {"key": {"prefixlen": 24, "addr": [10, 66, 0, 0]}, "value": 0},
                {"key": {"prefixlen": 8, "addr": [99, 0, 0, 0]}, "value": 0},
            ],
            "blacklist_v6": [{"key": {"prefixlen": 16, "addr": {"in6_u": {"u6_addr8": PREFIX6}}}, "value": 0}],
        },
    },
    cube_type="XDP_SKB",
)

# The limit on SYNs: its table has no size of its own, and its counters are global variables.
SYN_LIMIT = Case(
    "syn_limit.c",
    {
        "windows": of_map("windows", {80: (5, 2), 443: (2, 0)}, only("syns", "refused")),
        "syns": of_variable("syns", [11], samples={"": 11}),
        "refused": of_variable("refused", [2], samples={"": 2}),
        "last_source": of_variable("last_source", [number(p.IPV4_A)]),
        "all": of_map(".bss", [11, 2, 2], lambda read: [read[0][name] for name in ("syns", "refused", "cookies")]),
    },
    [
        *[ethernet(ipv4(tcp(SYN, dport=80)))] * 5,
        *[ethernet(ipv4(tcp(SYN, dport=443)))] * 2,
        *[ethernet(ipv4(tcp(SYN, dport=22)))] * 4,
        ethernet(ipv4(tcp(SYN | ACK, dport=80))),
        *MIXED,
    ],
    {
        "map-sizes": {"windows": 64},
        "constants": {
            "max_syn_per_window": 3,
            "window_ns": HOUR_NS,
            "make_cookies": True,
            "allowed_ports": [22, 2222, 1, 1, 1, 1, 1, 1],
        },
    },
    cube_type="XDP_SKB",
)


def dns_key(name: str, query_type: int) -> tuple[Any, ...]:
    text = "".join(f".{label}" for label in name.split(".")).encode()
    return query_type, 1, tuple(text + bytes(64 - len(text)))


def dns_frame(name: str, query_type: int, **more: Any) -> bytes:
    return ethernet(ipv4(udp(p.dns_query(name, query_type, **more), dport=53)))


DNS_NAMES = Case(
    "dns_names.c",
    {
        "queries": of_map(
            "queries", {dns_key("example.org", 1): 3, dns_key("example.org", 28): 1, dns_key("a.b.c.de", 16): 1}, by_key
        )
    },
    [
        *[dns_frame("example.org", 1)] * 3,
        dns_frame("example.org", 28),
        dns_frame("a.b.c.de", 16),
        dns_frame("example.org", 1, response=True),
        dns_frame("x" * 63 + ".org", 1),
        *MIXED,
    ],
)

# The connection tracker: both ways in one entry, behind a lock; the timer is armed and never fires.
OUT = [ethernet(ipv4(tcp(flags, sport=6001, dport=80))) for flags in (SYN, ACK, FIN | ACK)]
BACK = [
    ethernet(ipv4(tcp(SYN | ACK, sport=80, dport=6001), source=p.IPV4_B, destination=p.IPV4_A)),
]
REFUSED = [ethernet(ipv4(tcp(RST, sport=6002, dport=80)))]


def connection(sport: int) -> tuple[Any, ...]:
    return (number(p.IPV4_A), number(p.IPV4_B)), (swapped(sport), swapped(80)), p.TCP, (0, 0, 0)


CONNTRACK = Case(
    "conntrack.c",
    {
        "connections": of_map(
            "conntrack",
            {
                connection(6001): ("CT_CLOSING", (3, 1), (size(*OUT), size(*BACK))),
                connection(6002): ("CT_CLOSED", (1, 0), (size(*REFUSED), 0)),
            },
            only("state", "packets", "bytes"),
        ),
        "armed": of_map("gc", [1], lambda read: [value["armed"] for value in read]),
        "sweeps": of_variable("sweeps", [0], samples={"": 0}),
        "ignored": of_variable("ignored", [2], samples={"": 2}),
    },
    [OUT[0], *BACK, *OUT[1:], *REFUSED, UDP_FRAME, UDP6_FRAME],
)

# The datapath: numbered sections behind a table that the loader fills, globals in every section.
FORWARDED, UNKNOWN, MISSED = 0, 3, 140


def metrics_key(reason: int) -> tuple[int, ...]:
    return reason, 1, 0, 0, 0, (0, 0, 0)


def metrics_value(*frames: bytes) -> dict[str, int]:
    return {"count": len(frames), "bytes": size(*frames)}


LOCAL_FRAME = ethernet(ipv4(udp(b"local"), destination="10.7.0.7"))
DATAPATH = Case(
    "datapath.c",
    {
        "metrics": of_map(
            "like_metrics",
            {
                metrics_key(FORWARDED): metrics_value(LOCAL_FRAME, UDP6_FRAME),
                metrics_key(UNKNOWN): metrics_value(UDP_FRAME, TCP_FRAME),
                metrics_key(MISSED): metrics_value(ethernet(p.arp())),
            },
            over_cpus,
        ),
        "endpoints": of_map("like_lxc", [{"ifindex": 3, "lxc_id": 9, "flags": 0}], lambda r: [r[0]["value"]]),
        "packets": of_variable("pkts", [1005], samples={"": 1005}),
        "bytes": of_variable("bytes_by_family", [[1 + size(UDP_FRAME, TCP_FRAME, LOCAL_FRAME), 1 + len(UDP6_FRAME)]]),
        "new_kernel": of_variable("saw_new_kernel", [True]),
        "endpoint": of_variable("endpoint_id", [42]),
    },
    [UDP_FRAME, TCP_FRAME, LOCAL_FRAME, UDP6_FRAME, ethernet(p.arp())],
    {
        "constants": {"endpoint_id": 42},
        "initial-entries": {
            "like_calls": [{"key": 7, "value": "tail_handle_ipv4"}, {"key": 10, "value": "tail_handle_ipv6"}],
            "like_lxc": [
                {"key": {"ip4": number("10.7.0.7"), "family": 1}, "value": {"ifindex": 3, "lxc_id": 9}},
            ],
        },
    },
)


def histogram(*frames: bytes) -> dict[str, Any]:
    slots = [0] * 12
    for frame in frames:
        slots[len(frame).bit_length() - 1] += 1
    return {"used": 1, "slots": slots, "sum": size(*frames), "smallest": min(map(len, frames))}


BIG = [ethernet(ipv4(udp(bytes(length)))) for length in (100, 600, 1400)]
HISTOGRAM = Case(
    "histogram.c",
    {
        "hists": of_map(
            "hists",
            {
                (p.UDP, p.ETH_IPV4): histogram(UDP_FRAME, *BIG),
                (p.TCP, p.ETH_IPV4): histogram(TCP_FRAME),
                (0, p.ETH_IPV6): histogram(UDP6_FRAME),
            },
            by_key,
        )
    },
    [UDP_FRAME, *BIG, TCP_FRAME, UDP6_FRAME],
)


def event(frame: bytes) -> dict[str, int]:
    return {
        "saddr": int.from_bytes(frame[26:30], "little"),
        "length": len(frame) - 14,
        "protocol": frame[23],
    }


OTHER_SOURCE = ethernet(ipv4(udp(), source="10.1.0.9"))
IPV4_FRAMES = [UDP_FRAME, OTHER_SOURCE, TCP_FRAME, UDP_FRAME]
MODERN = Case(
    "modern.c",
    {
        "sums": of_variable(
            "sums",
            [{"packets": 4, "first_seen": 2, "bytes_summed": sum(sum(frame[14:34]) for frame in IPV4_FRAMES)}],
        ),
        "ring_full": of_variable("ring_full", [0], samples={"": 0}),
        "recent": of_map("recent", [event(frame) for frame in IPV4_FRAMES]),
    },
    [*IPV4_FRAMES, UDP6_FRAME],
    {"constants": {"bytes_to_sum": 20}, "map-sizes": {"events": 4096}},
)

PRODUCTS = [
    LOAD_BALANCER,
    *FLOW_EXPORTERS,
    DROPPER,
    SYN_LIMIT,
    DNS_NAMES,
    CONNTRACK,
    DATAPATH,
    HISTOGRAM,
    MODERN,
]

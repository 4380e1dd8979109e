"""Programs as products have them: a filter, a limiter, a tracker, a datapath; and objects with a lot else in them."""

from __future__ import annotations

import ipaddress
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

# The filter: what is listed, and what is above an allowance that never grows again.
LISTED = [ethernet(ipv4(udp(), source="10.66.0.5")), ethernet(ipv4(udp(), source="10.66.0.6"))]
LISTED6 = [ethernet(ipv6(udp(), source="fd66::1"))]
PREFIX6 = list(ipaddress.ip_address("fd66::").packed)
FILTER_COUNTS = {"REASON_PASSED": 3 + 1 + 1, "REASON_BLACKLIST_V4": 2, "REASON_BLACKLIST_V6": 1, "REASON_RATE": 2}
DROPPER = Case(
    "ddos_dropper.c",
    {
        "verdicts": of_map("verdict_cnt", FILTER_COUNTS, over_cpus, samples=FILTER_COUNTS),
        "buckets": of_map("buckets", {number(p.IPV4_A): (0, 2)}, only("tokens", "dropped")),
        "listed": of_map("blacklist_v4", {"10.66.0.0/24": 2, "99.0.0.0/8": 0}, by_key),
        "listed6": of_map("blacklist_v6", [1], lambda read: [entry["value"] for entry in read]),
    },
    [*LISTED, *LISTED6, *[UDP_FRAME] * 5, UDP6_FRAME, ethernet(p.arp())],
    {
        "map-sizes": {"buckets": 1024},
        "constants": {"cfg": {"tokens_per_second": 0, "burst": 3, "enforce": 1}},
        "initial-entries": {
            "blacklist_v4": [
                {"key": "10.66.0.0/24", "value": 0},
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

# What else there is in an object must not matter.
SIZED = [ethernet(p.raw(bytes(length), p.ETH_ARP)) for length in (46, 46, 47, 48)]
MIXED_COMPANY = Case("mixed_company.c", {"hits": of_map("hits", [3, 1], samples={"0": 3, "1": 1})}, SIZED)
XDP_DEVICES = Case("xdp_devices.c", {"received": of_map("received", [4], samples={"": 4})}, SIZED, cube_type="XDP_SKB")
MAP_STYLES = Case(
    "map_styles.c",
    {
        "even": of_map("even", [3, 0], samples={"0": 3, "1": 0}),
        "odd": of_map("odd", [1, 0]),
        "cells": of_map("cells", {0: {"count": 3}, 1: {"count": 1}}, by_key),
        "mapped": of_map("mapped", [12], samples={"": 12}),
        "scratch": of_map("scratch", 4, lambda read: sum(value[2999] for value in read[0]["value"])),
        "numbers": of_variable("numbers", [[1, 6, 3]]),
        "text": of_variable("text", [[97, 98, 99, 0]]),
        "hidden": of_variable("hidden", [4], samples={"": 4}),
        "other": of_variable("other", [8], samples={"": 8}),
        "step": of_variable("step", [3]),
        "data": of_map(".data", [{"numbers": [1, 6, 3], "text": [97, 98, 99, 0]}]),
        "lengths": of_map("lengths", [length.to_bytes(8, "little").hex() for length in (62, 61, 60)]),
    },
    SIZED,
    {"constants": {"step": 3}},
)

PRODUCTS = [
    DROPPER,
    SYN_LIMIT,
    DNS_NAMES,
    CONNTRACK,
    DATAPATH,
    HISTOGRAM,
    MODERN,
    MIXED_COMPANY,
    XDP_DEVICES,
    MAP_STYLES,
]

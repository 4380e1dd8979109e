"""Programs as tutorials have them: parsing, counting, rewriting, redirecting, tail calls, sections of many fashions."""

from __future__ import annotations

import struct

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
    over_cpus,
    size,
)
from tests.packets import ethernet, ipv4, ipv6, udp, vlan

A, B = number(p.IPV4_A), number(p.IPV4_B)


def stats_case(program: str, action: int) -> Case:
    counted = {action: {"rx_packets": 3, "rx_bytes": size(*MIXED)}}
    shown = {"stats": of_map("xdp_stats_map", counted, over_cpus)}
    return Case("xdp_stats.c", shown, MIXED, {"program": program}, cube_type="XDP_SKB", note=program)


TUTORIALS = [
    stats_case("xdp_pass_func", 2),
    stats_case("xdp_drop_func", 1),
    Case(
        "xdp_parsing.c",
        {
            "icmp": of_map("icmp_count", [3, 2], samples={"0": 3, "1": 2}),
            "vlans": of_map("vlan_count", {7: 1, 8: 1}, by_key, samples={"7": 1, "8": 1}),
        },
        [
            ethernet(ipv4(p.icmp_echo())),
            ethernet(ipv4(p.icmp_echo(), options=b"\x01" * 8)),
            ethernet(vlan(ipv4(p.icmp_echo()), 7)),
            ethernet(ipv6(p.icmpv6_echo())),
            ethernet(vlan(vlan(ipv6(p.icmpv6_echo()), 7), 8, tag=p.ETH_QINQ)),
            *MIXED,
        ],
        {"program-type": "xdp"},
        cube_type="XDP_SKB",
    ),
    Case(
        "xdp_rewrite.c",
        {"rewrites": of_map("rewrites", {0: 2, 1: 3}, over_cpus, samples={"0": 2, "1": 3, "2": 0})},
        [ethernet(vlan(ipv4(udp()))), ethernet(vlan(ipv6(udp()))), *MIXED],
        {"program": "xdp_vlan_swap_func"},
        cube_type="XDP_SKB",
        note="vlan",
    ),
    Case(
        "xdp_rewrite.c",
        {"rewrites": of_map("rewrites", {2: 2}, over_cpus, samples={"0": 0, "1": 0, "2": 2})},
        [UDP_FRAME, *MIXED],
        {"program": "xdp_patch_ports_func"},
        cube_type="XDP_SKB",
        note="ports",
    ),
    Case(
        "xdp_rewrite.c",
        {"targets": of_map("redirect_params", {(2, 0, 0, 0, 0x99, 1): [2, 0, 0, 0, 0x99, 2]}, by_key)},
        MIXED,
        {
            "program": "xdp_redirect_map_func",
            "map-sizes": {"tx_port": 4},
            "initial-entries": {
                "redirect_params": [{"key": [2, 0, 0, 0, 0x99, 1], "value": [2, 0, 0, 0, 0x99, 2]}],
            },
        },
        cube_type="XDP_SKB",
        note="redirect",
    ),
    Case(
        "xdp_tail_calls.c",
        {"visits": of_map("visits", [3, 2, 1, 5], samples={"0": 3, "1": 2, "2": 1, "3": 5})},
        [*[UDP_FRAME] * 3, *[TCP_FRAME] * 2, ethernet(ipv4(p.icmp_echo()))],
        {"program": "xdp_dispatcher"},
        cube_type="XDP_SKB",
        note="named",
    ),
    Case(
        "xdp_tail_calls.c",
        {"visits": of_map("visits", [1, 0, 0, 1], samples={"0": 1, "1": 0, "2": 0, "3": 1})},
        [UDP_FRAME],
        cube_type="XDP_SKB",
        note="inferred",
    ),
    Case(
        "tc_tail_calls.c",
        {
            "stages": of_map(
                "stages",
                {0: 6, 4: 3, 17: 2, 99: 1, 6: 3},
                over_cpus,
                samples={"0": 6, "4": 3, "17": 2, "99": 1, "6": 3},
            )
        },
        [*[UDP_FRAME] * 2, TCP_FRAME, *[UDP6_FRAME] * 3],
        {
            "program": "entry",
            "initial-entries": {
                "jmp_table": [
                    {"key": 0, "value": "handle_ipv4"},
                    {"key": 1, "value": "handle_ipv6"},
                    {"key": 2, "value": "handle_udp"},
                ]
            },
        },
    ),
]


def tracker_case(direction: str, key: tuple[int, int], value: dict[str, int]) -> Case:
    raw = struct.pack("<IIQQQQ", *key, *value.values()).hex()
    shown = {
        "trackers": of_map("trackers", {key: value}, by_key),
        "raw": of_map("untyped_trackers", {raw[:16]: raw[16:]}, by_key),
        "typed": of_map(
            "untyped_trackers", {key: value}, by_key, **{"type": "struct stats", "key-type": "struct pair"}
        ),
    }
    return Case("tc_classifier.c", shown, [UDP_FRAME, TCP_FRAME, UDP6_FRAME], direction=direction, note=direction)


BOTH_BYTES = size(UDP_FRAME, TCP_FRAME)
CLASSIFIERS = [
    tracker_case("ingress", (B, A), {"tx_cnt": 0, "rx_cnt": 2, "tx_bytes": 0, "rx_bytes": BOTH_BYTES}),
    tracker_case("egress", (A, B), {"tx_cnt": 2, "rx_cnt": 0, "tx_bytes": BOTH_BYTES, "rx_bytes": 0}),
]
for chosen, where, slots in (
    ({}, "ingress", [size(*MIXED), 0]),
    ({}, "egress", [0, size(*MIXED)]),
    ({"program": "tc_action", "program-type": "tc"}, "ingress", [0, size(*MIXED)]),
):
    CLASSIFIERS.append(
        Case(
            "tc_sections.c",
            {
                "bytes": of_map("acc_map", slots, samples={"0": slots[0], "1": slots[1]}, type="__u32"),
                "raw": of_map("acc_map", [slot.to_bytes(4, "little").hex() for slot in slots]),
            },
            MIXED,
            chosen,
            direction=where,
            note=chosen.get("program", where),
        )
    )

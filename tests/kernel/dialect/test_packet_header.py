"""What dynmon/packet.h finds in packets, whole and cut short."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from dynmon.bpf import LoadedObject
from dynmon.models import Hook
from tests import packets as p
from tests.kernel.dialect.conftest import PASS, Dialect
from tests.packets import SYN, Payload, ethernet, ipv4, ipv6, ipv6_fragment, tcp, udp, vlan
from tests.support import needs

pytestmark = needs("kernel", "clang")
both_hooks = pytest.mark.parametrize("hook", list(Hook))
ZERO = struct.pack("<I", 0)
INCLUDE = "#include <dynmon/packet.h>\n"
NOPS = b"\x01"
HOPS, ROUTE, DESTINATIONS = (p.extension(number) for number in (p.HOP_BY_HOP, p.ROUTING, p.DESTINATION))
SCTP, AUTHENTICATION = 132, 51
SIZES = {"ethernet": 14, "ipv4": 20, "ipv6": 40, "ports": 4, "tcp": 20, "udp": 8, "icmp": 8, "icmpv6": 8}
POINTERS = ("ethernet", "network", "ipv4", "ipv6", "transport", "ports", "tcp", "udp", "icmp", "icmpv6")
FOUND = struct.Struct(f"<{len(POINTERS)}iIiI")


@dataclass(frozen=True)
class Expected:
    """Where the headers of a frame begin, and what is known of them."""

    frame: bytes
    network: int | None
    ethertype: int
    ip: str = ""
    protocol: int = -1
    transport: int | None = None
    carries: tuple[str, ...] = ()
    is_later_fragment: bool = False

    def found(self) -> dict[str, object]:
        """What the program is to say."""
        starts = {"ethernet": 0, "network": self.network, "transport": self.transport}
        starts |= dict.fromkeys(self.carries, self.transport)
        if self.ip:
            starts[self.ip] = self.network
        return {name: starts.get(name) for name in POINTERS} | {
            "ethertype": self.ethertype,
            "protocol": self.protocol,
            "is_later_fragment": self.is_later_fragment,
        }


def over_ipv4(frame: bytes, protocol: int, network: int = 14, transport: int | None = 34, *carries: str) -> Expected:
    """An IPv4 packet that has its transport header."""
    return Expected(frame, network, p.ETH_IPV4, "ipv4", protocol, transport, carries)


def over_ipv6(frame: bytes, protocol: int, network: int = 14, transport: int | None = 54, *carries: str) -> Expected:
    """An IPv6 packet that has its transport header."""
    return Expected(frame, network, p.ETH_IPV6, "ipv6", protocol, transport, carries)


def chained(*extensions: Payload) -> bytes:
    """UDP behind extension headers of IPv6."""
    return ethernet(ipv6(udp(b"datagram"), extensions=extensions))


TCP, UDP = ("ports", "tcp"), ("ports", "udp")
WHOLE = {
    "tcp": over_ipv4(ethernet(ipv4(tcp(SYN))), p.TCP, 14, 34, *TCP),
    "udp": over_ipv4(ethernet(ipv4(udp(b"datagram"))), p.UDP, 14, 34, *UDP),
    "icmp": over_ipv4(ethernet(ipv4(p.icmp_echo())), p.ICMP, 14, 34, "icmp"),
    "sctp": over_ipv4(ethernet(ipv4(p.raw(bytes(12), SCTP))), SCTP, 14, 34, "ports"),
    "gre": over_ipv4(ethernet(ipv4(p.raw(bytes(8), 47))), 47),
    "some-options": over_ipv4(ethernet(ipv4(udp(b"d"), options=NOPS * 4)), p.UDP, 14, 38, *UDP),
    "all-options": over_ipv4(ethernet(ipv4(tcp(SYN), options=NOPS * 40)), p.TCP, 14, 74, *TCP),
    "vlan": over_ipv4(ethernet(vlan(ipv4(tcp(SYN)))), p.TCP, 18, 38, *TCP),
    "qinq": over_ipv4(ethernet(vlan(vlan(ipv4(udp())), tag=p.ETH_QINQ)), p.UDP, 22, 42, *UDP),
    "qinq-ipv6": over_ipv6(ethernet(vlan(vlan(ipv6(tcp(SYN))), tag=p.ETH_QINQ)), p.TCP, 22, 62, *TCP),
    "tcp6": over_ipv6(ethernet(ipv6(tcp(SYN))), p.TCP, 14, 54, *TCP),
    "icmpv6": over_ipv6(ethernet(ipv6(p.icmpv6_echo())), p.ICMPV6, 14, 54, "icmpv6"),
    "hop-by-hop": over_ipv6(chained(HOPS), p.UDP, 14, 62, *UDP),
    "long-extension": over_ipv6(chained(p.extension(p.DESTINATION, 256)), p.UDP, 14, 310, *UDP),
    "four-extensions": over_ipv6(chained(HOPS, DESTINATIONS, ROUTE, ipv6_fragment()), p.UDP, 14, 86, *UDP),
    "first-fragment": over_ipv4(ethernet(ipv4(udp(b"x" * 24), more_fragments=True)), p.UDP, 14, 34, *UDP),
    "first-fragment6": over_ipv6(chained(ipv6_fragment(more=True)), p.UDP, 14, 62, *UDP),
}
PARTIAL = {
    "arp": Expected(ethernet(p.arp()), 14, p.ETH_ARP),
    "three-tags": Expected(ethernet(vlan(vlan(vlan(ipv4(udp()))))), 22, p.ETH_VLAN),
    "later-fragment": Expected(
        ethernet(ipv4(p.raw(bytes(32), p.UDP), fragment_offset=8, more_fragments=True)),
        14,
        p.ETH_IPV4,
        "ipv4",
        p.UDP,
        is_later_fragment=True,
    ),
    "later-fragment6": Expected(
        chained(HOPS, ipv6_fragment(1024)), 14, p.ETH_IPV6, "ipv6", p.UDP, is_later_fragment=True
    ),
    # What looks like a header in the middle of a datagram is none.
    "later-fragment-of-extension": Expected(
        chained(ipv6_fragment(8), DESTINATIONS), 14, p.ETH_IPV6, "ipv6", p.DESTINATION, is_later_fragment=True
    ),
    "five-extensions": over_ipv6(chained(HOPS, DESTINATIONS, ROUTE, DESTINATIONS, HOPS), p.HOP_BY_HOP, 14, None),
    "authentication": over_ipv6(ethernet(ipv6(p.raw(bytes(24), AUTHENTICATION))), AUTHENTICATION),
    "nothing-behind-ipv6": over_ipv6(ethernet(ipv6(p.raw(b"", p.NO_NEXT))), p.NO_NEXT),
    "header-length-too-small": over_ipv4(
        ethernet(p.raw(b"\x44" + bytes(8) + b"\x06" + bytes(40), p.ETH_IPV4)), p.TCP, 14, None
    ),
    "nothing-behind-tag": Expected(ethernet(vlan(p.raw(b"", p.ETH_IPV4))), 18, p.ETH_IPV4),
    "cut-ipv4": Expected(ethernet(vlan(ipv4(udp())))[:37], 18, p.ETH_IPV4),
    "cut-tag": Expected(ethernet(p.raw(b"\0\7\x08", p.ETH_VLAN)), None, 0),
    "cut-second-tag": Expected(ethernet(vlan(p.raw(b"\0\7", p.ETH_VLAN), tag=p.ETH_QINQ)), None, 0),
    "cut-extension": over_ipv6(chained(HOPS)[:55], p.HOP_BY_HOP, 14, None),
    "cut-fragment-header": over_ipv6(chained(HOPS, ipv6_fragment())[:69], p.FRAGMENT, 14, None),
    "cut-ipv6": Expected(ethernet(vlan(ipv6(udp())))[:57], 18, p.ETH_IPV6),
}


@pytest.fixture
def probe(dialect: Dialect, hook: Hook) -> LoadedObject:
    """A program that writes down where everything in a packet begins."""
    stores = "\n".join(
        f"found.{name} = packet.{name} ? (long)packet.{name} - (long)packet.data : -1;" for name in POINTERS
    )
    return dialect.handler(
        f"""
        struct packet packet = parse_packet(ctx);
        struct found found = {{}};
        unsigned int key = 0;
        {stores}
        found.ethertype = bpf_ntohs(packet.ethertype);
        found.protocol = packet.protocol;
        found.is_later_fragment = packet.is_later_fragment;
        FOUND.update(&key, &found);
        return RX_OK;
        """,
        hook,
        f"""{INCLUDE}
        struct found {{ int {", ".join(POINTERS)}; u32 ethertype; int protocol; u32 is_later_fragment; }};
        BPF_ARRAY(FOUND, struct found, 1);""",
    )


def found_in(probe: LoadedObject, frame: bytes) -> dict[str, object]:
    """What the probe says of the frame; None for headers that it did not find."""
    probe.program.test_run(frame)
    *starts, ethertype, protocol, is_later = FOUND.unpack(probe.maps["FOUND"].lookup(ZERO) or b"")
    headers = {name: None if start < 0 else start for name, start in zip(POINTERS, starts, strict=True)}
    return headers | {"ethertype": ethertype, "protocol": protocol, "is_later_fragment": bool(is_later)}


@both_hooks
def test_headers_are_found(probe: LoadedObject) -> None:
    """Behind tags, options and extensions, up to the documented depths; and nothing is found that is not there."""
    frames = WHOLE | PARTIAL

    assert {name: case.found() for name, case in frames.items()} == {
        name: found_in(probe, case.frame) for name, case in frames.items()
    }


@both_hooks
@pytest.mark.parametrize("name", WHOLE)
def test_a_header_is_there_to_its_end_or_null(probe: LoadedObject, hook: Hook, name: str) -> None:
    """However short the packet is cut, a header is given exactly when its last byte is there."""
    case, whole = WHOLE[name], WHOLE[name].found()
    # A test run at tc takes no frame that ends within its IP header, unless a tag hides that from the kernel.
    shortest = 14 + SIZES[case.ip] if hook is Hook.TC and case.network == 14 else 14

    for length in range(shortest, len(case.frame) + 1):
        found = found_in(probe, case.frame[:length])
        for header, size in SIZES.items():
            start = whole[header]
            expected = start if isinstance(start, int) and start + size <= length else None
            assert expected == found[header], f"{header} in {length} bytes"


@both_hooks
@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ("tcp", "packet.ethernet && packet.ethernet->h_source[5] == 0x01"),
        ("tcp", "packet.ipv4 && packet.ipv4->daddr == bpf_htonl(0x0a010002)"),
        ("tcp6", "packet.ipv6 && packet.ipv6->daddr.s6_addr[15] == 2"),
        ("tcp", "packet.tcp && packet.tcp->syn && packet.tcp->dest == bpf_htons(80) && !packet.tcp->urg_ptr"),
        ("four-extensions", "packet.udp && packet.udp->dest == bpf_htons(9) && packet.udp->len == bpf_htons(16)"),
        ("icmp", "packet.icmp && packet.icmp->type == ICMP_ECHO && packet.icmp->un.echo.sequence == bpf_htons(1)"),
        (
            "icmpv6",
            "packet.icmpv6 && packet.icmpv6->icmp6_type == 128 && packet.icmpv6->icmp6_sequence == bpf_htons(1)",
        ),
        ("qinq", "packet.ports && packet.ports->source == bpf_htons(40000) && packet.ports->dest == bpf_htons(9)"),
    ],
)
def test_found_headers_can_be_read_at_once(dialect: Dialect, hook: Hook, frame: str, field: str) -> None:
    """The verifier asks for no further check."""
    body = f"struct packet packet = parse_packet(ctx); return {field} ? RX_OK : RX_DROP;"
    loaded = dialect.handler(body, hook, INCLUDE)

    assert PASS[hook] == loaded.program.test_run(WHOLE[frame].frame).verdict


@both_hooks
@pytest.mark.parametrize(("size", "passes"), [(1, True), (8, True), (9, False)])
def test_packet_bytes_checks_what_lies_behind(dialect: Dialect, hook: Hook, size: int, passes: bool) -> None:
    """Eight bytes are behind the UDP header, not nine; and behind NULL is nothing."""
    loaded = dialect.handler(
        f"""
        struct packet packet = parse_packet(ctx);
        u8 *payload = packet.udp ? packet_bytes(&packet, packet.udp + 1, {size}) : NULL;
        if (packet_bytes(&packet, packet.icmp, 8))
            return RX_DROP;
        return payload && payload[0] == 'd' && payload[{size} - 1] ? RX_OK : RX_DROP;
        """,
        hook,
        INCLUDE,
    )

    assert passes == (PASS[hook] == loaded.program.test_run(WHOLE["udp"].frame).verdict)


@both_hooks
def test_what_is_not_looked_at_costs_nothing(dialect: Dialect, hook: Hook) -> None:
    """Asking for the ethertype alone leaves no trace of IP; including the header alone leaves none at all."""
    empty = dialect.handler("return RX_OK;", hook)
    included = dialect.handler("return RX_OK;", hook, INCLUDE)
    parsed = dialect.handler("struct packet packet = parse_packet(ctx); return RX_OK;", hook, INCLUDE)
    link = dialect.handler(
        "return parse_packet(ctx).ethertype == bpf_htons(ETH_P_ARP) ? RX_DROP : RX_OK;", hook, INCLUDE
    )

    assert empty.program.instructions == included.program.instructions == parsed.program.instructions
    assert link.program.instructions <= empty.program.instructions + 30


@both_hooks
def test_names_belong_to_the_code_that_does_not_include_it(dialect: Dialect, hook: Hook) -> None:
    """The dialect itself has no packet, and the header goes with others in any order."""
    others = "#include <linux/if_vlan.h>\n#include <net/ip.h>\n#include <uapi/linux/tcp.h>\n#include <bcc/proto.h>\n"
    own = "struct packet { int n; }; static __always_inline int parse_packet(int n) { return n; }"
    loaded = [
        dialect.handler(
            "struct packet packet = { 7 }; return parse_packet(packet.n) == 7 ? RX_OK : RX_DROP;", hook, own
        ),
        dialect.handler("return parse_packet(ctx).tcp ? RX_OK : RX_DROP;", hook, INCLUDE + others + INCLUDE),
        dialect.handler("return parse_packet(ctx).tcp ? RX_OK : RX_DROP;", hook, others + INCLUDE),
    ]

    assert [PASS[hook]] * 3 == [each.program.test_run(WHOLE["tcp"].frame).verdict for each in loaded]

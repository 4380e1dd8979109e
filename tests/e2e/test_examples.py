"""Every example, injected into a real daemon, counts exactly the packets that were sent."""

from __future__ import annotations

import ipaddress
import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dynmon.client import DynmonClient
from examples.build import build, config_of, example_names, source_of
from tests import packets as p
from tests.packets import ACK, DESTINATION, FIN, HOP_BY_HOP, RST, SYN, ethernet, ipv4, ipv6, tcp, udp, vlan
from tests.support import Veth, eventually

ROUNDS = 3
GRE = 47
IPV4_RUNT = ethernet(p.raw(b"\x45\x00", p.ETH_IPV4))
FRAME_WITHOUT_CONTENTS = ethernet(p.raw(b"", p.ETH_IPV4))


@dataclass(frozen=True)
class Monitor:
    """A cube attached to one side of a veth pair, and what it says."""

    client: DynmonClient
    veth: Veth
    direction: str
    cube: str = "monitor"

    def inject(self, example: str) -> None:
        """Run the example in our direction."""
        path = json.loads(config_of(example).read_text())["ingress-path"]
        self.client.inject(self.cube, {f"{self.direction}-path": path})

    def send(self, *frames: bytes, rounds: int = ROUNDS) -> None:
        self.veth.send(self.direction, *frames, count=rounds)

    def values(self) -> dict[str, Any]:
        """The JSON value of every metric."""
        readings = self.client.metrics(self.cube, self.direction)
        return {reading["name"]: reading["value"] for reading in readings}

    def counters(self) -> dict[str, int]:
        """The JSON value of every metric with a single number, by name."""
        return {name: value[0] for name, value in self.values().items() if len(value) == 1}

    def samples(self) -> dict[str, float]:
        """Every sample of the OpenMetrics text; the index label, where there is one, is part of the name."""
        samples = self.labelled()
        return {f"{s.name}[{s.labels['index']}]" if "index" in s.labels else s.name: s.value for s in samples}

    def labelled(self) -> list[Any]:
        """Every sample of the OpenMetrics text with its labels."""
        text = self.client.open_metrics(self.cube)
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def bytes_of(self, frame: bytes) -> int:
        """The length of `frame` as programs see it: the kernel takes the outer VLAN tag off what is received."""
        tagged = frame[12:14] in (b"\x81\x00", b"\x88\xa8")
        return len(frame) - (4 if tagged and self.direction == "ingress" else 0)


@pytest.fixture(params=["ingress", "egress"])
def monitor(request, client, veth):
    found = Monitor(client, veth, request.param)
    client.create(found.cube)
    client.attach(found.cube, veth.host)
    return found


@pytest.mark.parametrize("name", example_names())
def test_the_configuration_is_made_from_the_c_file(name):
    """Nobody edits the JSON: `make examples` writes it, and the code in it is the C file to the byte."""
    text = config_of(name).read_text()

    assert source_of(name).read_bytes() == json.loads(text)["ingress-path"]["code"].encode()
    assert build(name) == text


def test_every_example_says_what_it_is_for():
    """A folder has a README with its question, and the list of examples names it."""
    overview = config_of("README").with_suffix(".md").read_text()

    assert 8 == len(example_names())
    for name in example_names():
        readme = source_of(name).with_name("README.md").read_text()
        assert f"examples/{name}.json" in readme
        assert f"]({name}/README.md)" in overview


def test_packet_counter(monitor):
    """Every packet counts, whatever is in it."""
    monitor.inject("packet_counter")
    frames = [ethernet(p.arp()), ethernet(ipv4(udp())), ethernet(vlan(ipv6(tcp(SYN)))), FRAME_WITHOUT_CONTENTS]

    monitor.send(*frames, rounds=250)

    eventually(monitor.values, {"packets_total": [1000]})
    assert {"packets_total": 1000} == monitor.samples()


def test_packets_by_protocol(monitor):
    """Each packet belongs to one protocol: behind tags, extensions and in every fragment."""
    monitor.inject("packets_by_protocol")
    frames = {
        "tcp": [
            ethernet(ipv4(tcp(SYN))),
            ethernet(vlan(ipv4(tcp(ACK, b"data"), options=b"\x01" * 8))),
            ethernet(ipv6(tcp(ACK), extensions=(p.extension(HOP_BY_HOP), p.extension(DESTINATION, 16)))),
        ],
        "udp": [
            ethernet(ipv4(udp(b"x" * 900), more_fragments=True)),
            ethernet(ipv4(p.raw(b"rest", p.UDP), fragment_offset=904)),
            ethernet(vlan(vlan(ipv6(udp(b"twice tagged"))), tag=p.ETH_QINQ)),
            ethernet(ipv6(p.raw(b"rest", p.UDP), extensions=(p.ipv6_fragment(904),))),
        ],
        "icmp": [ethernet(ipv4(p.icmp_echo())), ethernet(ipv6(p.icmpv6_echo(b"longer")))],
        "other_ip": [ethernet(ipv4(p.raw(b"\0\0\x08\0", GRE))), ethernet(ipv6(p.raw(b"", p.NO_NEXT)))],
        "non_ip": [ethernet(p.arp()), IPV4_RUNT, FRAME_WITHOUT_CONTENTS],
    }

    monitor.send(*(frame for group in frames.values() for frame in group))

    expected = {}
    for name, group in frames.items():
        expected[f"{name}_packets_total"] = ROUNDS * len(group)
        expected[f"{name}_bytes_total"] = ROUNDS * sum(map(monitor.bytes_of, group))
    eventually(monitor.counters, expected)
    assert expected == monitor.samples()


def test_ntp(monitor):
    """Client requests and mode 7 are told apart from other NTP, and NTP from other UDP."""
    monitor.inject("ntp")
    request = udp(p.ntp(3), dport=123)
    private_request = udp(p.ntp_private(), sport=4711, dport=123)
    private_response = udp(p.ntp_private(response=True, items=6), sport=123, dport=4711)
    frames = [
        ethernet(ipv4(request)),
        ethernet(ipv4(request, options=b"\x01" * 40)),
        ethernet(vlan(ipv6(request, extensions=(p.extension(DESTINATION),)))),
        ethernet(ipv4(udp(p.ntp(4), sport=123))),  # the answer of a server
        ethernet(ipv4(udp(p.ntp(3), sport=123, dport=4711))),  # not sent to a server
        ethernet(ipv4(udp(p.ntp(5), dport=123))),  # broadcast
        ethernet(ipv4(private_request)),
        ethernet(ipv6(private_request)),
        ethernet(ipv4(private_response, more_fragments=True)),
    ]
    others = [
        ethernet(ipv4(p.raw(private_response.data, p.UDP), fragment_offset=448)),
        ethernet(ipv6(p.raw(request.data, p.UDP), extensions=(p.ipv6_fragment(8),))),
        ethernet(ipv4(udp(p.ntp(3), dport=124))),
        ethernet(ipv4(udp(b"", dport=123))),
        ethernet(ipv4(p.raw(request.data, p.TCP))),
        ethernet(p.raw(request.data, p.ETH_ARP)),
        IPV4_RUNT,
    ]

    monitor.send(*frames, *others)

    expected = {
        "ntp_packets_total": 9 * ROUNDS,
        "ntp_requests_total": 3 * ROUNDS,
        "ntp_private_requests_total": 2 * ROUNDS,
        "ntp_private_responses_total": 1 * ROUNDS,
    }
    eventually(monitor.counters, expected)
    assert expected == monitor.samples()


def test_dns_queries(monitor):
    """Queries are counted by type, through names of any length; answers and broken queries are not."""
    monitor.inject("dns_queries")
    types = {"a": 1, "aaaa": 28, "ptr": 12, "mx": 15, "txt": 16, "srv": 33, "https": 65, "any": 255}
    reverse_name = ".".join("0123456789abcdef" * 2) + ".ip6.arpa"
    longest_name = ".".join(["x" * 63] * 3 + ["y" * 61])
    a_query = p.dns_query("example.org", 1)

    def query(message, **ports):
        return udp(message, dport=53, **ports)

    frames = [ethernet(ipv4(query(p.dns_query("example.org", number)))) for number in types.values()]
    frames += [
        ethernet(vlan(ipv6(query(p.dns_query("", 1)), extensions=(p.extension(HOP_BY_HOP),)))),  # the root
        ethernet(ipv6(query(p.dns_query(reverse_name, 12)))),
        ethernet(ipv4(query(p.dns_query(longest_name, 28)), options=b"\x01" * 4)),
        ethernet(ipv4(query(p.dns_query("example.org", 48)))),  # DNSKEY
        ethernet(ipv4(query(p.dns_query("example.org", 65280)))),  # private use
    ]
    malformed = [
        ethernet(ipv4(query(a_query[:-3]))),
        ethernet(ipv4(query(a_query[:12]))),
        ethernet(ipv4(query(a_query[:12] + b"\xc0\x0c\0\x01\0\x01"))),
        ethernet(ipv4(query(p.dns_query("example.org", 1, questions=0)))),
    ]
    others = [
        ethernet(ipv4(query(p.dns_query("example.org", 1, response=True)))),
        ethernet(ipv4(query(p.dns_query("example.org", 6, opcode=5)))),  # an update
        ethernet(ipv4(udp(a_query, sport=53, dport=40000))),
        ethernet(ipv4(query(a_query[:11]))),
        ethernet(ipv4(p.raw(query(a_query).data, p.UDP), fragment_offset=8)),
        ethernet(ipv4(p.raw(query(a_query).data, p.TCP))),
    ]

    monitor.send(*frames, *malformed, *others)

    expected = {f"dns_{name}_queries_total": ROUNDS for name in types}
    expected |= {f"dns_{name}_queries_total": 2 * ROUNDS for name in ("a", "aaaa", "ptr", "other")}
    expected["dns_malformed_queries_total"] = 4 * ROUNDS
    eventually(monitor.counters, expected)
    assert expected == monitor.samples()

    by_type = {entry["key"]: entry["value"] for entry in monitor.values()["dns_queries_by_type"]}
    doubled = {types[name]: 2 * ROUNDS for name in ("a", "aaaa", "ptr")}
    assert dict.fromkeys(types.values(), ROUNDS) | doubled | {48: ROUNDS, 65280: ROUNDS} == by_type


def test_tcp_flags(monitor):
    """Opening, accepting, closing and refusing are counted apart; a segment may do two of them."""
    monitor.inject("tcp_flags")
    frames = [
        ethernet(ipv4(tcp(SYN))),
        ethernet(vlan(ipv4(tcp(SYN), options=b"\x01" * 12))),
        ethernet(ipv6(tcp(SYN), extensions=(p.extension(HOP_BY_HOP), p.ipv6_fragment(0, more=True)))),
        ethernet(ipv4(tcp(SYN | ACK))),
        ethernet(ipv6(tcp(SYN | ACK))),
        ethernet(ipv4(tcp(ACK))),
        ethernet(ipv4(tcp(FIN | ACK))),
        ethernet(ipv4(tcp(RST))),
        ethernet(ipv6(tcp(RST | ACK))),
        ethernet(ipv4(tcp(FIN | RST))),
        ethernet(ipv4(tcp(p.PSH | ACK, b"data"))),
    ]
    others = [
        ethernet(ipv4(p.raw(tcp(SYN).data, p.UDP))),
        ethernet(ipv4(p.raw(tcp(SYN).data, p.TCP), fragment_offset=24)),
        ethernet(ipv4(p.raw(tcp(SYN).data[:19], p.TCP))),
    ]

    monitor.send(*frames, *others)

    expected = {
        "tcp_syn_total": 3 * ROUNDS,
        "tcp_syn_ack_total": 2 * ROUNDS,
        "tcp_fin_total": 2 * ROUNDS,
        "tcp_rst_total": 3 * ROUNDS,
    }
    eventually(monitor.counters, expected)
    assert expected == monitor.samples()


def test_flows(monitor):
    """Each conversation is a row with its packets and bytes; what has no ports is a row with zeros."""
    monitor.inject("flows")
    web = [
        ethernet(ipv4(tcp(SYN, sport=1025, dport=443))),
        ethernet(vlan(ipv4(tcp(ACK, b"data", sport=1025, dport=443), options=b"\x01" * 4))),
    ]
    answer = [ethernet(ipv4(tcp(SYN | ACK, sport=443, dport=1025), source=p.IPV4_B, destination=p.IPV4_A))]
    first_fragment = [ethernet(ipv4(udp(b"x" * 64, sport=53, dport=2000), more_fragments=True))]
    later_fragments = [ethernet(ipv4(p.raw(b"y" * 32, p.UDP), fragment_offset=72))]
    ping = [ethernet(ipv4(p.icmp_echo()))]
    web6 = [
        ethernet(ipv6(tcp(SYN, sport=1025, dport=443))),
        ethernet(ipv6(tcp(ACK, sport=1025, dport=443), extensions=(p.extension(HOP_BY_HOP),))),
    ]
    fragment6 = [ethernet(ipv6(p.raw(b"z" * 16, p.UDP), extensions=(p.ipv6_fragment(1024),)))]
    everything = [*web, *answer, *first_fragment, *later_fragments, *ping, *web6, *fragment6]

    monitor.send(*everything, ethernet(p.arp()), IPV4_RUNT)

    def row(frames, source, destination, ports, protocol):
        packets, size = ROUNDS * len(frames), ROUNDS * sum(map(monitor.bytes_of, frames))
        return (source, destination, *ports, protocol), (packets, size)

    a, b, a6, b6 = (ipaddress.ip_address(text) for text in (p.IPV4_A, p.IPV4_B, p.IPV6_A, p.IPV6_B))
    expected = dict(
        [
            row(web, a, b, (1025, 443), p.TCP),
            row(answer, b, a, (443, 1025), p.TCP),
            row(first_fragment, a, b, (53, 2000), p.UDP),
            row(later_fragments, a, b, (0, 0), p.UDP),
            row(ping, a, b, (0, 0), p.ICMP),
            row(web6, a6, b6, (1025, 443), p.TCP),
            row(fragment6, a6, b6, (0, 0), p.UDP),
        ]
    )

    eventually(lambda: _flow_table(monitor.values()), expected)
    labelled = {
        (sample.name.split("_")[2], *(sample.labels[name] for name in FLOW_LABELS)): sample.value
        for sample in monitor.labelled()
        if "flows" in sample.name
    }
    assert labelled == {
        (what, str(source), str(destination), str(source_port), str(destination_port), PROTOCOLS[protocol]): value
        for (source, destination, source_port, destination_port, protocol), values in expected.items()
        for what, value in zip(("packets", "bytes"), values, strict=True)
    }
    assert 0 == monitor.samples()["untracked_packets_total"]


FLOW_LABELS = ("source", "destination", "source_port", "destination_port", "protocol")
PROTOCOLS = {p.TCP: "tcp", p.UDP: "udp", p.ICMP: "icmp"}


def _flow_table(values):
    table = {}
    for entry in values["ipv4_flows"] + values["ipv6_flows"]:
        key, value = entry["key"], entry["value"]
        ends = (_address(key["source"]), _address(key["destination"]))
        table[*ends, key["source_port"], key["destination_port"], key["protocol"]] = value["packets"], value["bytes"]
    return table


def _address(value):
    """An address in a key: the bytes of IPv6 as a list, IPv4 in network order as this machine reads it."""
    raw = bytes(value) if isinstance(value, list) else value.to_bytes(4, "little")
    return ipaddress.ip_address(raw)


def test_packet_sizes(monitor):
    """A histogram with bounds of 2^n - 1 bytes, exact on both sides of each."""
    monitor.inject("packet_sizes")
    sizes = [14, 15, 16, 31, 32, 60, 63, 64, 127, 128, 1023, 1024, 1514]
    frames = [ethernet(p.raw(bytes(size - 14), p.ETH_ARP)) for size in sizes]

    monitor.send(*frames)

    slots = [0] * 22
    for slot, packets in {4: 2, 5: 2, 6: 3, 7: 2, 8: 1, 10: 1, 11: 2}.items():
        slots[slot] = packets * ROUNDS
    slots[21] = ROUNDS * sum(sizes)
    eventually(monitor.values, {"packet_size": slots})
    samples = monitor.labelled()
    buckets = {float(s.labels["le"]): s.value for s in samples if s.name == "packet_size_bytes_bucket"}
    bounds = [*((1 << number) - 1 for number in range(4, 21)), math.inf]
    assert {bound: ROUNDS * sum(size <= bound for size in sizes) for bound in bounds} == buckets
    assert ROUNDS * sum(sizes) == monitor.samples()["packet_size_bytes_sum"]
    assert ROUNDS * len(sizes) == monitor.samples()["packet_size_bytes_count"]


def test_top_talkers(monitor):
    """Each source has its packets and bytes, whatever it sends and to whom."""
    monitor.inject("top_talkers")
    frames = {
        "10.1.0.1": [ethernet(ipv4(tcp(SYN))), ethernet(vlan(ipv4(udp(b"x" * 100), destination="10.9.9.9")))],
        "10.1.0.77": [ethernet(ipv4(p.raw(b"tail", p.UDP), source="10.1.0.77", fragment_offset=8))],
        "fd00::1": [ethernet(ipv6(tcp(SYN))), ethernet(ipv6(p.icmpv6_echo(), extensions=(p.extension(HOP_BY_HOP),)))],
        "fe80::2:77": [ethernet(ipv6(udp(), source="fe80::2:77"))],
    }

    monitor.send(*(frame for group in frames.values() for frame in group), ethernet(p.arp()), IPV4_RUNT)

    expected = {
        ipaddress.ip_address(source): (ROUNDS * len(group), ROUNDS * sum(map(monitor.bytes_of, group)))
        for source, group in frames.items()
    }
    eventually(lambda: _talkers(monitor.values()), expected)
    counted = {(s.name.split("_")[2], ipaddress.ip_address(s.labels["source"])): s.value for s in monitor.labelled()}
    assert counted == {
        (what, source): value
        for source, values in expected.items()
        for what, value in zip(("packets", "bytes"), values, strict=True)
    }


def _talkers(values):
    ipv4_rows = [(entry["key"], entry["value"]) for entry in values["ipv4_talkers"]]
    ipv6_rows = [(entry["key"]["address"], entry["value"]) for entry in values["ipv6_talkers"]]
    return {_address(key): (value["packets"], value["bytes"]) for key, value in ipv4_rows + ipv6_rows}

"""Captures with known numbers of packets: our examples count them exactly, and so does tshark.

tshark is asked not to put fragments together, because a program at a hook sees them one by one. It looks into packets
that ICMP errors quote, which are not traffic of their own, so its filters leave those out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dynmon.cli.dynmon import main
from tests.captures import FORMATS, NO_IP, TCP, UDP, Packet, dns_traffic, expected, ntp_traffic, tcp_traffic
from tests.support import needs, run, wait_until

pytestmark = needs("kernel", "clang", "tshark")

DYNMON = Path(sys.executable).parent / "dynmon"
WITH_IP = "(ip.dst || ipv6.dst)"
NOT_QUOTED = "!(ip.proto == 1)"
DNS_QUERY = "udp.dstport == 53 && dns.flags.response == 0 && dns.flags.opcode == 0 && dns.count.add_rr"
DNS_TYPES = {"a": 1, "ptr": 12, "mx": 15, "txt": 16, "aaaa": 28, "srv": 33, "https": 65, "any": 255}
DNS_FILTERS = {
    **{f"dns_{name}_queries_total": f"{DNS_QUERY} && dns.qry.type == {number}" for name, number in DNS_TYPES.items()},
    "dns_other_queries_total": f"{DNS_QUERY} && dns.qry.type == 48",
    "dns_malformed_queries_total": f"{DNS_QUERY} && !dns.qry.type",
}
NTP_FILTERS = {
    "ntp_packets_total": "ntp",
    "ntp_requests_total": "ntp.flags.mode == 3 && udp.dstport == 123",
    "ntp_private_requests_total": "ntp.flags.mode == 7 && ntp.priv.flags.r == 0",
    "ntp_private_responses_total": "ntp.flags.mode == 7 && ntp.priv.flags.r == 1",
}
TCP_FILTERS = {
    "tcp_syn_total": "tcp.flags.syn == 1 && tcp.flags.ack == 0",
    "tcp_syn_ack_total": "tcp.flags.syn == 1 && tcp.flags.ack == 1",
    "tcp_fin_total": "tcp.flags.fin == 1",
    "tcp_rst_total": "tcp.flags.reset == 1",
}


def carries(number: int, name: str) -> str:
    """The filter for an IP protocol behind a whole IP header: also in fragments, also where its own header is cut."""
    return f"({name} || ip.proto == {number} || ipv6.nxt == {number} || ipv6.fraghdr.nxt == {number}) && {WITH_IP}"


PROTOCOL_FILTERS = {
    TCP: carries(6, "tcp"),
    UDP: carries(17, "udp"),
    NO_IP: f"!{WITH_IP}",
}
ADDRESS_FILTERS = {"ipv4": "ip.dst", "ipv6": "ipv6.dst"}
EVERYTHING = dns_traffic() + ntp_traffic() + tcp_traffic()
TRAFFIC = {
    "dns_queries": (dns_traffic(), DNS_FILTERS),
    "ntp": (ntp_traffic(), NTP_FILTERS),
    "tcp_flags": (tcp_traffic(), TCP_FILTERS),
    "packets_by_protocol": (EVERYTHING, PROTOCOL_FILTERS),
}


def recorded(folder: Path, packets: list[Packet], name: str = "pcapng-little-ns") -> Path:
    """The packets in a capture file."""
    file = folder / f"traffic.{name.partition('-')[0]}"
    file.write_bytes(FORMATS[name](packets))
    return file


@pytest.fixture
def dry_run(repository, state_root, monkeypatch, capsys):
    """The values that ``dynmon test`` reports for an example, by metric."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(state_root / "cache"))

    def values(example: str, capture: Path, *options: str) -> dict[str, object]:
        status = main(["test", str(repository / "examples" / example), str(capture), "--json", *options])
        said = capsys.readouterr()
        assert (0, "") == (status, said.err)
        return {metric["name"]: metric["value"] for metric in json.loads(said.out)["metrics"]}

    return values


def counted_by_tshark(capture: Path, filters: Mapping[str, str]) -> dict[str, int]:
    """How many packets tshark finds for each filter: ``| 0.1 <> 0.9 | 14 | 1234 | 7 | 456 |``, frames before bytes."""
    apart = ("-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE")
    statistics = ",".join(("io", "stat", "0", *filters.values()))
    table = run("tshark", "-q", "-n", *apart, "-r", str(capture), "-z", statistics)
    [row] = [line for line in table.splitlines() if "<>" in line]
    return dict(zip(filters, map(int, row.split("|")[2::2]), strict=False))


@pytest.mark.parametrize("hook", [[], ["--xdp"]], ids=["tc", "xdp"])
@pytest.mark.parametrize("example", TRAFFIC)
def test_example_counts_exactly(dry_run, tmp_path, example, hook):
    """What was put into the capture is what the example counts, to the packet."""
    packets, filters = TRAFFIC[example]
    truth = expected(packets, filters)
    assert all(truth.values())
    expectations = [f"--expect={name}={count}" for name, count in truth.items()]

    values = dry_run(example, recorded(tmp_path, packets), *hook, *expectations)

    assert truth == {name: values[name][0] for name in truth}


@pytest.mark.parametrize("example", TRAFFIC)
def test_tshark_counts_the_same(tmp_path, example):
    """An independent dissector agrees on every number."""
    packets, filters = TRAFFIC[example]
    capture = recorded(tmp_path, packets)

    seen = counted_by_tshark(capture, {name: f"({text}) && {NOT_QUOTED}" for name, text in filters.items()})

    assert expected(packets, filters) == seen


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_of_the_file_does_not_matter(dry_run, tmp_path, name):
    """pcap and pcapng, in either byte order, with times in micro- and nanoseconds, hold the same packets."""
    packets, filters = TRAFFIC["tcp_flags"]

    values = dry_run("tcp_flags", recorded(tmp_path, packets, name))

    assert expected(packets, filters) == {name: value for name, (value,) in values.items()}


@pytest.mark.parametrize(("example", "metric"), [("flows", "flows"), ("top_talkers", "talkers")])
def test_every_packet_with_an_address_is_in_a_table(dry_run, tmp_path, example, metric):
    """Fragments, cut packets and errors included, as tshark finds them."""
    capture = recorded(tmp_path, EVERYTHING)

    values = dry_run(example, capture)

    tables = {version: values[f"{version}_{metric}"] for version in ADDRESS_FILTERS}
    packets = {version: sum(row["value"]["packets"] for row in table) for version, table in tables.items()}
    assert counted_by_tshark(capture, ADDRESS_FILTERS) == packets


def test_an_expectation_that_does_not_hold_fails_the_command(repository, tmp_path):
    """One query too many, and the exit status says so."""
    packets, filters = TRAFFIC["dns_queries"]
    count = expected(packets, filters)["dns_a_queries_total"]
    arguments = [str(repository / "examples/dns_queries"), str(recorded(tmp_path, packets))]

    result = subprocess.run(
        [DYNMON, "test", *arguments, f"--expect=dns_a_queries_total={count + 1}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 1 == result.returncode
    assert f"expected dns_a_queries_total = {count + 1}, got {count}" in result.stderr


def test_all_packets_are_counted(dry_run, tmp_path):
    """The smallest example sees each packet of the capture once."""
    values = dry_run("packet_counter", recorded(tmp_path, EVERYTHING))

    assert {"packets_total": [len(EVERYTHING)]} == values


@needs()
@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("example", TRAFFIC)
def test_the_same_packets_on_an_interface(repository, client, veth, example, direction):
    """Sent instead of replayed, the packets are counted the same: a dry run says what an interface will."""
    packets, filters = TRAFFIC[example]
    path = json.loads((repository / "examples" / f"{example}.json").read_text())["ingress-path"]
    client.create("monitor", {"dataplane-config": {f"{direction}-path": path}})
    client.attach("monitor", veth.host)
    truth = expected(packets, filters)

    veth.send(direction, *(packet.frame for packet in packets))

    def seen() -> dict[str, int]:
        values = {reading["name"]: reading["value"] for reading in client.metrics("monitor", direction)}
        return {name: values[name][0] for name in truth}

    wait_until(lambda: sum(seen().values()) >= sum(truth.values()), "the last packet")
    assert truth == seen()

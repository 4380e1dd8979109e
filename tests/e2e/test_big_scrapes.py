"""Scrapes of a million series: as they are in the map, in bounded memory, compressed when asked, others answered."""

from __future__ import annotations

import gzip
import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import packets
from tests.daemon import Daemon, running_daemon
from tests.e2e.test_rest_reads import USUAL_WAIT_SECONDS, waits_while
from tests.support import Veth, wait_until

MILLION = 1_000_000
LIMIT = 1000
SQUARES = (MILLION - 1) * MILLION * (2 * MILLION - 1) // 6  # flow number n counts its square
MOST_BYTES = 400 << 20
MOST_SECONDS = 20.0
CODE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 entries = 1000;

struct flow { __be32 saddr, daddr; __be16 sport, dport; __u8 protocol; };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__type(key, struct flow);
	__type(value, __u64);
} FLOWS SEC(".maps");

__u64 packets;

static long fill(__u32 number, void *unused)
{
	struct flow flow = { .saddr = __builtin_bswap32(0x0a000000 + number), .daddr = 0x01010101 };
	__u64 value = (__u64)number * number;

	flow.sport = __builtin_bswap16(number);
	flow.protocol = number % 2 ? 6 : 17;
	bpf_map_update_elem(&FLOWS, &flow, &value, BPF_ANY);
	return 0;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	bpf_loop(entries, fill, NULL, 0);
	__sync_fetch_and_add(&packets, 1);
	return -1;
}

char _license[] SEC("license") = "GPL";
"""
FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
SAMPLE = re.compile(
    rb'flows_total\{saddr="10\.(\d+)\.(\d+)\.(\d+)",daddr="1\.1\.1\.1",sport="(\d+)",dport="0",protocol="(\d+)"\} (\d+)'
)
OTHER = 'flows_total{saddr="other",daddr="other",sport="other",dport="other",protocol="other"}'
TARGET = "/dynmon/dm/open-metrics"


def config(entries: int, limit: int = MILLION) -> dict[str, Any]:
    metadata = {"help": "Flows", "type": "counter", "series-limit": limit}
    return {
        "name": "flows",
        "code": CODE,
        "constants": {"entries": entries},
        "metric-configs": [
            {"name": "flows", "map-name": "FLOWS", "open-metrics-metadata": metadata},
            {"name": "packets", "variable": "packets"},
        ],
    }


def filled(client: httpx.Client, veth: Veth, entries: int, limit: int = MILLION) -> None:
    """Make a cube whose map has so many entries."""
    made = client.post("/dynmon/dm", json={"dataplane-config": {"ingress-path": config(entries, limit)}})
    assert 201 == made.status_code, made.text
    client.post("/attach", json={"cube": "dm", "port": veth.host})
    veth.send("ingress", FRAME)
    counted = "/dynmon/dm/metrics/ingress-metrics/packets/value"
    wait_until(lambda: [1] == client.get(counted).json(), "the packet to be counted", 30)


@pytest.fixture
def client(daemon: Daemon) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=daemon.api, trust_env=False, timeout=60) as client:
        yield client


def series(text: bytes) -> dict[int, tuple[int, bytes, int]]:
    """Port, protocol and value of each flow, by its number; each there once."""
    found = {}
    for line in text.splitlines():
        if not line.startswith(b"#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            one, two, three, port, protocol, value = match.groups()
            number = int(one) << 16 | int(two) << 8 | int(three)
            assert number not in found
            found[number] = int(port), protocol, int(value)
    return found


def expected(entries: int) -> dict[int, tuple[int, bytes, int]]:
    protocols = (b"17", b"6")
    return {
        number: (number & 0xFFFF, protocols[number % 2], number * number & 0xFFFFFFFFFFFFFFFF)
        for number in range(entries)
    }


@pytest.mark.parametrize("entries", [100, 20_000])
def test_a_scrape_is_compressed_for_who_takes_that(client: httpx.Client, veth: Veth, entries: int) -> None:
    """Whole or in parts, the text is the same."""
    filled(client, veth, entries)
    plain, pressed = (client.get(TARGET, headers={"accept-encoding": each}) for each in ("identity", "gzip"))

    assert expected(entries) == series(plain.content) == series(pressed.content)
    assert ("gzip", False) == (pressed.headers.get("content-encoding"), "content-encoding" in plain.headers)
    assert "Accept, Accept-Encoding" == plain.headers["vary"] == pressed.headers["vary"]
    assert (entries == 100) is ("content-length" in plain.headers)


def test_others_are_answered_while_a_million_series_are_scraped(veth: Veth, tmp_path: Path) -> None:
    """And the daemon's memory stays bounded; the longest wait is a benchmark's."""
    plain, pressed = tmp_path / "plain", tmp_path / "pressed"
    with (
        running_daemon(tmp_path / "daemon") as daemon,
        httpx.Client(base_url=daemon.api, trust_env=False, timeout=60) as client,
    ):
        filled(client, veth, MILLION)
        curl = ["curl", "-sf", "--noproxy", "*", f"{daemon.api}{TARGET}"]
        with subprocess.Popen([*curl, "-o", plain]) as process:
            waits = waits_while(daemon.port, process)
        subprocess.run([*curl, "-o", pressed, "-H", "Accept-Encoding: gzip"], check=True)
        peak = peak_bytes(daemon)

    assert expected(MILLION) == series(plain.read_bytes())
    assert plain.read_bytes() == gzip.decompress(pressed.read_bytes())
    assert statistics.median(waits) <= USUAL_WAIT_SECONDS
    assert peak <= MOST_BYTES


def peak_bytes(daemon: Daemon) -> int:
    """The most memory that the daemon had at any time."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def test_a_million_entries_are_a_thousand_series_with_right_totals(veth: Veth, tmp_path: Path) -> None:
    """Scrape after scrape the same thousand, whichever exposition; others are answered meanwhile."""
    with (
        running_daemon(tmp_path / "daemon") as daemon,
        httpx.Client(base_url=daemon.api, trust_env=False, timeout=60) as client,
    ):
        filled(client, veth, MILLION, LIMIT)
        curl = ["curl", "-sf", "--noproxy", "*", f"{daemon.api}{TARGET}", "-o", tmp_path / "first"]
        started = time.monotonic()
        with subprocess.Popen(curl) as process:
            waits = waits_while(daemon.port, process)
        took = time.monotonic() - started
        texts = [(tmp_path / "first").read_bytes(), client.get(TARGET).content]
        whole = client.get(f"{daemon.url}/metrics").text
        peak = peak_bytes(daemon)

    lines = [line.rpartition(" ") for line in texts[0].decode().splitlines() if not line.startswith("#")]
    assert LIMIT + 1 == len({labels for labels, _, _ in lines})
    assert OTHER in {labels for labels, _, _ in lines}
    assert SQUARES == sum(int(value) for _, _, value in lines)
    assert texts[0] == texts[1]
    assert f'dynmon_folded_series{{cube="dm",direction="ingress",metric="flows"}} {MILLION - LIMIT}' in whole
    assert took < MOST_SECONDS
    assert statistics.median(waits) <= USUAL_WAIT_SECONDS
    assert peak <= MOST_BYTES

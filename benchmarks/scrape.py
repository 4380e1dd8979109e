"""A map of a million entries, from the kernel to the client: ours, the kernel's own part of it, and what others do.

All in one run: a hash whose key has five fields, and maps of other types and sizes. The client throws away what
it gets, so that our side is what is measured.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import bcc_table
from benchmarks.bcc_compile import BccMissing
from benchmarks.figures import Figure
from dynmon.api.responses import BASE
from dynmon.bpf import BpfMap
from dynmon.metrics.scanning import batch_rows
from tests.daemon import Daemon, running_daemon

MILLION = 1_000_000
ROUNDS = 5
READ_BAR = 2.0
BCC_BAR = 10.0
MEMORY_BAR = 400e6
OTHERS_ROUNDS = 3
CLIENT_BYTES = 1 << 20
CODE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow { __be32 saddr, daddr; __be16 sport, dport; __u8 protocol; };
struct traffic { __u64 packets, bytes; __u32 errors, drops; };

struct {
	__uint(type, BPF_MAP_TYPE_%(kind)s);
	__uint(max_entries, %(entries)d);
	__type(key, %(key)s);
	__type(value, %(value)s);
} SCRAPED SEC(".maps");

/* It is filled from outside. */
SEC("tc")
int use(struct __sk_buff *skb)
{
	%(key)s key;

	__builtin_memset(&key, 0, sizeof(key));
	bpf_map_lookup_elem(&SCRAPED, &key);
	return -1;
}

char _license[] SEC("license") = "GPL";
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A map, and what it is called in the table; only of a big one the time is more than that of a request."""

    what: str
    entries: int
    kind: str = "HASH"
    key: str = "struct flow"
    value: str = "__u64"

    @property
    def code(self) -> str:
        """A program that has the map."""
        return CODE % asdict(self)

    @property
    def is_big(self) -> bool:
        """Whether the bar is for it."""
        return self.entries >= 100_000


FLOWS = Case("1 M flows", MILLION)
CASES = (
    FLOWS,
    Case("1 flow", 1),
    Case("1 k flows", 1_000),
    Case("100 k flows", 100_000),
    Case("array of 1 M", MILLION, "ARRAY", "__u32"),
    Case("1 M flows by CPU", MILLION, "PERCPU_HASH"),
    Case("1 M structs, 4 M samples", MILLION, value="struct traffic"),
)


def figures(scratch: Path) -> tuple[list[Figure], list[str]]:
    """What each case takes, against the kernel's read of the same map; for the first one also what others take."""
    found: list[Figure] = []
    with running_daemon(scratch / "scrape") as daemon:
        for case in CASES:
            found += _case(daemon, case)
        peak = _peak_bytes(daemon.process.pid)
    found.append(Figure("scrapes of 1 M series: peak memory", peak, "MB", bar="≤ 400 MB", holds=peak <= MEMORY_BAR))
    ours = next(each.ours for each in found if each.what == f"{FLOWS.what}: OpenMetrics")
    others, notes = _others(ours)
    return found + others, notes


def _peak_bytes(pid: int) -> int:
    """The most that the daemon itself ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def _others(ours: float) -> tuple[list[Figure], list[str]]:
    """What prometheus_client takes to write as many samples, and what BCC takes to read them for it."""
    scale = MILLION / bcc_table.ENTRIES
    alone = scale * statistics.median(bcc_table.seconds_alone() for _ in range(OTHERS_ROUNDS))
    what = f"{FLOWS.what}: OpenMetrics"
    found = [Figure(what, ours, "ms", alone, "prometheus_client alone, 100 k scaled")]
    try:
        theirs = scale * statistics.median(bcc_table.seconds_with_bcc(OTHERS_ROUNDS))
    except BccMissing as reason:
        return found, [f"not compared with BCC: {reason}"]
    holds = BCC_BAR * ours <= theirs
    found.append(Figure(what, ours, "ms", theirs, "BCC + prometheus_client, 100 k scaled", "≤ 0.1 x", holds))
    return found, []


def _case(daemon: Daemon, case: Case) -> list[Figure]:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
    with _cube(daemon, case) as (place, bpf_map), closing(connection):
        exposition, value = f"{BASE}/dynmon/scraped/open-metrics", f"{BASE}{place}/value"
        ways: dict[str, Callable[[], object]] = {
            "kernel": lambda: _kernel_read(bpf_map),
            "OpenMetrics": lambda: _get(connection, exposition, "identity"),
            "OpenMetrics, gzip": lambda: _get(connection, exposition, "gzip"),
            "JSON": lambda: _get(connection, value, "identity"),
        }
        times = _rounds(ways)
    read = times.pop("kernel")
    shown = [Figure(f"{case.what}: the kernel's read", read, "ms")]
    for name, seconds in times.items():
        has_bar = name == "OpenMetrics" and case.is_big
        bar = f"≤ {READ_BAR:g} x" if has_bar else ""
        holds = seconds <= READ_BAR * read if has_bar else None
        shown.append(Figure(f"{case.what}: {name}", seconds, "ms", read, "the kernel's read", bar, holds))
    return shown


@contextmanager
def _cube(daemon: Daemon, case: Case) -> Iterator[tuple[str, BpfMap]]:
    """A cube with a metric of the map, which is full."""
    metric = {
        "name": "flows",
        "map-name": "SCRAPED",
        "open-metrics-metadata": {"help": "Traffic", "type": "counter", "series-limit": 2 * MILLION},
    }
    config = {"name": "scraped", "code": case.code, "metric-configs": [metric]}
    with httpx.Client(base_url=daemon.api, trust_env=False, timeout=60) as client:
        body: dict[str, Any] = {"dataplane-config": {"ingress-path": config}}
        client.post("/dynmon/scraped", json=body).raise_for_status()
        try:
            with _newest_map() as bpf_map:
                _fill(bpf_map)
                yield "/dynmon/scraped/metrics/ingress-metrics/flows", bpf_map
        finally:
            client.delete("/dynmon/scraped")


def _newest_map() -> BpfMap:
    listed = subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, check=True).stdout
    return BpfMap.from_id(max(each["id"] for each in json.loads(listed) if each.get("name") == "SCRAPED"))


def _fill(bpf_map: BpfMap) -> None:
    info, chance = bpf_map.info, np.random.default_rng(6)
    keys = np.zeros((info.max_entries, info.key_size), np.uint8)
    numbers = np.arange(info.max_entries, dtype="<u4").view(np.uint8).reshape(-1, 4)
    keys[:, :4] = numbers
    if info.key_size > 4:
        keys[:, 4:12] = chance.integers(0, 256, (info.max_entries, 8), np.uint8)
        keys[:, 12] = chance.choice([1, 6, 17], info.max_entries)
    values = np.zeros((info.max_entries, bpf_map.value_stride), np.uint8)
    for start in range(0, values.shape[1], 8):
        values[:, start : start + 3] = chance.integers(0, 256, (info.max_entries, 3), np.uint8)
    for start in range(0, len(keys), 8192):
        bpf_map.update_batch(keys[start : start + 8192], values[start : start + 8192])


def _kernel_read(bpf_map: BpfMap) -> None:
    """All entries by batch calls of the daemon's size, into the same memory again and again."""
    rows, cursor = batch_rows(bpf_map), None
    keys = np.empty((rows, bpf_map.info.key_size), np.uint8)
    values = np.empty((rows, bpf_map.value_stride), np.uint8)
    seen = 0
    while True:
        count, cursor = bpf_map.lookup_batch(cursor, keys, values)
        seen += count
        if cursor is None:
            break
    assert seen == bpf_map.info.max_entries


def _get(connection: http.client.HTTPConnection, path: str, encoding: str) -> None:
    connection.request("GET", path, headers={"accept-encoding": encoding})
    answer = connection.getresponse()
    assert answer.status == 200
    into = memoryview(bytearray(CLIENT_BYTES))
    while answer.readinto(into):
        pass


def _rounds(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median time of each way, one after the other in each round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(ROUNDS):
        for name, way in ways.items():
            before = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - before)
    return {name: statistics.median(each) for name, each in times.items()}

"""What prometheus_client takes to write flows as OpenMetrics, with and without BCC that reads them from a map first."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from benchmarks import bcc_compile

ENTRIES = 100_000
LABELS = ("saddr", "daddr", "sport", "dport", "protocol")
Flow = tuple[tuple[str, ...], int]
# As an exporter on BCC does it: each entry of the table becomes Python objects, its fields become text.
CHILD = """
import ctypes, socket, struct, sys, time
sys.path.append({site_packages!r})
from bcc import BPF
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
program = BPF(text='''
#include <uapi/linux/bpf.h>
struct flow {{ u32 saddr, daddr; u16 sport, dport; u8 protocol; }};
BPF_HASH(FLOWS, struct flow, u64, {entries});
int probe(struct __sk_buff *ctx)
{{
	struct flow flow = {{}};
	return FLOWS.lookup(&flow) ? 1 : -1;
}}
''')
program.load_func("probe", BPF.SCHED_CLS)
table = program["FLOWS"]
for number in range({entries}):
    key = table.Key(socket.htonl(0x0a000000 + number), 0x01010101, number & 0xffff, 80, 6)
    table[key] = table.Leaf(number)

class Flows:
    def collect(self):
        family = CounterMetricFamily("flows", "Traffic", labels={labels!r})
        for key, value in table.items():
            labels = (
                socket.inet_ntoa(struct.pack("=I", key.saddr)), socket.inet_ntoa(struct.pack("=I", key.daddr)),
                str(socket.ntohs(key.sport)), str(socket.ntohs(key.dport)), str(key.protocol),
            )
            family.add_metric(labels, value.value)
        yield family

registry = CollectorRegistry()
registry.register(Flows())
generate_latest(registry)
before = time.monotonic()
assert generate_latest(registry).count(b"\\n") == {entries} + 3
print(time.monotonic() - before)
"""


class _Ready(Collector):
    """A family whose samples are Python objects already."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self._family = CounterMetricFamily("flows", "Traffic", labels=LABELS)
        for labels, value in flows:
            self._family.add_metric(labels, value)

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield self._family


def seconds_alone() -> float:
    """How long prometheus_client takes to write `ENTRIES` samples that it is handed."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ready(_flows()))
    before = time.monotonic()
    assert generate_latest(registry).count(b"\n") == ENTRIES + 3
    return time.monotonic() - before


def seconds_with_bcc(rounds: int) -> list[float]:
    """The same from a map, read by BCC; in processes of their own.

    Raises:
        BccMissing: BCC cannot work here.
    """
    bcc_compile.check()
    site_packages = str(Path(prometheus_client.__file__).parent.parent)
    code = CHILD.format(site_packages=site_packages, entries=ENTRIES, labels=LABELS)
    return [float(bcc_compile.run(code)) for _ in range(rounds)]


def _flows() -> Iterable[Flow]:
    for number in range(ENTRIES):
        address = socket.inet_ntoa(struct.pack(">I", 0x0A000000 + number))
        yield (address, "1.1.1.1", str(number & 0xFFFF), "80", "6"), number

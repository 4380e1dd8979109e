"""Histograms of packets of known sizes, from each source and of each type, as Prometheus' own queries give them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dynmon.client import DynmonClient
from tests import packets
from tests.daemon import Daemon
from tests.prometheus import FORMATS, Prometheus, jobs_of, running_prometheus
from tests.support import eventually, needs, veth_pair

pytestmark = needs("kernel", "clang", "tcx", "prometheus")

LEAST, TIMES = 60, 3
# What a frame has beyond the least: zero, on both sides of every bound below, and above them all.
VALUES = [0, 1, 2, 3, 4, 7, 8, 63, 64, 65, 99, 100, 101, 127, 128, 255, 256, 300, 301, 511, 512, 1023, 1024, 1400, 1401]
FRAMES = [packets.ethernet(packets.raw(bytes(LEAST - 14 + value), 0x88B5)) for value in VALUES]
PARITIES = {"false": [value for value in VALUES if not value % 2], "true": [value for value in VALUES if value % 2]}
EDGES = [0, 64, 512, 1400]
STEP = 100
DECLARED = """
struct sized { u16 odd; u16 slot; };
struct who { u16 odd; };
struct observed { u64 sum; u64 buckets[32]; u64 count; };
"""
HANDLER = """
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{{
	u32 value = md->packet_len - {least}, odd = value & 1, exp2 = bpf_log2l(value), step = (value + 99) / 100;
	u32 edge = value <= 0 ? 0 : value <= 64 ? 1 : value <= 512 ? 2 : value <= 1400 ? 3 : 4;
	u32 edge_key = value <= 0 ? 0 : value <= 64 ? 64 : value <= 512 ? 512 : value <= 1400 ? 1400 : 9999;
	{body}
	return RX_OK;
}}
"""


@dataclass(frozen=True)
class Buckets:
    """A type of buckets: the variables with a value's bucket, as an array and as a key have it, options and bounds."""

    in_array: str
    in_key: str
    options: dict[str, Any]
    bounds: list[float]


@dataclass(frozen=True)
class Source:
    """Where counts are: what declares the map, what counts one value, whether it has a sum, and which label."""

    declares: str
    counts: str
    has_sum: bool = False
    label: str = ""
    options: dict[str, Any] = field(default_factory=dict)


TYPES = {
    "exp2": Buckets("exp2", "exp2", {"bucket-min": 3, "bucket-max": 10}, [2.0**bits - 1 for bits in range(3, 11)]),
    "exp2zero": Buckets("exp2 * !!value", "exp2 * !!value", {"bucket-max": 8}, [2.0**bits - 1 for bits in range(9)]),
    "linear": Buckets(
        "step",
        "step",
        {"bucket-multiplier": STEP, "bucket-min": 1, "bucket-max": 14},
        [float(STEP * number) for number in range(1, 15)],
    ),
    "fixed": Buckets("edge", "edge_key", {"bucket-keys": EDGES}, list(map(float, EDGES))),
}
SOURCES = {
    "array": Source("BPF_HISTOGRAM({name});", "{name}.increment({array});"),
    "key": Source(
        "BPF_HASH({name}, struct sized);",
        "{{ struct sized key = {{ .odd = odd, .slot = {key} }}; {name}.increment(key); }}",
        label="odd",
        options={"key-labels": [{"name": "odd", "decoders": ["bool"]}]},
    ),
    "struct": Source(
        "BPF_ARRAY({name}, struct observed, 2);",
        "{{ struct observed *found = {name}.lookup(&odd);"
        " if (found) {{ found->sum += value; found->count++; found->buckets[({array}) & 31]++; }} }}",
        has_sum=True,
        label="index",
        options={"index-names": ["false", "true"]},
    ),
    "dialect": Source(
        "BPF_LABELED_HISTOGRAM({name}, struct who);",
        "{{ struct who who = {{ .odd = odd }}; {name}.observe(&who, value); }}",
        has_sum=True,
        label="odd",
        options={"key-labels": [{"name": "odd", "decoders": ["bool"]}]},
    ),
}
# The dialect's macro has buckets of powers of two.
CASES = [(source, kind) for source in SOURCES for kind in TYPES if source != "dialect" or kind.startswith("exp2")]
IDS = [f"{source}-{kind}" for source, kind in CASES]


def path() -> dict[str, Any]:
    """Code with a histogram for each case, which `metric-configs` call by source and type."""
    declares, counts, metrics = [DECLARED], [], []
    for source, kind in CASES:
        name, buckets = f"{source}_{kind}".upper(), TYPES[kind]
        declares.append(SOURCES[source].declares.format(name=name))
        counts.append(SOURCES[source].counts.format(name=name, array=buckets.in_array, key=buckets.in_key))
        metadata = {"type": "histogram", "help": "Sizes", "bucket-type": kind, **buckets.options}
        metrics.append(
            {
                "name": f"{source}_{kind}_bytes",
                "map-name": name,
                "open-metrics-metadata": {**metadata, **SOURCES[source].options},
            }
        )
    body = "\n\t".join(counts)
    code = "\n".join(declares) + HANDLER.format(least=LEAST, body=body)
    return {"code": code, "metric-configs": metrics}


@pytest.fixture(scope="module")
def server(shared_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a cube after so many packets, as the tests of the module ask for."""
    with (
        veth_pair() as veth,
        DynmonClient(shared_daemon.url) as client,
        running_prometheus(tmp_path_factory.mktemp("histograms") / "prometheus", jobs_of(shared_daemon.url)) as server,
    ):
        client.create("sizes", {"dataplane-config": {"ingress-path": path()}})
        client.attach("sizes", veth.host)
        for times in range(1, TIMES + 1):
            veth.send("ingress", *FRAMES)
            eventually(lambda: counted(client), times * len(FRAMES))
        server.wait_for_scrape()
        yield server


def counted(client: DynmonClient) -> int:
    return sum(client.metric_value("sizes", "ingress", "array_exp2_bytes"))


def observed(server: Prometheus, job: str, name: str, label: str) -> dict[str, dict[float, float]]:
    """The counts by bound, for each value of the label; for a histogram without, that of ``""``."""
    found: dict[str, dict[float, float]] = {}
    for labels, count in server.query(f'{name}_bucket{{job="{job}"}}').items():
        named = dict(labels)
        found.setdefault(named.get(label, ""), {})[float(named["le"])] = count
    return found


def numbers(server: Prometheus, sample: str, job: str, label: str) -> dict[str, float]:
    """A sample of each series of a histogram, by its label."""
    return {dict(labels).get(label, ""): value for labels, value in server.query(f'{sample}{{job="{job}"}}').items()}


def estimate(values: list[int], bounds: list[float]) -> float:
    """The sum of what is in buckets, each value in the middle of its own, or at the last bound if above that."""
    middles = {upper: (lower + upper) / 2 for lower, upper in itertools.pairwise([0.0, *bounds])}
    return sum(next((middle for bound, middle in middles.items() if value <= bound), bounds[-1]) for value in values)


@pytest.mark.parametrize("job", FORMATS)
@pytest.mark.parametrize(("source", "kind"), CASES, ids=IDS)
def test_every_bucket_sum_and_count(server: Prometheus, source: str, kind: str, job: str) -> None:
    name, bounds = f"{source}_{kind}_bytes", TYPES[kind].bounds
    label, has_sum = SOURCES[source].label, SOURCES[source].has_sum
    parts = {each: TIMES * values for each, values in (PARITIES if label else {"": VALUES}).items()}

    assert observed(server, job, name, label) == {
        each: {bound: sum(value <= bound for value in values) for bound in [*bounds, math.inf]}
        for each, values in parts.items()
    }
    assert numbers(server, f"{name}_count", job, label) == {each: len(values) for each, values in parts.items()}
    assert numbers(server, f"{name}_sum", job, label) == {
        each: sum(values) if has_sum else estimate(values, bounds) for each, values in parts.items()
    }


@pytest.mark.parametrize(("source", "kind"), CASES, ids=IDS)
def test_prometheus_knows_a_histogram(server: Prometheus, source: str, kind: str) -> None:
    """Its type is known in both formats, and a quantile is taken from its buckets without a warning."""
    name = f"{source}_{kind}_bytes"
    bounds = TYPES[kind].bounds

    assert {"histogram"} == {server.metadata(job)[name] for job in FORMATS}
    middle = server.value(f'histogram_quantile(0.5, sum by (le) ({name}_bucket{{job="text"}}))')
    exact = sorted(VALUES)[len(VALUES) // 2]
    assert next(bound for bound in bounds if exact <= bound) >= middle > max([0.0, *(b for b in bounds if b < exact)])

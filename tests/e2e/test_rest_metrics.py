"""Reads that empty a map, reads that must not, and the exposition of the whole daemon."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests import packets
from tests.daemon import Daemon
from tests.support import Veth, wait_until

CODE = """
BPF_QUEUE(SIZES, u32, 64);
BPF_ARRAY(PACKETS, u64, 1);
BPF_ARRAY(TOTAL, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int key = 0;
	u32 size = md->packet_len;
	u64 *count = PACKETS.lookup(&key), *total = TOTAL.lookup(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	if (total)
		__sync_fetch_and_add(total, 1);
	SIZES.push(&size, 0);
	return RX_OK;
}
"""
COUNTER = {"help": "Packets", "type": "counter"}
CONFIG = {
    "name": "drains",
    "code": CODE,
    "metric-configs": [
        {"name": "sizes", "map-name": "SIZES", "open-metrics-metadata": {"help": "Sizes", "type": "gauge"}},
        {
            "name": "packets_total",
            "map-name": "PACKETS",
            "extraction-options": {"empty-on-read": True},
            "open-metrics-metadata": COUNTER,
        },
        {"name": "total", "map-name": "TOTAL", "open-metrics-metadata": COUNTER},
    ],
}
FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
SENT = 5


@pytest.fixture(params=["ingress", "egress"])
def direction(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def http(daemon: Daemon, veth: Veth, direction: str) -> Iterator[httpx.Client]:
    """A client of a cube that has seen five packets."""
    with httpx.Client(base_url=daemon.api, trust_env=False, timeout=30) as client:
        made = client.post("/dynmon/dm", json={"dataplane-config": {f"{direction}-path": CONFIG}})
        assert 201 == made.status_code, made.text
        client.post("/attach", json={"cube": "dm", "port": veth.host})
        veth.send(direction, FRAME, count=SENT)
        total = f"/dynmon/dm/metrics/{direction}-metrics/total/value"
        wait_until(lambda: [SENT] == client.get(total).json(), "the packets to be counted")
        yield client


def held(http: httpx.Client, direction: str) -> tuple[list[int], list[int]]:
    """What the two maps hold that a read empties; this empties them."""
    place = f"/dynmon/dm/metrics/{direction}-metrics"
    return http.get(f"{place}/sizes/value").json(), http.get(f"{place}/packets_total/value").json()


FULL = ([len(FRAME)] * SENT, [SENT])
EMPTY = ([], [0])


@pytest.mark.parametrize(
    "path",
    [
        "/dynmon/dm",
        "/dynmon",
        "/cubes",
        "/topology",
        "/metrics",
        "/dynmon/dm/dataplane-config",
        "/dynmon/dm/dataplane-config/{direction}-path/metric-configs/sizes",
        "/dynmon/dm/metrics/{direction}-metrics/sizes/timestamp",
        "/dynmon/dm/metrics/{direction}-metrics/packets_total/timestamp",
        "/dynmon/dm/metrics/{direction}-metrics/sizes/name",
    ],
)
def test_a_look_changes_nothing(http: httpx.Client, direction: str, path: str) -> None:
    for _ in range(2):
        assert 200 == http.get(path.format(direction=direction)).status_code

    assert FULL == held(http, direction)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["", "/{direction}-metrics", "/{direction}-metrics/sizes", "/../open-metrics"])
def test_methods_without_values_change_nothing(http: httpx.Client, direction: str, method: str, path: str) -> None:
    place = f"/dynmon/dm/metrics{path}".replace("/metrics/..", "").format(direction=direction)
    query = "?help=SHOW&completion" if method == "OPTIONS" else ""

    assert 200 == http.request(method, place + query).status_code
    assert FULL == held(http, direction)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/{direction}-metrics"])
def test_a_read_of_all_values_empties(http: httpx.Client, direction: str, path: str) -> None:
    body = http.get("/dynmon/dm" + path.format(direction=direction)).json()
    metrics = body if isinstance(body, list) else body[f"{direction}-metrics"]

    assert [FULL[0], FULL[1], [SENT]] == [metric["value"] for metric in metrics]
    assert EMPTY == held(http, direction)


@pytest.mark.parametrize("leaf", ["", "/value"])
def test_a_read_of_one_value_empties_it_alone(http: httpx.Client, direction: str, leaf: str) -> None:
    body = http.get(f"/dynmon/dm/metrics/{direction}-metrics/sizes{leaf}").json()

    assert FULL[0] == (body if leaf else body["value"])
    assert (EMPTY[0], FULL[1]) == held(http, direction)


def test_a_queue_that_is_not_read_says_so(http: httpx.Client, direction: str) -> None:
    sizes, packets_total, _ = http.get("/dynmon/dm").json()["metrics"][f"{direction}-metrics"]

    assert ["name", "unread", "timestamp"] == list(sizes)
    assert "queue" in sizes["unread"]
    assert FULL[1] == packets_total["value"]


def test_timestamps_are_microseconds(http: httpx.Client, direction: str) -> None:
    stamps = [http.get(f"/dynmon/dm/metrics/{direction}-metrics/total/timestamp").json() for _ in range(2)]

    assert 1_600_000_000_000_000 < stamps[0] < stamps[1] < 10_000_000_000_000_000


def test_the_text_of_a_cube(http: httpx.Client, direction: str) -> None:
    response = http.get("/dynmon/dm/open-metrics")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse_openmetrics(response.text)
        for sample in family.samples
    }

    assert "application/openmetrics-text; version=1.0.0; charset=utf-8" == response.headers["content-type"]
    assert SENT == samples[("total_total",)]
    assert len(FRAME) == samples[("sizes", "0")]
    # What a scrape takes out of a queue still waits for whoever reads it.
    assert SENT == samples[("packets_total",)]
    assert FULL == held(http, direction)


def test_the_older_text_for_those_who_ask(http: httpx.Client) -> None:
    for path in ("/dynmon/dm/open-metrics", "/metrics"):
        response = http.get(path, headers={"Accept": "text/plain"})
        names = {sample.name for family in parse_text(response.text) for sample in family.samples}

        assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["content-type"]
        assert "total_total" in names


@pytest.mark.parametrize("base", ["", "/polycube/v1"])
def test_the_whole_daemon(http: httpx.Client, daemon: Daemon, direction: str, base: str) -> None:
    """Two cubes with the same code are told apart, and the daemon counts itself."""
    http.post("/dynmon/other", json={"dataplane-config": {f"{direction}-path": CONFIG}})
    http.put("/dynmon/dm/dataplane-config", json={"ingress-path": {"name": "x", "code": "nonsense"}})

    response = httpx.get(f"{daemon.url}{base}/metrics", trust_env=False)
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_openmetrics(response.text)
        for sample in family.samples
    }

    def total(cube: str) -> float:
        return samples[("total_total", (("cube", cube), ("direction", direction)))]

    assert (SENT, 0) == (total("dm"), total("other"))
    assert 2 == samples[("dynmon_cubes", ())]
    assert samples[("dynmon_injections_total", (("result", "ok"),))] >= 2
    assert samples[("dynmon_injections_total", (("result", "compile"),))] >= 1
    assert samples[("process_resident_memory_bytes", ())] > 1 << 20
    route = (("method", "POST"), ("route", "/polycube/v1/dynmon/{name}"), ("status", "201"))
    assert samples[("dynmon_http_requests_total", route)] >= 2

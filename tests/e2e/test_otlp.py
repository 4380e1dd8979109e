"""The daemon pushes to a collector, which is a real HTTP server that decodes what comes."""

from __future__ import annotations

import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from dynmon.client import DynmonClient
from tests import packets
from tests.daemon import DYNMOND, Daemon, running_daemon
from tests.probes import FLOWS_AND_LENGTHS, FLOWS_AND_LENGTHS_METRICS, PACKETS_AND_SIZES
from tests.serving import Answer, serving
from tests.support import Veth, eventually, needs, wait_until

pytestmark = needs("kernel", "clang", "tcx")

FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
CUMULATIVE = 2


def metric(name: str, map_name: str, kind: str, **options: bool) -> dict[str, Any]:
    return {
        "name": name,
        "map-name": map_name,
        "extraction-options": options,
        "open-metrics-metadata": {"help": name, "type": kind},
    }


CONFIG = {
    "ingress-path": {
        "code": PACKETS_AND_SIZES,
        "metric-configs": [
            metric("packets_total", "PACKETS", "counter", **{"empty-on-read": True, "swap-on-read": True}),
            metric("sizes", "SIZES", "gauge"),
        ],
    }
}


class Collector:
    """Takes pushes; `answer` is the status that it gives."""

    def __init__(self) -> None:
        self.pushes: queue.Queue[dict[str, Any]] = queue.Queue()
        self.resource: dict[str, str] = {}
        self.paths: set[str] = set()
        self.answer = 200
        self.refusals = 0

    def take(self, path: str, body: bytes) -> Answer:
        """A push."""
        if self.answer != 200:
            self.refusals += 1
            return Answer(self.answer)
        [resource] = ExportMetricsServiceRequest.FromString(body).resource_metrics
        self.resource = {each.key: each.value.string_value for each in resource.resource.attributes}
        self.paths.add(path)
        self.pushes.put({metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics})
        return Answer(200)

    def next(self) -> dict[str, Any]:
        """The metrics of a push that comes after this call, by their names."""
        while not self.pushes.empty():
            self.pushes.get_nowait()
        self.pushes.get(timeout=10)  # it may have begun before
        return self.pushes.get(timeout=10)


@contextmanager
def listening(collector: Collector) -> Iterator[str]:
    with serving(collector.take) as address:
        yield f"http://{address}"


@contextmanager
def monitored(daemon: Daemon, veth: Veth, config: dict[str, Any] = CONFIG) -> Iterator[DynmonClient]:
    """A daemon with a cube at an interface."""
    with DynmonClient(daemon.url) as client:
        client.create("monitor", {"dataplane-config": config})
        client.attach("monitor", veth.host)
        yield client


def number(push: dict[str, Any], name: str, **wanted: str) -> Any:
    """The only point of a sum or gauge that has these labels."""
    points = push[name].sum.data_points or push[name].gauge.data_points
    [point] = [
        point
        for point in points
        if wanted.items() <= {each.key: each.value.string_value for each in point.attributes}.items()
    ]
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double


@pytest.fixture
def collector() -> Collector:
    return Collector()


def test_what_is_pushed_is_exact_and_takes_nothing_from_others(state_root: Path, veth: Veth, collector) -> None:
    with (
        listening(collector) as url,
        running_daemon(state_root / "pushing", "--otlp", url, "--otlp-interval", "1") as daemon,
        monitored(daemon, veth) as client,
    ):
        began = time.time_ns()
        starts = []
        for total in (7, 14):
            veth.send("ingress", FRAME, count=7)
            push = collector.next()
            starts.append(push["packets"].sum.data_points[0].start_time_unix_nano)

            assert total == number(push, "packets", cube="monitor", direction="ingress")
            assert total == number(push, "sizes", cube="monitor", key=str(len(FRAME)))
            assert 1 == number(push, "dynmon_cubes")
            assert [7] == client.metric_value("monitor", "ingress", "packets_total")

        sums = push["packets"].sum
        assert (True, CUMULATIVE) == (sums.is_monotonic, sums.aggregation_temporality)
        assert starts[0] == starts[1] <= began < sums.data_points[0].time_unix_nano
        durations = push["dynmon_http_request_duration_seconds"].histogram.data_points
        assert all(sum(point.bucket_counts) == point.count for point in durations)
        assert {"/v1/metrics"} == collector.paths
        assert ("dynmond", True) == (collector.resource["service.name"], "host.name" in collector.resource)


def test_histograms_summaries_and_fields_of_structs_are_pushed(state_root: Path, veth: Veth, collector) -> None:
    """Each bucket by itself, as OTLP has them, with their bounds; a summary's sum and count are sums."""
    path = {"code": FLOWS_AND_LENGTHS, "metric-configs": FLOWS_AND_LENGTHS_METRICS}
    lengths = [60, 63, 64, 127, 128, 1514]
    frames = [packets.ethernet(packets.raw(bytes(length - 14), 0x88B5)) for length in lengths]
    with (
        listening(collector) as url,
        running_daemon(state_root / "distributions", "--otlp", url, "--otlp-interval", "1") as daemon,
        monitored(daemon, veth, {"ingress-path": path}) as client,
    ):
        veth.send("ingress", *frames)
        eventually(lambda: client.metric_value("monitor", "ingress", "all")[0]["count"], len(frames))
        push = collector.next()

    [point] = push["lengths_bytes"].histogram.data_points
    labels = {each.key: each.value.string_value for each in point.attributes}
    assert {"cube": "monitor", "direction": "ingress", "saddr": "10.1.0.1", "protocol": "17"} == labels
    assert [2.0**bits - 1 for bits in range(1, 11)] == list(point.explicit_bounds)
    assert [0] * 5 + [2, 2, 1, 0, 0, 1] == list(point.bucket_counts)
    assert (len(frames), sum(lengths)) == (point.count, point.sum)
    assert "By" == push["lengths_bytes"].unit
    assert CUMULATIVE == push["lengths_bytes"].histogram.aggregation_temporality
    assert (len(frames), sum(lengths)) == (number(push, "all_bytes_count"), number(push, "all_bytes_sum"))
    assert (len(frames), sum(lengths)) == (number(push, "flows_packets"), number(push, "flows_bytes"))
    assert push["flows_last_seen"].WhichOneof("data") == "gauge"


def test_the_end_of_the_daemon_is_a_push(state_root: Path, veth: Veth, collector: Collector) -> None:
    with (
        listening(collector) as url,
        running_daemon(state_root / "ending", "--otlp", f"{url}/elsewhere", "--otlp-interval", "3600") as daemon,
    ):
        with monitored(daemon, veth):
            veth.send("ingress", FRAME, count=5)
        assert 0 == daemon.end()

        assert 5 == number(collector.pushes.get_nowait(), "packets")
        assert collector.pushes.empty()
        assert {"/elsewhere"} == collector.paths


def test_a_failure_is_said_once_and_the_next_push_has_everything(state_root: Path, veth: Veth, collector) -> None:
    collector.answer = 400
    with (
        listening(collector) as url,
        running_daemon(state_root / "failing", "--otlp", url, "--otlp-interval", "1") as daemon,
        monitored(daemon, veth),
    ):
        veth.send("ingress", FRAME, count=3)
        wait_until(lambda: "cannot be pushed" in daemon.log(), "the failure to be said")
        wait_until(lambda: collector.refusals > 2, "more pushes to fail")
        veth.send("ingress", FRAME, count=3)
        collector.answer = 200

        assert 6 == number(collector.next(), "packets")
        eventually(lambda: daemon.log().count("metrics are pushed to"), 1)
        assert 1 == daemon.log().count("cannot be pushed")
        assert f"metrics cannot be pushed to {url}/v1/metrics: Failed to export metrics batch code: 400" in daemon.log()


def test_a_collector_that_does_not_answer_keeps_no_daemon_from_its_end(state_root: Path) -> None:
    """Neither one that takes the connection and says nothing, nor one that is not there."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        ports = [silent.server_address[1], 1]
        for port in ports:
            url = f"http://127.0.0.1:{port}"
            with running_daemon(state_root / f"silent{port}", "--otlp", url, "--otlp-interval", "1") as daemon:
                began = time.monotonic()
                assert 0 == daemon.end()
                assert time.monotonic() - began < 10


def test_without_the_sdk_the_daemon_says_what_to_install(state_root: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from dynmon.daemon import main\n"
        f"sys.exit(main(['--port', '0', '--state-dir', {str(state_root / 'bare')!r}, '--otlp', 'http://localhost']))"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)

    assert (1, "") == (outcome.returncode, outcome.stdout)
    assert outcome.stderr.startswith("dynmond: cannot push to a collector without OpenTelemetry's SDK")
    assert "pip install 'dynmon[otlp]'" in outcome.stderr


def test_the_sdk_is_not_imported_unless_it_is_used() -> None:
    code = "import sys, dynmon.daemon; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)

    assert "[]\n" == outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--otlp", "localhost:4318"),
        ("--otlp", "ftp://localhost"),
        ("--otlp", "http://"),
        ("--otlp", "http://localhost:99999"),
        ("--otlp", "http://localhost", "--otlp-interval", "0"),
        ("--otlp", "http://localhost", "--otlp-interval", "soon"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    outcome = subprocess.run([DYNMOND, *arguments], capture_output=True, text=True, timeout=30, check=False)

    assert 2 == outcome.returncode
    assert "argument --otlp" in outcome.stderr

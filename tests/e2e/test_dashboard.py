"""The expressions of a dashboard are asked of a real Prometheus, and give the numbers that its panels would show."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dynmon.cli.dashboard import dashboard_of
from dynmon.client import DynmonClient
from tests.daemon import Daemon
from tests.probes import FLOWS_AND_LENGTHS, FLOWS_AND_LENGTHS_METRICS
from tests.prometheus import Labels, Prometheus
from tests.serving import Answer, serving
from tests.support import Veth, needs, run

pytestmark = needs("kernel", "clang", "tcx", "prometheus")

DYNMON = Path(sys.executable).parent / "dynmon"
SAMPLE = re.compile(r"^([^#].*) (\S+)$", re.MULTILINE)
RATES = 0.5  # of the same counts, asked for one after the other
FRAME = bytes(12) + b"\x88\xb5" + bytes(46)


def shown(
    dashboard: dict[str, Any], server: Prometheus, job: str, instance: str
) -> dict[str, list[dict[Labels, float]]]:
    """What each panel shows: the answers to its queries, by its title."""
    variables = {"$job": job, "$instance": instance, "$__rate_interval": "1m"}

    def answer(expression: str) -> dict[Labels, float]:
        for name, value in variables.items():
            expression = expression.replace(name, value)
        return server.query(expression)

    return {
        panel["title"]: [answer(target["expr"]) for target in panel["targets"]]
        for panel in dashboard["panels"]
        if panel["type"] != "row"
    }


def test_a_cube_on_a_dashboard(daemon: Daemon, client: DynmonClient, veth: Veth, repository: Path, prometheus) -> None:
    client.create(
        "monitor", {"dataplane-config": json.loads((repository / "examples/packet_counter.json").read_text())}
    )
    client.attach("monitor", veth.host)
    printed = run(str(DYNMON), "dashboard", "monitor", "--url", daemon.url)
    server = prometheus(daemon.url)
    server.wait_for_scrape()
    veth.send("ingress", FRAME, count=30)
    server.wait_for_scrape()
    dashboard = json.loads(printed)

    [job, instance] = (each["query"]["query"] for each in dashboard["templating"]["list"][1:])
    series = job.removeprefix("label_values(").removesuffix(", job)")
    [labels, _] = server.query(series)
    found = shown(dashboard, server, "openmetrics", dict(labels)["instance"])
    assert 0 < next(iter(found["packets"][0].values())) <= 30
    assert [1.0] == list(found["Attached"][0].values())
    assert [0.0] * len(found["Failures"][0]) == list(found["Failures"][0].values())
    assert {"Maps", "Time of a read", "Time of a run", "Failures", "Attached", "packets"} == set(found)
    assert f'label_values({series[:-1]},job="$job"}}, instance)' == instance


def test_structs_and_histograms_on_a_dashboard(daemon: Daemon, client: DynmonClient, veth: Veth, prometheus) -> None:
    """Rates of the fields, the time of the last packet as it is, quantiles in the bucket of all lengths, means."""
    path = {"code": FLOWS_AND_LENGTHS, "metric-configs": FLOWS_AND_LENGTHS_METRICS}
    client.create("monitor", {"dataplane-config": {"ingress-path": path}})
    client.attach("monitor", veth.host)
    server = prometheus(daemon.url)
    for count in (10, 20):
        veth.send("ingress", FRAME, count=count)
        server.wait_for_scrape()
    dashboard = json.loads(run(str(DYNMON), "dashboard", "monitor", "--url", daemon.url))
    found = shown(dashboard, server, "openmetrics", daemon.url.removeprefix("http://"))

    numbers = {title: [list(each.values()) for each in answers] for title, answers in found.items()}
    [[packets]], [[sizes]], [[last_seen]] = (numbers[f"flows_{name}"] for name in ("packets", "bytes", "last_seen"))
    assert len(FRAME) == pytest.approx(sizes / packets, rel=RATES)
    assert 0 <= time.monotonic_ns() - last_seen < 60e9
    for title in ("lengths_bytes count", "all_bytes count"):
        assert [[pytest.approx(packets, rel=RATES)]] == numbers[title]
    assert [[pytest.approx(len(FRAME))]] == numbers["all_bytes"]
    assert all(32 < quantile <= 63 for [quantile] in numbers["lengths_bytes quantiles"])
    heat = {dict(labels)["le"]: rate for labels, rate in found["lengths_bytes ingress"][0].items()}
    assert 0 == heat["31.0"] < heat["63.0"] == heat["+Inf"] == pytest.approx(packets, rel=RATES)


@contextmanager
def growing(text: str) -> Iterator[str]:
    """Serve an exposition in which each number is as many times as great as it was asked for so often."""
    numbers = itertools.count(1)

    def answer(*_: object) -> Answer:
        asked = next(numbers)
        body = SAMPLE.sub(lambda line: f"{line[1]} {float(line[2]) * asked}", text)
        return Answer(200, body.encode(), "application/openmetrics-text; version=1.0.0; charset=utf-8")

    with serving(answer) as address:
        yield address


def test_panels_of_every_type_have_numbers(repository: Path, prometheus) -> None:
    """A quantile is where the buckets say; a mean is the sum through the count."""
    text = (repository / "tests/unit/cli/exposition.txt").read_text()
    with growing(text) as address:
        server = prometheus([{"job_name": "all", "static_configs": [{"targets": [address]}]}])
        server.wait_for_scrape()
        server.wait_for_scrape()
        found = shown(dashboard_of("monitor", text), server, "all", address)

    empty = {title for title, answers in found.items() if not all(answers)}
    assert {"nothing_yet", "Maps", "Time of a read", "Time of a run", "Failures", "Attached"} == empty
    quantiles = [next(iter(each.values())) for each in found["latency_seconds quantiles"]]
    assert [0.001, 0.0018, 0.00198] == pytest.approx(quantiles)
    assert 60 == pytest.approx(next(iter(found["sizes_bytes"][0].values())))
    assert {"0.001", "0.002", "+Inf"} == {dict(labels)["le"] for labels in found["latency_seconds ingress"][0]}


def test_a_cube_that_is_not_there(daemon: Daemon, tmp_path: Path) -> None:
    """Nothing is written."""
    target = tmp_path / "dashboard.json"
    command = [DYNMON, "dashboard", "nobody", "--url", daemon.url, "-o", target]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (1, "", "dynmon: cube 'nobody' does not exist\n") == (outcome.returncode, outcome.stdout, outcome.stderr)
    assert not target.exists()


def test_a_dashboard_goes_into_a_file(daemon: Daemon, client: DynmonClient, tmp_path: Path) -> None:
    client.create("monitor")
    run(str(DYNMON), "dashboard", "monitor", "--url", daemon.url, "-o", str(tmp_path / "dashboard.json"))

    assert "dynmon: monitor" == json.loads((tmp_path / "dashboard.json").read_text())["title"]

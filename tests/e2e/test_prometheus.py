"""Debian's Prometheus scrapes the daemon, and its queries give the packets that were sent."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dynmon.client import DynmonClient
from tests import packets
from tests.daemon import Daemon
from tests.kernel.metrics.test_awkward_labels import CORPUS
from tests.probes import PACKETS_AND_SIZES
from tests.prometheus import FORMATS, Prometheus
from tests.support import Veth, needs, run

pytestmark = needs("kernel", "clang", "tcx", "prometheus")

AWKWARD = 'a "quote", a \\ and\na second line'
METRICS = [
    {
        "name": "packets_total",
        "map-name": "PACKETS",
        "open-metrics-metadata": {
            "help": AWKWARD,
            "type": "counter",
            "labels": [{"name": "site", "value": AWKWARD}],
        },
    },
    {"name": "last_bytes", "map-name": "LAST", "open-metrics-metadata": {"help": "Size", "type": "gauge"}},
    {"name": "sizes", "map-name": "SIZES", "open-metrics-metadata": {"help": "By size", "type": "untyped"}},
]
NAME_BYTES = 12
NAMES = f"""
struct named {{ char name[{NAME_BYTES}]; }};
BPF_HASH(NAMES, struct named, u64, 256);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{{
	struct named key = {{}};

	if (!bpf_skb_load_bytes(ctx, 14, key.name, sizeof(key.name)))
		NAMES.increment(key);
	return RX_OK;
}}
"""
FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
SENT = {"ingress": 7, "egress": 5}
START = Callable[..., Prometheus]


@pytest.fixture
def monitor(client: DynmonClient, veth: Veth) -> Veth:
    """A cube that counts in both directions at an interface."""
    paths = {f"{way}-path": {"code": PACKETS_AND_SIZES, "metric-configs": METRICS} for way in SENT}
    client.create("monitor", {"dataplane-config": paths})
    client.attach("monitor", veth.host)
    return veth


def send(veth: Veth) -> None:
    for direction, count in SENT.items():
        veth.send(direction, FRAME, count=count)


def test_both_formats_give_exact_values(daemon: Daemon, monitor: Veth, prometheus: START) -> None:
    server = prometheus(daemon.url)
    for times in (1, 2):
        send(monitor)
        server.wait_for_scrape()

        for form in FORMATS:
            for direction, count in SENT.items():
                selector = f'{{job="{form}",cube="monitor",direction="{direction}"}}'
                assert times * count == server.value(f"packets_total{selector}")
                assert len(FRAME) == server.value(f"last_bytes{selector}")
                assert {str(len(FRAME)): times * count} == {
                    dict(labels)["key"]: value for labels, value in server.query(f"sizes{selector}").items()
                }
            [labels, _] = server.query(f'packets_total{{job="{form}"}}')
            assert AWKWARD == dict(labels)["site"]


def test_bytes_of_packets_are_labels_and_nothing_else(daemon, client, veth, prometheus) -> None:
    """Whatever is in a packet, both formats are taken, and each text is found with its packets."""
    names = {"name": "names", "map-name": "NAMES", "open-metrics-metadata": {"help": "Names", "type": "counter"}}
    client.create("monitor", {"dataplane-config": {"ingress-path": {"code": NAMES, "metric-configs": [names]}}})
    client.attach("monitor", veth.host)
    server = prometheus(daemon.url)
    padded = [name[:NAME_BYTES].ljust(NAME_BYTES, b"\0") for name in CORPUS]
    veth.send("ingress", *(packets.ethernet(packets.raw(name + bytes(46), 0x88B5)) for name in padded), count=3)
    server.wait_for_scrape()

    expected = Counter(name.partition(b"\0")[0].decode(errors="replace") for name in padded)
    for form in FORMATS:
        found = server.query(f'names_total{{job="{form}"}}')
        assert {dict(labels).get("name", ""): value for labels, value in found.items()} == {
            text: 3 * count for text, count in expected.items()
        }


def test_each_job_gets_the_format_it_asks_for(daemon: Daemon, monitor: Veth, prometheus: START) -> None:
    """OpenMetrics names the family of a counter, the older text its samples."""
    server = prometheus(daemon.url)
    server.wait_for_scrape()

    types = {form: server.metadata(form) for form in FORMATS}
    assert ("counter", "counter") == (types["openmetrics"]["packets"], types["text"]["packets_total"])
    assert types["openmetrics"].get("sizes") == "unknown"
    assert {"summary"} == {each["dynmon_metric_read_duration_seconds"] for each in types.values()}


def snippets(repository: Path, language: str) -> list[str]:
    page = (repository / "docs/how-to/prometheus.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def documented(repository: Path, daemon: Daemon) -> Callable[[int], list[dict[str, Any]]]:
    """The scrape_configs of a snippet of the page, for the daemon of the test."""

    def configs(number: int) -> list[dict[str, Any]]:
        text = snippets(repository, "yaml")[number].replace("127.0.0.1:9000", daemon.url.removeprefix("http://"))
        found: list[dict[str, Any]] = yaml.safe_load(text)["scrape_configs"]
        return found

    return configs


def test_the_documented_scrape_of_everything(daemon, monitor, prometheus, documented) -> None:
    server = prometheus(documented(0))
    send(monitor)
    server.wait_for_scrape()

    assert SENT["ingress"] == server.value('packets_total{job="dynmon",cube="monitor",direction="ingress"}')
    assert 1 == server.value("dynmon_cubes")


def test_discovery_gives_each_cube_a_target(daemon, client, monitor, prometheus, documented, veth) -> None:
    """Series are those of a scrape of everything; the interface that the page leaves out is left out."""
    client.create("left_out")
    client.attach("left_out", "lo")
    both = [*documented(1), {**documented(0)[0], "job_name": "whole"}]
    server = prometheus(both)
    send(monitor)
    server.wait_for_scrape()

    assert {None, "monitor"} == {dict(labels).get("cube") for labels in server.query('up{job="dynmon"} == 1')}
    for family in ("packets_total", "sizes", "last_bytes"):
        found, whole = (
            {(labels - {("job", job)}, value) for labels, value in server.query(f'{family}{{job="{job}"}}').items()}
            for job in ("dynmon", "whole")
        )
        assert found == whole
        assert len(SENT) == len(found)
    assert 2 == server.value('dynmon_cubes{job="dynmon"}')
    assert [] == [name for labels in server.query('{job="dynmon"}') for name in dict(labels) if "exported" in name]


def test_discovery_names_the_address_it_was_asked_at(daemon: Daemon, client: DynmonClient, monitor: Veth) -> None:
    found = httpx.get(f"{daemon.url}/sd", headers={"Host": "probe.example:80"}, trust_env=False)

    assert "application/json; charset=utf-8" == found.headers["content-type"]
    assert found.json() == [
        {"targets": ["probe.example:80"], "labels": {"__metrics_path__": "/metrics/daemon"}},
        {
            "targets": ["probe.example:80"],
            "labels": {
                "__metrics_path__": "/metrics/cubes/monitor",
                "__meta_dynmon_type": "TC",
                "__meta_dynmon_parent": monitor.host,
                "cube": "monitor",
            },
        },
    ]


def test_the_documented_expressions(repository, state_root, monitor, client, daemon, prometheus, documented) -> None:
    """Each is one that Prometheus takes; code that is timed takes less than a millisecond for each packet."""
    server = prometheus(documented(2))
    server.wait_for_scrape()
    send(monitor)
    server.wait_for_scrape()
    time_of_run, *alarms = snippets(repository, "promql")

    assert {"ingress", "egress"} == {
        dict(labels)["direction"] for labels, value in server.query(time_of_run).items() if 0 < value < 1e6
    }
    assert 4 == len(alarms)
    assert [{}] * 4 == [server.query(each) for each in alarms]


def test_the_documented_commands(repository: Path, daemon: Daemon, monitor: Veth, tmp_path: Path) -> None:
    """Each runs as it stands; the daemon that pushes is ended by hand in its own tests."""
    [dashboard, install, push] = [line for text in snippets(repository, "console") for line in text.splitlines()]
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "POLYCUBECTL_URL": daemon.url}
    run("bash", "-c", dashboard.removeprefix("$ "), cwd=tmp_path, env=environment)
    run("bash", "-c", f"{push.removeprefix('$ ')} --version", cwd=tmp_path, env=environment)
    extra = re.fullmatch(r"\$ pip install 'dynmon\[(\w+)\]'", install)

    assert "dynmon: monitor" == json.loads((tmp_path / "monitor.json").read_text())["title"]
    assert extra is not None
    assert extra[1] in metadata("dynmon").get_all("Provides-Extra", [])

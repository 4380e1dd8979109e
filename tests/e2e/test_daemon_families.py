"""What the daemon's exposition says of its cubes, and the parts that a scraper can have of it."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from dynmon.client import DynmonClient
from tests import packets
from tests.daemon import Daemon, running_daemon
from tests.probes import PACKETS_AND_SIZES
from tests.support import Veth, eventually, needs, run, wait_until

pytestmark = needs("kernel", "clang", "tcx")

# A record of an odd packet has less than its type.
EVENTS = """
struct event { u64 number; u32 length; u32 port; };
struct event *event_type;
BPF_RINGBUF_OUTPUT(EVENTS, 64);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct event event = { .length = md->packet_len };
	if (md->packet_len & 1)
		EVENTS.ringbuf_output(&event, 8, 0);
	else
		EVENTS.ringbuf_output(&event, sizeof(event), 0);
	return RX_OK;
}
"""
# The first slot counts up, the second one down.
SIGNED = """
BPF_HASH(SIZES, u32, u64, 32);
BPF_ARRAY(SIGNED, s64, 2);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 size = md->packet_len;
	SIZES.increment(size);
	SIGNED.increment(0);
	SIGNED.increment(1, -1);
	return RX_OK;
}
"""
FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
SENT, SIZES, ROOM = 30, 3, 32

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def metric(name: str, map_name: str, **options: bool) -> dict[str, Any]:
    return {
        "name": name,
        "map-name": map_name,
        "extraction-options": {key.replace("_", "-"): value for key, value in options.items()},
        "open-metrics-metadata": {"help": name, "type": "counter"},
    }


def scrape(daemon: Daemon, path: str = "/metrics") -> Samples:
    response = httpx.get(f"{daemon.url}{path}", trust_env=False)
    assert 200 == response.status_code, response.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_openmetrics(response.text)
        for sample in family.samples
    }


def labels(**pairs: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"cube": "probe", "direction": "ingress", **pairs}.items()))


@pytest.fixture
def probe(daemon: Daemon, client: DynmonClient, veth: Veth) -> Veth:
    """A cube at an interface that counts packets and their sizes, three of them."""
    metrics = [metric("sizes", "SIZES"), metric("windows", "SIZES", swap_on_read=True), metric("packets", "PACKETS")]
    path = {"name": "probe", "code": PACKETS_AND_SIZES, "metric-configs": metrics}
    client.create("probe", {"dataplane-config": {"ingress-path": path}})
    client.attach("probe", veth.host)
    return veth


def send(veth: Veth) -> None:
    veth.send("ingress", *(FRAME + bytes(extra) for extra in range(SIZES)), count=SENT // SIZES)


def test_runs_are_counted_and_timed_while_somebody_asks(daemon: Daemon, probe: Veth) -> None:
    send(probe)
    eventually(lambda: scrape(daemon)[("packets_total", labels())], SENT)
    before = scrape(daemon)
    scrape(daemon, "/metrics/daemon?bpf-stats=60")
    timed = scrape(daemon)
    send(probe)
    eventually(lambda: scrape(daemon)[("packets_total", labels())], 2 * SENT)
    after = scrape(daemon)

    assert (0, 1) == (before[("dynmon_program_timing", ())], timed[("dynmon_program_timing", ())])
    assert 0 == before[("dynmon_program_runs_total", labels())]
    assert SENT == after[("dynmon_program_runs_total", labels())]
    assert 0 < after[("dynmon_program_run_seconds_total", labels())] < 1
    assert 0 == after[("dynmon_program_runs_total", labels(direction="egress"))]


def test_timing_ends_by_itself(state_root: Path) -> None:
    """The kernel's switch is back where it was when the time that was asked for is over."""
    with running_daemon(state_root / "timing") as daemon:
        before = descriptors(daemon)
        scrape(daemon, "/metrics/daemon?bpf-stats=1")
        assert ["anon_inode:bpf-stats"] == sorted(descriptors(daemon) - before)

        wait_until(lambda: not descriptors(daemon) - before, "programs to be timed no more")


def descriptors(daemon: Daemon) -> Counter[str]:
    folder = Path(f"/proc/{daemon.process.pid}/fd")
    targets = [str(each.readlink()) for each in folder.iterdir() if each.is_symlink()]
    return Counter(target for target in targets if "bpf-stats" in target)


@pytest.mark.parametrize(
    "query", ["bpf-stats=0", "bpf-stats=x", "bpf-stats=3601", "bpf-stats=1&bpf-stats=2", "format=x"]
)
def test_a_query_without_meaning_is_refused(daemon: Daemon, query: str) -> None:
    response = httpx.get(f"{daemon.url}/metrics?{query}", trust_env=False)

    assert (400, query.partition("=")[0]) == (response.status_code, response.json()["parameter"])


def test_maps_say_how_full_they_are(daemon: Daemon, client: DynmonClient, probe: Veth) -> None:
    """Of what was read anyway; arrays are always full and say nothing."""
    send(probe)
    eventually(lambda: client.metric_value("probe", "ingress", "packets"), [SENT])
    samples = scrape(daemon)

    found = {key: value for key, value in samples.items() if key[0].startswith("dynmon_map")}
    sizes, windows = labels(metric="sizes"), labels(metric="windows")
    assert found == {
        **{("dynmon_map_entries", each): SIZES for each in (sizes, windows)},
        **{("dynmon_map_max_entries", each): ROOM for each in (sizes, windows)},
    }


def test_what_cannot_be_exported_is_counted_by_its_reason(daemon: Daemon, client: DynmonClient, veth: Veth) -> None:
    """A size that no expression matches makes no series, a counter below zero none either; the others are there."""
    names = [{"name": "size", "decoders": ["uint", {"name": "regexp", "regexps": [f"^{len(FRAME)}$"]}]}]
    metrics = [metric("one_size", "SIZES"), metric("signed", "SIGNED")]
    metrics[0]["open-metrics-metadata"]["key-labels"] = names
    client.create("probe", {"dataplane-config": {"ingress-path": {"code": SIGNED, "metric-configs": metrics}}})
    client.attach("probe", veth.host)
    send(veth)
    eventually(lambda: scrape(daemon).get(("one_size_total", labels(size=str(len(FRAME))))), SENT // SIZES)

    scrape(daemon)
    samples = scrape(daemon)
    found = {key[1]: value for key, value in samples.items() if key[0] == "dynmon_left_out_series"}
    assert found == {
        labels(metric="one_size", reason="no-match"): SIZES - 1,
        labels(metric="one_size", reason="no-count"): 0,
        labels(metric="signed", reason="no-match"): 0,
        labels(metric="signed", reason="no-count"): 1,
    }
    assert {("signed_total", labels(index="0")): SENT} == {
        key: value for key, value in samples.items() if key[0] == "signed_total"
    }


def test_reads_are_counted_and_timed(daemon: Daemon, client: DynmonClient, probe: Veth) -> None:
    before = scrape(daemon)
    for _ in range(3):
        client.metric("probe", "ingress", "packets")
    after = scrape(daemon)

    name = "dynmon_metric_read_duration_seconds"
    reads = {
        each: after[(f"{name}_count", labels(metric=each))] - before[(f"{name}_count", labels(metric=each))]
        for each in ("sizes", "windows", "packets")
    }
    assert {"sizes": 1, "windows": 1, "packets": 4} == reads
    assert 0 < before[(f"{name}_sum", labels(metric="packets"))] < after[(f"{name}_sum", labels(metric="packets"))] < 5
    assert 0 == after[("dynmon_metric_failed_reads_total", labels(metric="packets"))]


@pytest.mark.parametrize("listeners", [1, 2])
def test_events_are_counted_once_whoever_listens(
    daemon: Daemon, client: DynmonClient, veth: Veth, listeners: int
) -> None:
    """Also after the code was loaded once more; a record that is too short is one that was not decoded."""
    events = {"name": "seen", "map-name": "EVENTS", "type": "struct event"}
    client.create("probe", {"dataplane-config": {"ingress-path": {"code": EVENTS, "metric-configs": [events]}}})
    client.attach("probe", veth.host)
    with ExitStack() as clients:
        http = clients.enter_context(httpx.Client(trust_env=False, timeout=20))
        for _ in range(listeners):
            stream = clients.enter_context(http.stream("GET", f"{daemon.api}/dynmon/probe/events"))
            assert ": listening" == next(clients.enter_context(closing(stream.iter_lines())))
        veth.send("ingress", FRAME, count=SENT)
        client.set_loglevel("probe", "TRACE")
        veth.send("ingress", FRAME, FRAME + b"x", count=SENT)

        seen = labels(metric="seen")
        eventually(lambda: scrape(daemon)[("dynmon_events_total", seen)], 3 * SENT)
        samples = scrape(daemon)
    assert (SENT, 0) == (samples[("dynmon_undecoded_events_total", seen)], samples[("dynmon_lost_events_total", seen)])


def test_links_are_there_by_the_names_of_their_interfaces(daemon: Daemon, client: DynmonClient, probe: Veth) -> None:
    """A link that an administrator detaches shows; one that the cube left is gone."""
    assert 1 == scrape(daemon)[("dynmon_link_attached", labels(port=probe.host))]
    [link] = [each for each in client.hooks(probe.host)["ingress"] if each.get("cube") == "probe"]
    run("bpftool", "link", "detach", "id", str(link["link-id"]))
    assert 0 == scrape(daemon)[("dynmon_link_attached", labels(port=probe.host))]

    client.detach("probe", probe.host)
    assert "dynmon_link_attached" not in {name for name, _ in scrape(daemon)}


def test_an_interface_that_is_awaited_shows(daemon: Daemon, client: DynmonClient, probe: Veth) -> None:
    client.detach("probe", probe.host)
    client.request("POST", ("attach",), body={"cube": "probe", "port": probe.host, "on-return": "attach"})
    assert 1 == scrape(daemon)[("dynmon_link_attached", labels(port=probe.host))]
    run("ip", "link", "del", probe.host)

    eventually(lambda: scrape(daemon)[("dynmon_link_attached", labels(port=probe.host))], 0)


def test_the_parts_are_the_whole(daemon: Daemon, client: DynmonClient, probe: Veth) -> None:
    send(probe)
    client.create("other")
    everything = {key for key in scrape(daemon) if not key[0].startswith("dynmon_http")}
    own = {key for key in scrape(daemon, "/metrics/daemon") if not key[0].startswith("dynmon_http")}
    of_cubes = scrape(daemon, "/metrics/cubes/probe").keys() | scrape(daemon, "/metrics/cubes/other").keys()

    assert everything == own | of_cubes
    assert set() == own & of_cubes
    assert ("packets_total", labels()) in of_cubes


def test_a_cube_that_is_not_there_has_no_metrics(daemon: Daemon) -> None:
    assert 404 == httpx.get(f"{daemon.url}/metrics/cubes/nobody", trust_env=False).status_code


def test_the_query_decides_about_the_format(daemon: Daemon) -> None:
    for name, other, expected in (
        ("text", "application/openmetrics-text", "text/plain; version=0.0.4; charset=utf-8"),
        ("openmetrics", "text/plain", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ):
        response = httpx.get(f"{daemon.url}/metrics?format={name}", headers={"Accept": other}, trust_env=False)

        assert expected == response.headers["content-type"]

"""Monitors on ports, on many interfaces and by selectors, as typed and over REST, with tcx and without."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynmon.client import ApiError, DynmonClient, normalised_url
from tests.daemon import Daemon, running_daemon
from tests.e2e.test_namespaces import CONFIG, KERNELS, counts
from tests.e2e.test_polycubectl import Polycubectl
from tests.e2e.test_tools import Tool
from tests.expositions import parse_openmetrics
from tests.support import eventually, needs, run
from tests.switching import EVERYBODY, Host, hosts

pytestmark = needs("kernel", "clang", "tcx")

DROP = CONFIG["ingress-path"]["code"].replace("RX_OK", "RX_DROP")


@pytest.fixture(scope="module", params=KERNELS)
def daemon(state_root: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon with tcx, then one without."""
    with running_daemon(state_root / f"attaching-{request.param}", environment=KERNELS[request.param]) as daemon:
        yield daemon


@pytest.fixture
def client(daemon: Daemon) -> Iterator[DynmonClient]:
    with DynmonClient(daemon.url) as client:
        yield client
        for cube in itertools.chain.from_iterable(client.list().values()):
            client.request("DELETE", (cube["service-name"], cube["name"]))


@pytest.fixture
def polycubectl(client, daemon, tmp_path):
    return Polycubectl(normalised_url(daemon.url), tmp_path)


@pytest.fixture
def three() -> Iterator[list[Host]]:
    with hosts(3) as three:
        yield three


@pytest.fixture
def br1(client: DynmonClient, three: list[Host]) -> list[Host]:
    """A switch with three hosts at its ports toveth0 to toveth2."""
    ports = [{"name": f"toveth{number}", "peer": host.interface} for number, host in enumerate(three)]
    client.request("POST", ("simplebridge", "br1"), body={"ports": ports})
    return three


def shout(host: Host, count: int) -> None:
    """Frames that go to all other ports."""
    for number in range(count):
        host.send(EVERYBODY, data=bytes([number]))


def monitor(client: DynmonClient, *names: str) -> None:
    for name in names:
        client.create(name, {"dataplane-config": CONFIG})


def refusal(client: DynmonClient, *exchange: str, **body: object) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        client.request("POST", exchange, body=body)
    return caught.value.status, caught.value.detail


def test_a_monitor_on_a_port_as_typed(polycubectl, client, br1):
    """It counts what enters and leaves there, next to one on the peer."""
    first, second, third = br1
    monitor(client, "monitor", "wire")
    assert "" == polycubectl("attach monitor br1:toveth1")
    assert "" == polycubectl(f"attach wire {second.interface}")
    assert "br1:toveth1" == client.get("monitor")["parent"]
    assert [{"port": "br1:toveth1", "state": "attached"}] == json.loads(polycubectl("monitor attachments show -json"))
    shout(first, 4)
    shout(second, 3)
    shout(third, 2)
    for name in ("monitor", "wire"):
        eventually(lambda name=name: counts(client, name), [3, 6])
    ports = json.loads(polycubectl("br1 ports show -json"))
    assert {"toveth0": [], "toveth1": ["monitor"], "toveth2": []} == {each["name"]: each["tcubes"] for each in ports}

    assert "" == polycubectl("detach monitor br1:toveth1")
    shout(second, 5)
    eventually(lambda: counts(client, "wire"), [8, 6])
    assert ([3, 6], "") == (counts(client, "monitor"), client.get("monitor")["parent"])


@pytest.mark.parametrize("kind", ["TC", "XDP_SKB", "XDP_DRV"])
def test_the_published_chain_on_a_port(polycubectl, client, br1, kind):
    """Counters in each cube prove the order: what one drops, those behind it never see."""
    names = [f"th{number}" for number in range(1, 6)]
    for name in names:
        client.create(name, {"type": kind, "dataplane-config": CONFIG})
    for line in (
        "attach th3 br1:toveth1",
        "attach th1 br1:toveth1 position=first",
        "attach th5 br1:toveth1 position=last",
        "attach th2 br1:toveth1 after=th1",
        "attach th4 br1:toveth1 before=th5",
    ):
        assert "" == polycubectl(line)
    shown = polycubectl("topology show br1:toveth1")
    shout(br1[0], 2)
    shout(br1[1], 3)

    assert "th5 ---> th4 ---> th3 ---> th2 ---> th1 ---> br1" in shown
    assert f"th1 ---> th2 ---> th3 ---> th4 ---> th5 ---> {br1[1].interface}" in shown
    eventually(lambda: [counts(client, name) for name in names], [[3, 2]] * 5)
    client.inject("th4", {way: path | {"code": DROP} for way, path in CONFIG.items()})
    shout(br1[0], 4)
    shout(br1[1], 5)
    eventually(lambda: [counts(client, name) for name in names], [[3, 6], [3, 6], [3, 6], [5, 4], [8, 2]])


def test_a_chain_on_a_port_and_one_on_its_peer_agree_with_the_packets(client, br1):
    """One that drops, in the middle of both chains together."""
    monitor(client, "outer", "inner")
    client.create("drops", {"dataplane-config": {way: path | {"code": DROP} for way, path in CONFIG.items()}})
    client.attach("inner", "br1:toveth0")
    client.attach("outer", br1[0].interface)
    client.attach("drops", "br1:toveth0", after="inner")
    shout(br1[0], 3)
    shout(br1[1], 2)

    eventually(lambda: [counts(client, name) for name in ("outer", "drops", "inner")], [[3, 0], [3, 2], [0, 2]])


def test_a_port_that_is_replugged(client, br1):
    monitor(client, "m")
    client.request("POST", ("simplebridge", "br1", "ports", "q"), body={"tcubes": ["m"]})
    assert [{"port": "br1:q", "state": "unplugged"}] == client.get("m")["attachments"]
    client.request("DELETE", ("simplebridge", "br1", "ports", "toveth2"))
    client.request("PATCH", ("simplebridge", "br1", "ports", "q", "peer"), body=br1[2].interface)
    shout(br1[0], 3)
    shout(br1[2], 1)
    eventually(lambda: counts(client, "m"), [1, 3])
    client.request("DELETE", ("simplebridge", "br1", "ports", "q"))

    assert ("", []) == (client.get("m")["parent"], client.get("m")["attachments"])
    assert [1, 3] == counts(client, "m")


def test_a_switch_that_was_got_can_be_sent_back_with_its_cubes(client, br1):
    monitor(client, "a", "b")
    client.attach("a", "br1:toveth0")
    client.attach("b", "br1:toveth0")
    switch = client.request("GET", ("simplebridge", "br1")).data
    client.request("DELETE", ("simplebridge", "br1"))
    assert ["", ""] == [client.get(name)["parent"] for name in "ab"]
    client.request("POST", ("simplebridge", "br1"), body=switch)

    assert ["a", "b"] == client.request("GET", ("simplebridge", "br1", "ports", "toveth0", "tcubes")).data
    assert "b ---> a ---> br1" == client.topology("br1:toveth0")["ingress service chain"]


def test_what_cannot_be_attached_to_a_port(client, br1):
    monitor(client, "m")
    assert 404 == refusal(client, "attach", cube="m", port="br1:nothing")[0]
    assert 400 == refusal(client, "attach", cube="m", port="br1:toveth*")[0]
    assert 400 == refusal(client, "attach", cube="m", port="br1:toveth0", **{"on-return": "attach"})[0]
    assert 400 == refusal(client, "attach", cube="m", port="lo", **{"on-return": "never"})[0]
    status, detail = refusal(client, "simplebridge", "br1", "ports", "q", tcubes=["m", "ghost"])
    assert (404, "cube 'ghost' does not exist") == (status, detail)
    assert "" == client.get("m")["parent"]


def test_the_injector_puts_a_monitor_on_a_port_and_moves_it(repository, daemon, client, br1, tmp_path):
    injector = Tool(repository, daemon, "injector", tmp_path)
    counter = repository / "examples/packet_counter.json"
    assert 0 == injector("monitor", "br1:toveth0", counter).returncode
    shout(br1[0], 3)
    eventually(lambda: client.metric_value("monitor", "ingress", "packets_total"), [3])
    moved = injector("monitor", br1[1].interface, counter)

    assert "Detaching monitor from br1:toveth0" in moved.stdout
    assert [{"port": br1[1].interface, "state": "attached"}] == client.get("monitor")["attachments"]


def test_a_metric_that_is_split_as_json_and_as_series(polycubectl, client, three):
    """In windows, on the cube's own page and on the daemon's, and under the name of an interface that was left."""
    metadata = {"type": "counter", "help": "Packets by interface"}
    split = {**CONFIG["ingress-path"]["metric-configs"][0], "per-interface": True, "open-metrics-metadata": metadata}
    path = {**CONFIG["ingress-path"], "metric-configs": [{**split, "name": "seen_total"}]}
    client.create("monitor", {"dataplane-config": {"ingress-path": path}})
    first, second, _ = [host.interface for host in three]
    polycubectl(f"attach monitor {first}")
    polycubectl(f"attach monitor {second}")
    shout(three[0], 2)
    shout(three[1], 3)
    expected = [{"interface": first, "value": [2]}, {"interface": second, "value": [3]}]
    eventually(lambda: client.metric_value("monitor", "ingress", "seen_total"), expected)
    token = client.metric("monitor", "ingress", "seen_total", since="")["since"]
    polycubectl(f"detach monitor {first}")
    shout(three[1], 4)
    expected = [{"interface": second, "value": [7]}, {"interface": first, "value": [2]}]
    eventually(lambda: client.metric_value("monitor", "ingress", "seen_total"), expected)

    window = client.metric("monitor", "ingress", "seen_total", since=token)
    assert [{"interface": second, "value": [4]}, {"interface": first, "value": [0]}] == window["value"]
    with pytest.raises(ApiError, match="split per interface, and is read as a whole: leave limit out"):
        next(client.pages("monitor", "ingress", "seen_total", 1))
    assert f'seen_total{{interface="{second}"}} 7' in client.open_metrics("monitor").splitlines()
    daemons = f'seen_total{{cube="monitor",direction="ingress",interface="{first}"}} 2'
    assert daemons in client.exposition("monitor").splitlines()
    whole = list(parse_openmetrics(client.request("GET", ("metrics",), query="format=openmetrics").text))
    (reads,) = [each for each in whole if each.name == "dynmon_metric_read_duration_seconds"]
    ours = [each.name for each in reads.samples if each.labels["metric"] == "seen_total"]
    assert sorted(ours) == sorted(set(ours)) != []
    (shown,) = client.get("monitor")["metrics"]["ingress-metrics"]
    assert expected == shown["value"]
    (explained,) = client.explain("monitor", {"ingress-path": path})["ingress-path"]["metrics"]
    assert ["interface"] == explained["labels"]
    assert any("its map is made for each interface" in note for note in explained["notes"])


def test_selectors_as_typed(polycubectl, client, three):
    """Those that are there, one that comes, and all of them left by the same words."""
    monitor(client, "monitor")
    names = [host.interface for host in three]
    prefix = names[0].rpartition("-")[0]
    polycubectl(f"attach monitor {prefix}-?")
    shown = client.get("monitor")
    assert (f"{prefix}-?", [f"{prefix}-?"]) == (shown["parent"], shown["selectors"])
    assert sorted(names) == sorted(each["port"] for each in shown["attachments"])
    assert {(f"{prefix}-?", "attached")} == {(each["selector"], each["state"]) for each in shown["attachments"]}
    for number, host in enumerate(three, start=1):
        shout(host, number)
    eventually(lambda: counts(client, "monitor"), [6, 0])
    run("ip", "link", "add", f"{prefix}-9", "type", "veth", "peer", "name", f"{prefix}-far")
    try:
        eventually(lambda: len(client.get("monitor")["attachments"]), 4)
    finally:
        run("ip", "link", "del", f"{prefix}-9")
    eventually(lambda: len(client.get("monitor")["attachments"]), 3)
    assert "detach" in polycubectl.fails(f"detach monitor {names[0]}")
    polycubectl(f"detach monitor {prefix}-?")
    assert ("", [], []) == tuple(client.get("monitor")[key] for key in ("parent", "selectors", "attachments"))

    polycubectl("attach monitor type=veth")
    assert set(names) <= {each["port"] for each in client.get("monitor")["attachments"]}
    polycubectl("detach monitor type=veth")
    polycubectl("attach monitor all")
    everything = {name for _, name in socket.if_nameindex()} - {"lo"}
    assert everything == {each["port"] for each in client.get("monitor")["attachments"]}
    assert "attaches last" in polycubectl.fails("attach monitor master=br0 position=first")


def test_an_awaited_interface_as_typed(polycubectl, client, three):
    monitor(client, "monitor")
    name = three[0].interface
    polycubectl(f"attach monitor {name} on-return=attach")
    shout(three[0], 2)
    eventually(lambda: counts(client, "monitor"), [2, 0])
    run("ip", "link", "del", name)
    awaited = [{"port": name, "state": "awaited", "on-return": "attach"}]
    assert (awaited, "") == (client.get("monitor")["attachments"], client.get("monitor")["parent"])
    run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}f")
    eventually(lambda: client.get("monitor")["parent"], name)
    assert [2, 0] == counts(client, "monitor")


def test_a_cube_on_several_interfaces(client, three):
    """Its counts are those of all; a second time on one is refused."""
    monitor(client, "m")
    for host in three[:2]:
        client.attach("m", host.interface)
    for host in three:
        shout(host, 2)
    eventually(lambda: counts(client, "m"), [4, 0])
    assert 409 == refusal(client, "attach", cube="m", port=three[1].interface)[0]
    client.inject("m", CONFIG)
    client.detach("m", three[0].interface)
    for host in three:
        shout(host, 3)

    eventually(lambda: counts(client, "m"), [3, 0])
    assert three[1].interface == client.get("m")["parent"]

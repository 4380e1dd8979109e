"""The hook map through REST and polycubectl."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from dynmon.client import DynmonClient, normalised_url
from tests.daemon import Daemon, running_daemon
from tests.e2e.test_polycubectl import Polycubectl
from tests.kernel.bpf.objects import TC_COUNTER, compile_c
from tests.packets import ethernet, raw
from tests.support import Veth, eventually, needs, run

FRAME = ethernet(raw(b"x" * 46, 0x88B5))
CODE = """
BPF_ARRAY(PACKETS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int key = 0;
	u64 *count = PACKETS.lookup(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return RX_OK;
}
"""
CONFIG = {
    "ingress-path": {"name": "n", "code": CODE, "metric-configs": [{"name": "packets", "map-name": "PACKETS"}]},
}
END = "in front of it always returns TC_ACT_OK, which ends the chain"
PIN = "/sys/fs/bpf/e2e_foreign"

pytestmark = needs("kernel", "clang", "bpftool", "tcx")


@pytest.fixture
def accepts(veth: Veth, tmp_path: Path) -> Iterator[str]:
    """A filter of somebody else that accepts every packet; its program's id."""
    made = tmp_path / "foreign.o"
    made.write_bytes(compile_c(TC_COUNTER.replace("TC_ACT_UNSPEC", "TC_ACT_OK")))
    run("bpftool", "prog", "load", str(made), PIN, "type", "classifier")
    run("tc", "qdisc", "add", "dev", veth.host, "clsact")
    run("tc", "filter", "add", "dev", veth.host, "ingress", "prio", "7", "bpf", "da", "pinned", PIN)
    yield json.loads(run("bpftool", "-j", "prog", "show", "pinned", PIN))["id"]
    Path(PIN).unlink()


@pytest.fixture(scope="module")
def without_tcx(state_root: Path) -> Iterator[Daemon]:
    """A daemon on a kernel without tcx."""
    with running_daemon(state_root / "hooks_without_tcx", environment={"DYNMON_WITHOUT": "tcx"}) as daemon:
        yield daemon


def put_on(client: DynmonClient, name: str, interface: str) -> None:
    client.request("POST", ("dynmon", name), body={"dataplane-config": CONFIG})
    client.attach(name, interface)


def packets(client: DynmonClient, name: str) -> int:
    path = ("dynmon", name, "metrics", "ingress-metrics", "packets", "value")
    (count,) = client.request("GET", path).data
    return int(count)


def test_the_map_of_an_interface(daemon: Daemon, client: DynmonClient, veth: Veth, accepts: str) -> None:
    """Ours before tc's filters, which are the end for whoever comes behind."""
    put_on(client, "one", veth.host)
    put_on(client, "two", veth.host)
    run("tc", "filter", "add", "dev", veth.host, "ingress", "prio", "8", "bpf", "da", "pinned", PIN)

    answer = client.hooks(veth.host)

    assert ["name", "ingress", "egress"] == list(answer)
    assert (veth.host, []) == (answer["name"], answer["egress"])
    assert ["one", "two", None, None] == [entry.get("cube") for entry in answer["ingress"]]
    assert [True, True, True, False] == [entry["reached"] for entry in answer["ingress"]]
    assert {
        "index": 3,
        "hook": "clsact",
        "kind": "bpf",
        "name": "dynmon_ingress",
        "program-id": accepts,
        "priority": 8,
        "protocol": "all",
        "handle": "0x1",
        "verdicts": ["TC_ACT_OK"],
        "passes": False,
        "reached": False,
        "note": f"program 'dynmon_ingress' (id {accepts}) {END}",
    } == {key: value for key, value in answer["ingress"][3].items() if key not in ("tag", "loaded")}
    assert client.options(("netdevs", veth.host), completion=True) == ["hooks", "show"]
    assert ["show"] == client.options(("netdevs", veth.host, "hooks"), completion=True)
    assert {"commands": ["show"]} == client.options(("netdevs", veth.host, "hooks"))
    veth.send_in(FRAME, count=5)
    eventually(lambda: (packets(client, "one"), packets(client, "two")), (5, 5))


def test_an_interface_that_is_not_there(daemon: Daemon) -> None:
    response = httpx.get(f"{daemon.api}/netdevs/nothing/hooks", trust_env=False)

    assert (404, "interface 'nothing' not found") == (response.status_code, response.json()["detail"])


def test_the_page_describes_it(daemon: Daemon) -> None:
    document = httpx.get(f"{daemon.url}/openapi.json", trust_env=False).json()

    operation = document["paths"]["/polycube/v1/netdevs/{name}/hooks"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert "#/components/schemas/HookMap" == schema["$ref"]
    assert "reached" in document["components"]["schemas"]["HookOccupant"]["required"]


def test_polycubectl_prints_a_table(
    daemon: Daemon, client: DynmonClient, veth: Veth, accepts: str, tmp_path: Path
) -> None:
    """In running order, with a line for each, and the same as JSON and YAML."""
    polycubectl = Polycubectl(normalised_url(daemon.url), tmp_path)
    put_on(client, "one", veth.host)

    lines = polycubectl(f"netdevs {veth.host} hooks show").splitlines()

    assert [f"name: {veth.host}", "egress: []", "", "ingress:"] == lines[:4]
    titles = "index hook kind cube name program-id tag loaded priority protocol handle link-id verdicts passes reached"
    assert titles.split() == lines[4].split()
    assert re.match(r" +0 +tcx +link +one +dynmon_ingress ", lines[5])
    assert re.match(rf" +1 +clsact +bpf +dynmon_ingress +{accepts} ", lines[6])
    assert 7 == len(lines)
    answer = client.hooks(veth.host)
    assert answer == json.loads(polycubectl(f"netdevs {veth.host} hooks show -json"))
    assert answer == yaml.safe_load(polycubectl(f"netdevs {veth.host} hooks show -yaml"))
    assert "interface 'nothing' not found" in polycubectl.fails("netdevs nothing hooks show")


def test_without_tcx_we_are_a_filter(without_tcx: Daemon, veth: Veth, accepts: str) -> None:
    """Behind one that accepts everything, and so without packets."""
    with DynmonClient(without_tcx.url) as client:
        put_on(client, "last", veth.host)

        foreign, ours = client.hooks(veth.host)["ingress"]

        assert ("clsact", "last", "0x64796e6d") == (ours["hook"], ours["cube"], ours["handle"])
        assert foreign["priority"] < ours["priority"]
        assert (True, False) == (foreign["reached"], ours["reached"])
        assert f"(id {accepts}) in front of it always returns TC_ACT_OK" in ours["note"]
        veth.send_in(FRAME, count=5)
        received = json.loads(run("ip", "-j", "-s", "link", "show", veth.host))[0]["stats64"]["rx"]["packets"]
        assert (5, 0) == (received, packets(client, "last"))
        client.delete("last")

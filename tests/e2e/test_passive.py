"""A passive cube can neither drop nor change packets, whatever its code wants, and says how often it wanted."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from dynmon import Monitor
from dynmon.bpf import NotPassive
from dynmon.client import ApiError, DynmonClient
from dynmon.models import Direction
from tests.daemon import running_daemon
from tests.packets import ethernet, raw
from tests.support import eventually, needs, network_namespace, run
from tests.unit.trial.capture_files import pcap

pytestmark = needs("kernel", "clang", "tcx")

ETHERTYPE = 0x88B5
FRAME = ethernet(raw(b"x" * 46, ETHERTYPE))
CODE = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.increment(0);
	BODY
}
"""
DROP, PASS = "return RX_DROP;", "return RX_OK;"
OVERWRITE_REGISTERS = 'asm volatile("r6 = 7; r7 = 7; r8 = 7; r9 = 7" : : : "r6", "r7", "r8", "r9");'
METRIC = {"name": "packets", "map-name": "PKTS"}
LIBBPF = '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC("tc") int looks(struct __sk_buff *s) { return -1; }'


def path(body: str, **more: object) -> dict[str, object]:
    return {"code": CODE.replace("BODY", body), "metric-configs": [{**METRIC, **more}]}


def packets(client: DynmonClient, cube: str, direction: str = "ingress") -> int:
    return client.metric_value(cube, direction, "packets")[0]


def withheld(client: DynmonClient, cube: str, direction: str = "ingress") -> int:
    """As the cube says it, and the daemon's own metrics."""
    said = client.get(cube)["verdicts"][direction]["withheld-drops"]
    series = f'dynmon_withheld_drops_total{{cube="{cube}",direction="{direction}"}} '
    [exported] = [line for line in client.request("GET", ("metrics",)).text.splitlines() if line.startswith(series)]
    assert said == float(exported.removeprefix(series))
    return said


@contextmanager
def receiver(interface: str) -> Iterator[socket.socket]:
    """What comes in at an interface of this thread's namespace, behind XDP."""
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))) as door:
        door.bind((interface, ETHERTYPE))
        door.settimeout(5)
        yield door


def received(door: socket.socket, count: int) -> int:
    """How many of the frames arrive; the last is waited for, and there is none behind it."""
    found = sum(door.recv(2048) == FRAME for _ in range(count))
    door.setblocking(False)
    with pytest.raises(BlockingIOError):
        door.recv(2048)
    return found


def refusal(client: DynmonClient, cube: str, config: dict[str, object]) -> dict[str, object]:
    with pytest.raises(ApiError) as refused:
        client.inject(cube, config)
    assert 422 == refused.value.status
    return refused.value.problem


def test_the_peer_receives_what_the_code_wanted_to_drop(client, veth):
    """Seven sent, seven counted, seven received, and seven drops that were not done."""
    client.create("watch", {"passive": True})
    client.attach("watch", veth.host)
    client.inject("watch", {"egress-path": path(DROP)})
    with ExitStack() as opened:
        with network_namespace(f"/run/netns/{veth.namespace}"):
            door = opened.enter_context(receiver(veth.peer))
        veth.send_out(FRAME, count=7)
        assert 7 == received(door, 7)

    assert (7, 7) == (packets(client, "watch", "egress"), withheld(client, "watch", "egress"))
    assert 0 == withheld(client, "watch", "ingress")


def test_at_xdp_the_host_receives_what_the_code_wanted_to_drop(client, veth):
    """The same, with a context of another shape."""
    client.create("watch", {"passive": True, "type": "XDP_SKB"})
    client.attach("watch", veth.host)
    client.inject("watch", {"ingress-path": path(f"if (md->packet_len == {len(FRAME)}) {DROP} {PASS}")})
    with receiver(veth.host) as door:
        veth.send_in(FRAME, count=7)
        assert 7 == received(door, 7)

    assert (7, 7) == (packets(client, "watch"), withheld(client, "watch"))


@pytest.mark.parametrize("body", [DROP, "return 77;", "return md->packet_len;", "return -1;"])
@pytest.mark.parametrize("cube_type", ["TC", "XDP_SKB"])
def test_whatever_the_code_answers_the_next_cube_sees_the_packet(client, veth, body, cube_type):
    """Code with no effect but its verdict, too."""
    client.create("first", {"passive": True, "type": cube_type})
    client.create("second")
    for name in ("first", "second"):
        client.attach(name, veth.host)
    code = CODE.replace("BODY", body).replace("PKTS.increment(0);", "")
    client.inject("first", {"ingress-path": {"code": code}})
    client.inject("second", {"ingress-path": path(PASS)})

    veth.send_in(FRAME, count=7)

    eventually(lambda: packets(client, "second"), 7)
    expected = {"anomalies": 0, "withheld-drops": 7} if body == DROP else {"anomalies": 7, "withheld-drops": 0}
    assert expected == client.get("first")["verdicts"]["ingress"]


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize(
    ("write", "seen"),
    [
        ("ctx->mark = 7;", "ctx->mark == 7"),
        (f"ctx->mark = 7; {OVERWRITE_REGISTERS}", "ctx->mark == 7"),
        ("md->traffic_class = 7;", "ctx->mark == 7"),
        ("ctx->priority = 7;", "ctx->priority == 7"),
        ("ctx->cb[0] = 7; ctx->cb[4] = 7;", "ctx->cb[0] == 7 && ctx->cb[4] == 7"),
        ("ctx->tstamp = 7;", "ctx->tstamp == 7"),
    ],
)
def test_what_is_beside_the_packet_is_put_back(client, veth, passive, direction, write, seen):
    """The next cube finds what the first wrote only if that was not passive."""
    client.create("first", {"passive": passive})
    client.create("second")
    for name in ["first", "second"] if direction == "ingress" else ["second", "first"]:
        client.attach(name, veth.host)
    client.inject("first", {f"{direction}-path": path(f"{write} {PASS}")})
    look = f"if ({seen}) SEEN.increment(0); {PASS}"
    code = "BPF_ARRAY(SEEN, u64, 1);" + CODE.replace("BODY", look)
    metrics = [METRIC, {"name": "seen", "map-name": "SEEN"}]
    client.inject("second", {f"{direction}-path": {"code": code, "metric-configs": metrics}})

    veth.send(direction, FRAME, count=6)

    eventually(lambda: packets(client, "second", direction), 6)
    assert [0 if passive else 6] == client.metric_value("second", direction, "seen")


def test_code_that_writes_is_refused_and_the_running_code_counts_on(client, veth):
    """With the line, the words and the hint; and nothing is lost."""
    client.create("watch", {"passive": True, "dataplane-config": {"ingress-path": path(DROP)}})
    client.attach("watch", veth.host)
    veth.send_in(FRAME, count=3)
    eventually(lambda: packets(client, "watch"), 3)

    refused = refusal(client, "watch", {"ingress-path": path('bpf_skb_store_bytes(ctx, 0, "x", 1, 0);\n return 0;')})
    veth.send_in(FRAME, count=4)

    assert ("check", "ingress-path") == (refused["stage"], refused["path"])
    assert "a passive cube may not call bpf_skb_store_bytes" in refused["message"]
    assert "make a cube that is not passive" in refused["hint"]
    assert [6] == [each["line"] for each in refused["diagnostics"]]
    eventually(lambda: packets(client, "watch"), 7)
    assert 7 == withheld(client, "watch")


@pytest.mark.parametrize("spelling", ["libbpf", "object"])
def test_code_with_its_own_programs_is_refused(client, spelling):
    """Nobody can take its verdict away, and nothing of the cube is made."""
    code = {"code": LIBBPF} if spelling == "libbpf" else {"object": base64.b64encode(b"\x7fELF").decode()}
    with pytest.raises(ApiError) as refused:
        client.create("watch", {"passive": True, "dataplane-config": {"ingress-path": code}})

    problem = refused.value.problem
    assert (422, "check") == (refused.value.status, problem["stage"])
    assert "whose verdicts nobody can take away" in problem["message"]
    assert "handle_rx" in problem["hint"]
    assert {} == client.list()


def test_swapped_and_kept_maps_and_another_loglevel(client, veth):
    """The proof is loaded with every copy of the code, and takes no map of its own."""
    swapping = path(DROP, **{"extraction-options": {"swap-on-read": True}})
    client.create("watch", {"passive": True, "dataplane-config": {"ingress-path": swapping}})
    client.attach("watch", veth.host)
    veth.send_in(FRAME, count=5)
    eventually(lambda: packets(client, "watch"), 5)
    client.set_loglevel("watch", "TRACE")
    veth.send_in(FRAME, count=4)
    eventually(lambda: packets(client, "watch"), 9)
    assert 9 == withheld(client, "watch")

    kept = client.inject("watch", {"ingress-path": {**path(PASS), "keep-maps": ["PKTS"]}})
    veth.send_in(FRAME, count=2)

    assert ["PKTS"] == kept["ingress-path"]["kept"]
    eventually(lambda: packets(client, "watch"), 11)
    assert 0 == withheld(client, "watch")


def test_it_stays_what_it_is(client):
    """Passivity is asked for when a cube is made, shown by it, and not changed."""
    client.create("watch", {"passive": True})
    client.create("other")

    assert (True, False) == (client.get("watch")["passive"], client.get("other")["passive"])
    assert "true" == client.request("GET", ("dynmon", "watch", "passive")).text
    for method in ("PUT", "PATCH"):
        with pytest.raises(ApiError, match="passive of cube 'watch' is true and cannot become false"):
            client.request(method, ("dynmon", "watch"), body={"passive": False})
        client.request(method, ("dynmon", "watch"), body=client.get("watch"))


def test_polycubectl_makes_one(daemon, client):
    """As any other property."""
    polycubectl = str(Path(sys.executable).parent / "polycubectl")
    environment = {**os.environ, "POLYCUBECTL_URL": daemon.api}
    run(polycubectl, "dynmon", "add", "watch", "passive=true", env=environment, stdin=subprocess.DEVNULL)

    assert client.get("watch")["passive"]
    assert "passive: true" in run(polycubectl, "watch", "show", env=environment, stdin=subprocess.DEVNULL)


def test_all_cubes_of_a_passive_daemon_are(state_root, veth):
    """And none can be otherwise."""
    with running_daemon(state_root / "passive", "--passive") as daemon, DynmonClient(daemon.url) as client:
        with pytest.raises(ApiError, match="the daemon runs with --passive") as refused:
            client.create("watch", {"passive": False})
        assert 409 == refused.value.status
        client.create("watch", {"dataplane-config": {"ingress-path": path(DROP)}})
        client.create("next", {"passive": True, "dataplane-config": {"ingress-path": path(PASS)}})
        for name in ("watch", "next"):
            client.attach(name, veth.host)
        veth.send_in(FRAME, count=7)

        assert client.get("watch")["passive"]
        eventually(lambda: packets(client, "next"), 7)
        assert (7, 7) == (packets(client, "watch"), withheld(client, "watch"))
        assert "check" == refusal(client, "watch", {"ingress-path": path("return bpf_redirect(1, 0);")})["stage"]


def test_a_dry_run_proves_too(client):
    """For a cube there is, and for one that would be."""
    client.create("watch", {"passive": True})
    explained = client.explain("watch", {"ingress-path": path(DROP)})["ingress-path"]
    report = client.dry_run("watch", {"ingress-path": path(DROP)}, pcap(FRAME, FRAME, FRAME))

    assert explained["passive"]
    assert {"dynmon_passive": "foreign"} == {
        each["name"]: each["hook"] for each in explained["programs"] if not each["chosen"]
    }
    assert [{"verdict": "pass", "returned": "RX_DROP, which a passive cube does not do", "packets": 3}] == report[
        "verdicts"
    ]
    assert 3 == report["withheld-drops"]
    body = {"passive": True, "dataplane-config": {"ingress-path": path("return bpf_redirect(1, 0);")}}
    with pytest.raises(ApiError, match="a passive cube cannot run"):
        client.request("POST", ("dynmon", "new"), body=body, query="dry-run=true")
    assert ["watch"] == [cube["name"] for cube in client.list()["dynmon"]]


def test_a_dry_run_may_ask_for_it(client):
    """Of a cube that is not passive, as a form or as JSON."""
    client.create("watch")
    place = f"{client.url}dynmon/watch/dry-run"
    config = {"ingress-path": path("return bpf_redirect(1, 0);")}
    as_form = {"passive": "true", "dataplane-config": json.dumps(config)}

    assert 200 == httpx.post(place, json={"dataplane-config": config}).status_code
    for answer in (
        httpx.post(place, json={"passive": True, "dataplane-config": config}),
        httpx.post(place, files={name: (None, value) for name, value in as_form.items()}),
    ):
        assert (422, "check") == (answer.status_code, answer.json()["stage"])


def test_explain_proves_without_a_daemon(tmp_path):
    """The command says that code is passive, or refuses it with its line."""
    dynmon = str(Path(sys.executable).parent / "dynmon")
    good, bad = tmp_path / "good.c", tmp_path / "bad.c"
    good.write_text(CODE.replace("BODY", DROP))
    bad.write_text(CODE.replace("BODY", "return bpf_redirect(1, 0);"))

    assert "passive: true" in run(dynmon, "explain", "--passive", str(good))
    assert "passive: false" in run(dynmon, "explain", str(good))
    refused = subprocess.run(
        [dynmon, "explain", "--passive", str(bad)], capture_output=True, text=True, check=False, timeout=60
    )
    assert 1 == refused.returncode
    assert f"{bad}:6:" in refused.stderr
    assert "a passive cube may not call bpf_redirect" in refused.stderr


def test_a_passive_monitor_in_a_script(veth):
    """The library asks for it by a word."""
    with Monitor(veth.host, CODE.replace("BODY", DROP), passive=True) as monitor:
        veth.send_in(FRAME, count=7)
        eventually(lambda: monitor.metrics()["PKTS"], [7])

        assert 7 == monitor.cube.withheld_drops(Direction.INGRESS)
        with pytest.raises(NotPassive, match="may not call bpf_redirect"):
            monitor.inject(CODE.replace("BODY", "return bpf_redirect(1, 0);"))
        veth.send_in(FRAME, count=2)
        eventually(lambda: monitor.metrics()["PKTS"], [9])

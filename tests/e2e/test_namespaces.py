"""Cubes on interfaces of other network namespaces, by real packets there."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from dynmon import Monitor
from dynmon.client import ApiError, DynmonClient
from tests.daemon import Daemon, running_daemon, start_daemon
from tests.hooks import attached
from tests.rooms import Room, exists, process, room
from tests.support import eventually, needs, network_namespace, run, wait_until

pytestmark = needs("kernel", "clang", "tcx")

BIN = Path(sys.executable).parent
FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
CODE = """
BPF_ARRAY(PKTS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	PKTS.increment(0);
	return RX_OK;
}
"""
DIRECTIONS = ("ingress", "egress")


def config(code: str = CODE, **options: object) -> dict[str, object]:
    metric = {"name": "packets", "map-name": "PKTS", **({"extraction-options": options} if options else {})}
    return {f"{direction}-path": {"code": code, "metric-configs": [metric]} for direction in DIRECTIONS}


CONFIG = config()
KERNELS = {"tcx": {}, "clsact": {"DYNMON_WITHOUT": "tcx"}}


@pytest.fixture(scope="module", params=KERNELS)
def any_daemon(state_root: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon with tcx, then one without."""
    with running_daemon(state_root / f"namespaces-{request.param}", environment=KERNELS[request.param]) as daemon:
        yield daemon


@pytest.fixture
def client(any_daemon: Daemon) -> Iterator[DynmonClient]:
    with DynmonClient(any_daemon.url) as client:
        yield client
        for cube in itertools.chain.from_iterable(client.list().values()):
            client.delete(cube["name"])


@pytest.fixture
def blue() -> Iterator[Room]:
    with room("blue") as made:
        yield made


def monitor(client: DynmonClient, name: str, port: str, **how: str) -> None:
    client.create(name, {"type": how.pop("type", "TC"), "dataplane-config": CONFIG})
    client.attach(name, port, **how)


def counts(client: DynmonClient, name: str) -> list[int]:
    return [client.metric_value(name, direction, "packets")[0] for direction in DIRECTIONS]


def parent(client: DynmonClient, name: str) -> str:
    return client.get(name)["parent"]


def refusal(client: DynmonClient, port: str) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        client.attach("one", port)
    return caught.value.status, str(caught.value)


@pytest.mark.parametrize("cube_type", ["TC", "XDP_SKB", "XDP_DRV"])
def test_a_cube_counts_replaces_and_leaves_there(client, blue, cube_type):
    """Seven in, three out; new code from the next packet on; after detach the interface is as it was."""
    before = blue.attached()
    monitor(client, "one", blue.port, type=cube_type)
    assert blue.port == parent(client, "one")
    blue.send("ingress", FRAME, 7)
    blue.send("egress", FRAME, 3)
    assert [7, 3] == counts(client, "one")

    client.inject("one", CONFIG)
    blue.send("ingress", FRAME, 2)
    assert [2, 0] == counts(client, "one")

    client.detach("one", blue.port)
    blue.send("ingress", FRAME, 4)
    assert [2, 0] == counts(client, "one")
    assert "" == parent(client, "one")
    assert before == blue.attached()


def test_reads_that_swap_count_each_packet_once(client, blue):
    client.create("one", {"dataplane-config": config(**{"swap-on-read": True, "empty-on-read": True})})
    client.attach("one", blue.port)
    for number in range(1, 6):
        blue.send("ingress", FRAME, number)
        blue.send("egress", FRAME, 2 * number)
        assert [number, 2 * number] == counts(client, "one")


def test_interfaces_of_one_number_in_two_namespaces(client, blue):
    """Two cubes in two namespaces, each on interface 1000: two chains, each with its own packets."""
    with room("green") as green:
        monitor(client, "one", blue.port)
        monitor(client, "two", green.port)
        blue.send("ingress", FRAME, 3)
        green.send("egress", FRAME, 5)

        assert ([3, 0], [0, 5]) == (counts(client, "one"), counts(client, "two"))
        assert "one ---> stack" == client.topology(blue.port)["ingress service chain"]
        assert "two ---> stack" == client.topology(green.port)["ingress service chain"]
        client.detach("one", blue.port)
        green.send("ingress", FRAME, 2)
        assert [2, 5] == counts(client, "two")


def test_the_hooks_there(client, any_daemon, blue):
    """Ours and somebody else's in that namespace, and nobody of an interface of the same number here."""
    assert {"name": blue.port, "ingress": [], "egress": []} == client.hooks(blue.port)
    everything = ("u32", "match", "u32", "0", "0", "classid", "1:1")
    run("tc", "-n", blue.name, "qdisc", "add", "dev", blue.inside, "clsact")
    run("tc", "-n", blue.name, "filter", "add", "dev", blue.inside, "ingress", *everything)
    monitor(client, "one", blue.port)

    shown = client.hooks(blue.port)

    assert {"one", None} == {each.get("cube") for each in shown["ingress"]}
    assert ["one"] == [each["cube"] for each in shown["egress"]]
    plain = httpx.get(f"{any_daemon.api}/netdevs/{blue.port}/hooks", trust_env=False)
    assert (200, shown) == (plain.status_code, plain.json())
    with pytest.raises(ApiError, match="no network namespace is called 'red'"):
        client.hooks("netns/red/eth0")


def test_a_chain_of_three(client, any_daemon, blue):
    """The order is that of an interface here; a cube that drops hides packets from those behind it."""
    drop = CODE.replace("RX_OK", "RX_DROP")
    monitor(client, "last", blue.port)
    monitor(client, "first", blue.port, position="first")
    monitor(client, "middle", blue.port, before="last")
    expected = {
        "name": blue.port,
        "cubes, ingress_index, egress_index": ["first,\t0,\t2", "middle,\t1,\t1", "last,\t2,\t0"],
        "ingress service chain": "first ---> middle ---> last ---> stack",
        "egress service chain": "last ---> middle ---> first ---> stack",
    }
    assert expected == client.topology(blue.port) == httpx.get(f"{any_daemon.api}/topology/{blue.port}").json()

    client.inject("middle", config(drop))
    blue.send("ingress", FRAME, 4)
    blue.send("egress", FRAME, 3)

    assert [4, 0] == counts(client, "first")
    assert [4, 3] == counts(client, "middle")
    assert [0, 3] == counts(client, "last")


def test_a_renamed_interface_is_shown_by_its_new_name(client, blue):
    monitor(client, "one", blue.port)
    blue.ip("link", "set", "eth0", "down")
    blue.ip("link", "set", "eth0", "name", "uplink")

    assert "netns/blue/uplink" == parent(client, "one")
    client.detach("one", "netns/blue/uplink")
    assert "" == parent(client, "one")


def test_a_deleted_namespace_ends_with_its_interfaces(client, any_daemon, blue):
    """Nothing of ours keeps it alive: the other end of the pair goes too. The cube keeps its counts."""
    monitor(client, "one", blue.port)
    blue.send("ingress", FRAME, 6)
    descriptors = Path(f"/proc/{any_daemon.process.pid}/fd").iterdir()
    assert not [each for each in descriptors if str(each.readlink()).startswith("net:[")]

    run("ip", "netns", "del", "blue")

    wait_until(lambda: not exists(blue.outside), "the pair to go")
    assert "" == parent(client, "one")
    assert [6, 0] == counts(client, "one")
    client.inject("one", CONFIG)
    with room("blue") as again:
        assert "" == parent(client, "one")
        client.attach("one", again.port)
        again.send("ingress", FRAME, 2)
        assert [2, 0] == counts(client, "one")


def test_a_namespace_that_lost_its_name_is_monitored_on(client, blue):
    """While a process lives in it, code can be replaced there; a new namespace of the same name is another one."""
    before = blue.attached()
    with process("ip", "netns", "exec", "blue") as tenant:
        path = f"/proc/{tenant.pid}/ns/net"
        monitor(client, "one", blue.port)
        run("ip", "netns", "del", "blue")
        run("ip", "netns", "add", "blue")
        assert blue.port == parent(client, "one")
        client.inject("one", CONFIG)
        blue.send("ingress", FRAME, 5)
        assert [5, 0] == counts(client, "one")

        client.detach("one", blue.port)
        with network_namespace(path):
            assert before == attached("eth0")


def test_the_namespace_of_a_process(client):
    """Attached by its number; when the process ends, the cube is on nothing."""
    with process("unshare", "--net") as tenant:
        number = str(tenant.pid)
        here, there = f"p{number}"[:15], f"pid/{number}/eth0"
        run("ip", "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", number)
        with network_namespace(f"/proc/{number}/ns/net"):
            run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
            run("ip", "link", "set", "eth0", "up", "arp", "off")
        run("ip", "link", "set", here, "up", "arp", "off")
        made = Room("", here)
        monitor(client, "one", there)
        made.send("ingress", FRAME, 8)

        assert there == parent(client, "one")
        eventually(lambda: counts(client, "one"), [8, 0])
    wait_until(lambda: not exists(here), "the pair to go")
    assert "" == parent(client, "one")
    assert (404, f"pid/{number}: no process has the number {number}") == refusal(client, there)


def test_two_names_of_one_namespace_are_one_chain(client, blue):
    """By its name and by a process in it; and what is our own namespace has the chains of plain names."""
    with process("ip", "netns", "exec", "blue") as tenant:
        monitor(client, "one", blue.port)
        monitor(client, "two", f"pid/{tenant.pid}/eth0", before="one")

        assert "two ---> one ---> stack" == client.topology(blue.port)["ingress service chain"]
        assert f"pid/{tenant.pid}/eth0" == parent(client, "two")
    monitor(client, "here", blue.outside)
    monitor(client, "also", f"pid/{os.getpid()}/{blue.outside}")
    assert "here ---> also ---> stack" == client.topology(blue.outside)["ingress service chain"]
    blue.send("egress", FRAME, 3)
    assert [3, 0] == counts(client, "here") == counts(client, "also")


def test_filters_and_programs_of_others_stay(client, blue):
    """Somebody's filter and qdisc in the namespace are there before, with and after us."""
    with network_namespace(blue.path):
        run("tc", "qdisc", "add", "dev", "eth0", "clsact")
        match = ("match", "u32", "0xdeadbeef", "0xffffffff", "at", "0", "classid", "1:1")
        for direction in DIRECTIONS:
            run("tc", "filter", "add", "dev", "eth0", direction, "pref", "1", "u32", *match)
    before = blue.attached()
    monitor(client, "one", blue.port)
    client.inject("one", CONFIG)
    assert all("u32" in " ".join(blue.attached()[f"filters {way}"]) for way in DIRECTIONS)
    blue.send("ingress", FRAME, 2)
    assert [2, 0] == counts(client, "one")
    client.delete("one")

    assert before == blue.attached()


def test_a_hundred_attachments_leak_nothing(client, any_daemon, blue):
    """Neither descriptors nor threads."""
    place = Path(f"/proc/{any_daemon.process.pid}")
    monitor(client, "other", blue.port)  # without it, a guard process would start and end each time
    monitor(client, "one", blue.port)

    def held() -> tuple[int, int]:
        return len(list((place / "fd").iterdir())), len(list((place / "task").iterdir()))

    client.get("one")
    before = held()
    for _ in range(100):
        client.detach("one", blue.port)
        client.attach("one", blue.port)
    wait_until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)), "what was held to be less")
    assert 1 == len({str((task / "ns/net").readlink()) for task in (place / "task").iterdir()})


def test_many_at_once_meet_their_own_interfaces(client):
    """Eight cubes attached by eight clients at once in eight namespaces, read and injected into at once."""
    names = [f"room{number}" for number in range(8)]
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        rooms = [stack.enter_context(room(name)) for name in names]
        list(pool.map(lambda each: monitor(client, each.name, each.port), rooms))
        assert [each.port for each in rooms] == list(pool.map(lambda name: parent(client, name), names))
        list(pool.map(lambda name: client.inject(name, CONFIG), names))
        for number, each in enumerate(rooms):
            each.send("ingress", FRAME, number + 1)
            each.send("egress", FRAME, number + 2)

        assert [[number + 1, number + 2] for number in range(8)] == [counts(client, name) for name in names]
        list(pool.map(lambda each: client.detach(each.name, each.port), rooms))
        assert not any(line for each in rooms for way in DIRECTIONS for line in each.attached()[way])


@pytest.mark.parametrize("environment", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_there_when_the_daemon_ends(state_root, blue, number, environment):
    before = blue.attached()
    daemon = start_daemon(state_root / "namespaces-life", environment=environment)
    with DynmonClient(daemon.url) as client:
        monitor(client, "one", blue.port)
        monitor(client, "two", blue.port)
        monitor(client, "xdp", blue.port, type="XDP_SKB")
        blue.send("ingress", FRAME, 5)
        assert [5, 0] == counts(client, "two")
    assert before != blue.attached()

    daemon.end(number)

    wait_until(lambda: blue.attached() == before, "the interface to be as it was")


def test_the_guard_finds_a_namespace_that_lost_its_name(state_root, blue):
    """A killed daemon's filters go also where the name went before."""
    before = blue.attached()

    def now() -> dict[str, list[str]]:
        with network_namespace(f"/proc/{tenant.pid}/ns/net"):
            return attached("eth0")

    with process("ip", "netns", "exec", "blue") as tenant:
        daemon = start_daemon(state_root / "namespaces-life", environment=KERNELS["clsact"])
        with DynmonClient(daemon.url) as client:
            monitor(client, "one", blue.port)
        run("ip", "netns", "del", "blue")
        assert before != now()
        daemon.end(signal.SIGKILL)

        wait_until(lambda: now() == before, "the interface to be as it was")


def test_polycubectl_and_the_injector_pass_names_through(client, any_daemon, blue, tmp_path, repository):
    environment = {**os.environ, "HOME": str(tmp_path), "POLYCUBECTL_URL": f"{any_daemon.api}/"}

    def command(*words: str | Path) -> str:
        result = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        assert 0 == result.returncode, result.stdout + result.stderr
        return result.stdout

    client.create("one", {"dataplane-config": CONFIG})
    command(BIN / "polycubectl", "attach", "one", blue.port)
    assert "ingress service chain: one ---> stack" in command(BIN / "polycubectl", "topology", "show", blue.port)
    blue.send("ingress", FRAME, 3)
    assert [3, 0] == counts(client, "one")
    command(BIN / "polycubectl", "detach", "one", blue.port)
    assert "" == parent(client, "one")

    code = tmp_path / "config.json"
    code.write_text(json.dumps(CONFIG))
    port = any_daemon.url.rpartition(":")[2]
    command(sys.executable, repository / "tools/dynmon_injector.py", "-p", port, "two", blue.port, code)
    assert blue.port == parent(client, "two")


def test_a_script_monitors_there(blue):
    with Monitor(blue.port, CODE) as script:
        blue.send("ingress", FRAME, 4)
        assert [4] == script.metrics()["PKTS"]
        assert blue.port == script.cube.parent


def add_master(kind: str, *where: str) -> None:
    made = subprocess.run(["ip", *where, "link", "add", "br0", "type", *kind.split()], capture_output=True, text=True)
    if "Unknown device type" in made.stderr:
        pytest.skip(f"needs a kernel with {kind.split()[0]}")
    assert 0 == made.returncode, made.stderr


@pytest.mark.parametrize("kind", ["bridge", "bond", "team", "vrf table 10"])
def test_the_port_of_a_master(client, blue, kind):
    """Here and in the namespace; a port that left its master is monitored on."""
    add_master(kind, "-n", "blue")
    blue.ip("link", "set", "eth0", "down")
    blue.ip("link", "set", "eth0", "master", "br0")
    blue.ip("link", "set", "eth0", "up")
    wait_until(lambda: "state UP" in run("ip", "link", "show", blue.outside), "the port to be up")
    monitor(client, "one", "netns/blue/br0:eth0")
    blue.send("ingress", FRAME, 3)

    assert "netns/blue/br0:eth0" == parent(client, "one")
    assert [3, 0] == counts(client, "one")
    assert "one ---> stack" == client.topology("netns/blue/br0:eth0")["ingress service chain"]
    blue.ip("link", "set", "eth0", "nomaster")
    client.detach("one", "netns/blue/br0:eth0")
    assert "" == parent(client, "one")


def test_the_port_of_a_bridge_of_ours(client, blue):
    run("ip", "link", "add", "br0", "type", "bridge")
    try:
        run("ip", "link", "set", blue.outside, "master", "br0")
        monitor(client, "one", f"br0:{blue.outside}")
        blue.send("egress", FRAME, 4)
        assert [4, 0] == counts(client, "one")
        client.detach("one", f"br0:{blue.outside}")
    finally:
        run("ip", "link", "del", "br0")


def test_errors_name_what_was_looked_for_and_what_is_there(client, blue):
    client.create("one", {"dataplane-config": CONFIG})
    for words in (
        ("br0", "type", "bridge"),
        ("br1", "type", "bridge"),
        ("free", "type", "veth"),
        ("eth1", "type", "veth"),
    ):
        blue.ip("link", "add", *words)
    blue.ip("link", "set", "eth0", "master", "br0")
    blue.ip("link", "set", "eth1", "master", "br1")
    Path("/run/netns/empty").touch()
    inside = "lo, br0, br1, veth0, free and 3 more"
    try:
        expected = {
            "netns/red/eth0": (404, "netns/red: no network namespace is called 'red'; there are: blue, empty"),
            "netns/empty/eth0": (404, "netns/empty: no network namespace is called 'empty'; there are: blue, empty"),
            "pid/4194305/eth0": (404, "pid/4194305: no process has the number 4194305"),
            "netns/blue/eth7": (404, f"interface 'eth7' not found in netns/blue; there are: {inside}"),
            "netns/blue/br0:eth1": (
                404,
                "port 'netns/blue/br0:eth1' not found: 'eth1' is a port of 'br1'; ports of 'br0': eth0",
            ),
            "netns/blue/br0:free": (
                404,
                "port 'netns/blue/br0:free' not found: 'free' is a port of nothing; ports of 'br0': eth0",
            ),
            "netns/blue/br0:eth7": (
                404,
                "port 'netns/blue/br0:eth7' not found: no interface is called 'eth7'; ports of 'br0': eth0",
            ),
            "netns/blue/br7:eth0": (
                404,
                "port 'netns/blue/br7:eth0' not found: no interface is called 'br7' in netns/blue",
            ),
            "netns/blue/free:eth0": (
                404,
                "port 'netns/blue/free:eth0' not found: 'eth0' is a port of 'br0'; ports of 'free': none",
            ),
            "br1:port": (404, "port 'br1:port' not found: no cube with ports and no interface is called 'br1'"),
            "eth7": (404, "interface 'eth7' not found"),
        }
        assert expected == {port: refusal(client, port) for port in expected}
        for port in ("netns/../eth0", "pid/self/eth0", "netns/blue/", "net/blue/eth0", "a:b:c"):
            status, sentence = refusal(client, port)
            assert 400 == status
            assert sentence.startswith(f"port {port!r}: ")
            assert sentence.endswith("with MASTER: before IF where it is a port of MASTER")
    finally:
        Path("/run/netns/empty").unlink()


def test_without_the_capability_the_error_says_so(state_root, blue):
    """The daemon's own namespace needs CAP_BPF and CAP_NET_ADMIN alone."""
    code = (
        "from dynmon.netdev import Place, locate\n"
        "for port in ('lo', 'netns/blue/eth0'):\n"
        "    try: print(locate(Place.parse(port)))\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    lines = run("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", sys.executable, "-c", code).splitlines()

    assert "Located(index=1, namespace=None)" == lines[0]
    sentence = "netns/blue: the kernel does not let us into this namespace; it takes CAP_SYS_ADMIN"
    assert f"NamespaceForbidden {sentence}" == lines[1]

"""Switches over REST and polycubectl: names, ports, peers, the table of addresses, and real packets through them."""

from __future__ import annotations

import json
import signal

import pytest

from dynmon.client import ApiError, DynmonClient, normalised_url
from tests.daemon import running_daemon
from tests.e2e.test_polycubectl import Polycubectl
from tests.hooks import attached
from tests.support import eventually, needs, run, veth_pair, wait_until
from tests.switching import EVERYBODY, hosts, received

pytestmark = needs("kernel", "clang")


@pytest.fixture
def polycubectl(daemon, tmp_path):
    return Polycubectl(normalised_url(daemon.url), tmp_path)


@pytest.fixture
def four():
    with hosts(4) as four:
        yield four


@pytest.fixture
def rest(client):
    """One exchange about a place below the base; gives the JSON of the answer."""

    def exchange(method, place, *body):
        return client.request(method, place.split("/"), **({"body": body[0]} if body else {})).data

    return exchange


@pytest.fixture
def refusal(rest):
    """The status and the sentence of a refused exchange."""

    def refused(*exchange):
        with pytest.raises(ApiError) as caught:
            rest(*exchange)
        return caught.value.status, caught.value.detail

    return refused


@pytest.fixture
def br1(rest, four):
    """A switch with the four hosts at its ports p0 to p3."""
    ports = [{"name": f"p{number}", "peer": host.interface} for number, host in enumerate(four)]
    rest("POST", "simplebridge/br1", {"ports": ports})
    return "simplebridge/br1"


def test_the_session_of_the_documentation(polycubectl, four):
    """Add, plug, look, flush, replug, delete: as typed."""
    first, second, third, _ = four
    assert "" == polycubectl("simplebridge add br1")
    assert "" == polycubectl(f"br1 ports add toveth1 peer={first.interface}")
    assert "" == polycubectl(f"br1 ports add toveth2 peer={second.interface}")
    frame = first.send(EVERYBODY)
    assert [[frame]] == received(first, [second])

    ports = polycubectl("br1 ports show").splitlines()
    assert ["name", "uuid", "status", "peer", "tcubes"] == ports[0].split()
    assert {"toveth1", "toveth2"} == {line.split()[0] for line in ports[1:]}
    fdb = json.loads(polycubectl("br1 fdb show -json"))
    assert 300 == fdb["aging-time"]
    assert [(first.mac.hex(":"), "toveth1")] == [(each["address"], each["port"]) for each in fdb["entry"]]
    assert "toveth1" in polycubectl("br1 show")
    assert "UP\n" == polycubectl("br1 ports toveth1 status show").replace('"', "")

    polycubectl("br1 fdb flush")
    assert [] == json.loads(polycubectl("br1 fdb entry show -json"))
    polycubectl("br1 fdb set aging-time=10")
    assert "10\n" == polycubectl("br1 fdb aging-time show")
    polycubectl(f"br1 ports toveth2 set peer={third.interface}")
    frame = first.send(EVERYBODY)
    assert [[frame]] == received(first, [third])
    polycubectl("br1 ports del toveth2")
    polycubectl("br1 del")
    assert "{}\n" == polycubectl("cubes")


def test_a_whole_switch_is_what_was_asked_for(rest, br1, four):
    shown = rest("GET", br1)

    assert ["name", "uuid", "service-name", "type", "loglevel", "ports", "shadow", "span", "fdb", "_links"] == list(
        shown
    )
    assert [(f"p{number}", "UP", host.interface) for number, host in enumerate(four)] == [
        (port["name"], port["status"], port["peer"]) for port in shown["ports"]
    ]
    assert {"aging-time": 300, "entry": []} == shown["fdb"]
    assert (False, False, "TC", "INFO") == tuple(shown[key] for key in ("shadow", "span", "type", "loglevel"))


def test_what_was_got_can_be_sent_back(rest, br1):
    before = rest("GET", br1)
    rest("DELETE", br1)
    rest("POST", br1, before)
    after = rest("GET", br1)

    assert [(port["name"], port["peer"]) for port in before["ports"]] == [
        (port["name"], port["peer"]) for port in after["ports"]
    ]


def test_lists_of_the_daemon_have_switches_too(rest, br1, four):
    listed = rest("GET", "cubes")["simplebridge"]
    peers = [{"name": f"p{number}", "peer": host.interface} for number, host in enumerate(four)]

    assert [("br1", peers)] == [(each["name"], each["ports"]) for each in listed]
    assert listed == rest("GET", "topology") == rest("GET", "simplebridge") == [rest("GET", "cubes/br1")]
    assert ["dynmon", "simplebridge"] == [each["name"] for each in rest("GET", "services")]
    assert "fdb" in rest("GET", "services/simplebridge")[0]["datamodel"]
    assert [] == rest("GET", "dynmon")


def test_names_are_unique_across_services(rest, refusal, client, br1):
    client.create("monitor")

    assert 409 == refusal("POST", "dynmon/br1", {})[0]
    assert 409 == refusal("POST", "simplebridge/monitor", {})[0]
    assert 409 == refusal("POST", br1, {})[0]
    assert 404 == refusal("GET", "dynmon/br1")[0]
    assert 404 == refusal("DELETE", "simplebridge/monitor")[0]


@pytest.mark.parametrize(
    ("method", "place", "body", "status", "sentence"),
    [
        ("GET", "simplebridge/br2", ..., 404, "cube 'br2' does not exist"),
        ("GET", "simplebridge/br1/ports/p9", ..., 404, "port 'p9' of cube 'br1' does not exist"),
        ("DELETE", "simplebridge/br1/ports/p9", ..., 404, "port 'p9' of cube 'br1' does not exist"),
        ("POST", "simplebridge/br1/ports/p0", {}, 409, "port 'p0' of cube 'br1' already exists"),
        ("POST", "simplebridge/br1/ports/p4", {"peer": "none9"}, 404, "interface 'none9' not found"),
        ("POST", "simplebridge/br1/ports/p4", {"peer": "lo"}, 400, "it is the loopback"),
        ("POST", "simplebridge/br1/ports/p4", {"peer": "br1:p0"}, 400, "packets between two ports of one switch"),
        ("POST", "simplebridge/br1/ports/p:4", {}, 400, "port name 'p:4' must be"),
        ("POST", "simplebridge/br1/ports/p4", {"color": 1}, 400, "color: is not a known key"),
        ("PATCH", "simplebridge/br1/ports/p0/peer", 7, 400, "the body must be a JSON string"),
        ("PATCH", "simplebridge/br1/fdb/aging-time", 0, 400, "aging-time: must be at least 1"),
        ("PATCH", "simplebridge/br1/fdb/aging-time", "10", 400, "aging-time: must be a whole number"),
        ("POST", "simplebridge/br1/fdb/entry/01:00:5e:00:00:01", {"port": "p0"}, 400, "is that of a group"),
        ("POST", "simplebridge/br1/fdb/entry/dead", {"port": "p0"}, 400, "must be six bytes"),
        ("POST", "simplebridge/br1/fdb/entry/02:00:00:00:00:77", {"port": "p9"}, 404, "port 'p9'"),
        ("DELETE", "simplebridge/br1/fdb/entry/02:00:00:00:00:77", ..., 404, "does not know where"),
        ("POST", "simplebridge/br2", {"type": "XDP_SKB"}, 400, "must be TC for a simplebridge"),
        ("POST", "simplebridge/br2", {"ports": [{"name": "a", "peer": "none9"}]}, 404, "interface 'none9' not found"),
        ("POST", "connect", {"peer1": "lo", "peer2": "eth9"}, 400, "neither 'lo' nor 'eth9' is a port"),
        ("POST", "connect", {"peer1": "br1:p9", "peer2": "eth9"}, 404, "no cube has such a port"),
        ("POST", "connect", {"peer1": "br1:p0", "peer2": "eth9"}, 409, "already has a peer"),
        ("POST", "disconnect", {"peer1": "br1:p0", "peer2": "eth9"}, 409, "is not connected to"),
    ],
)
def test_what_cannot_be_says_why_and_changes_nothing(rest, refusal, br1, method, place, body, status, sentence):
    before = rest("GET", br1)
    got, said = refusal(method, place, *(() if body is ... else (body,)))

    assert (status, True) == (got, sentence in said), said
    assert before == rest("GET", br1)
    assert ["br1"] == [cube["name"] for cube in rest("GET", "cubes")["simplebridge"]]


def test_an_interface_is_the_peer_of_one_port(rest, refusal, br1, four):
    rest("POST", "simplebridge/br2", {})
    status, said = refusal("POST", "simplebridge/br2/ports/q", {"peer": four[0].interface})

    assert (409, f"interface '{four[0].interface}' is already in use: it is the peer of 'br1:p0'") == (status, said)


def test_a_port_is_up_when_its_peer_is(rest, br1, four):
    status = f"{br1}/ports/p0/status"
    assert "UP" == rest("GET", status)
    run("ip", "link", "set", four[0].interface, "down")
    assert "DOWN" == rest("GET", status)
    run("ip", "link", "set", four[0].interface, "up")
    eventually(lambda: rest("GET", status), "UP")
    run("ip", "link", "set", four[0].interface, "down")
    run("ip", "link", "set", four[0].interface, "name", "renamed0")
    assert "renamed0" == rest("GET", f"{br1}/ports/p0/peer")
    run("ip", "link", "del", "renamed0")
    assert "DOWN" == rest("GET", status)
    rest("PATCH", f"{br1}/ports/p0/peer", "")
    assert "DOWN" == rest("GET", status)
    frame = four[1].send(EVERYBODY)
    assert [[frame]] * 2 == received(four[1], four[2:])


def test_an_entry_can_be_made_and_deleted(rest, br1, four):
    place = f"{br1}/fdb/entry/02:00:00:00:00:77"
    rest("POST", place, {"port": "p1"})
    frame = four[0].send(bytes.fromhex("020000000077"))

    assert [[frame], [], []] == received(four[0], four[1:])
    assert ("02:00:00:00:00:77", "p1") == tuple(rest("GET", place)[key] for key in ("address", "port"))
    rest("DELETE", place)
    assert [four[0].mac.hex(":")] == [entry["address"] for entry in rest("GET", f"{br1}/fdb/entry")]
    assert {"flushed": True} == rest("POST", f"{br1}/fdb/flush", {})
    assert [] == rest("GET", f"{br1}/fdb")["entry"]


def test_connect_and_disconnect(rest, refusal, four):
    first, second, *_ = four
    rest("POST", "simplebridge/br1", {"ports": [{"name": "a"}, {"name": "b"}]})
    rest("POST", "connect", {"peer1": "br1:a", "peer2": first.interface})
    rest("POST", "connect", {"peer1": second.interface, "peer2": "br1:b"})
    frame = first.send(EVERYBODY)
    assert [[frame]] == received(first, [second])

    rest("POST", "disconnect", {"peer1": first.interface, "peer2": "br1:a"})
    assert ("", "DOWN") == tuple(rest("GET", "simplebridge/br1/ports/a")[key] for key in ("peer", "status"))
    assert 409 == refusal("POST", "disconnect", {"peer1": first.interface, "peer2": "br1:a"})[0]
    second.send(EVERYBODY)
    rest("POST", "connect", {"peer1": first.interface, "peer2": "br1:a"})
    assert [[]] == received(second, [first])


def test_two_switches_joined_by_their_ports(rest, four):
    """Each names the other's port, or connect does it for both; three switches in a row pass a frame once."""
    first, second, third, fourth = four
    for number, host in enumerate(four[:3], 1):
        rest("POST", f"simplebridge/br{number}", {"ports": [{"name": "host", "peer": host.interface}]})
    rest("POST", "simplebridge/br1/ports/right", {"peer": "br2:left"})
    assert "DOWN" == rest("GET", "simplebridge/br1/ports/right/status")
    rest("POST", "simplebridge/br2/ports/left", {"peer": "br1:right"})
    rest("POST", "simplebridge/br2/ports/right", {})
    rest("POST", "simplebridge/br3/ports/left", {})
    rest("POST", "connect", {"peer1": "br2:right", "peer2": "br3:left"})
    rest("POST", "simplebridge/br3/ports/more", {"peer": fourth.interface})
    eventually(lambda: {p["status"] for n in (1, 2, 3) for p in rest("GET", f"simplebridge/br{n}/ports")}, {"UP"})

    frame = first.send(EVERYBODY)
    assert [[frame]] * 3 == received(first, [second, third, fourth])
    frame = fourth.send(first.mac)
    mark = fourth.send(EVERYBODY)
    assert [[frame], [], []] == [host.until(mark) for host in (first, second, third)]
    assert "right" == rest("GET", f"simplebridge/br1/fdb/entry/{fourth.mac.hex(':')}/port")

    rest("DELETE", "simplebridge/br2")
    assert ("br2:left", "DOWN") == tuple(rest("GET", "simplebridge/br1/ports/right")[key] for key in ("peer", "status"))
    assert not [line for line in run("ip", "-br", "link").splitlines() if line.startswith("cube")]


def test_three_hosts_ping_through_a_switch(rest):
    """Whole network stacks: ARP, ICMP and everything else."""
    addresses = ["10.9.8.1", "10.9.8.2", "10.9.8.3"]
    with (
        veth_pair(addresses=("", f"{addresses[0]}/24")) as one,
        veth_pair(addresses=("", f"{addresses[1]}/24")) as two,
        veth_pair(addresses=("", f"{addresses[2]}/24")) as three,
    ):
        rest(
            "POST",
            "simplebridge/br1",
            {"ports": [{"name": each.host, "peer": each.host} for each in (one, two, three)]},
        )
        for veth in (one, two, three):
            for address in addresses:
                run("ip", "netns", "exec", veth.namespace, "ip", "link", "set", "lo", "up")
                run("ip", "netns", "exec", veth.namespace, "ping", "-q", "-c", "1", "-W", "2", address)
        assert 3 == len(rest("GET", "simplebridge/br1/fdb/entry"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_ends_leaves_the_interfaces_as_they_were(state_root, four, number):
    first, second, *_ = four
    before = [attached(host.interface) for host in (first, second)]
    with running_daemon(state_root / f"ending-{number}") as daemon:
        with DynmonClient(daemon.url) as client:
            for name, host, other in (("br1", first, "br2:x"), ("br2", second, "br1:x")):
                ports = [{"name": "p", "peer": host.interface}, {"name": "x", "peer": other}]
                client.request("POST", ("simplebridge", name), body={"ports": ports})
            for name in ("br1", "br2"):
                eventually(lambda name=name: client.request("GET", (name, "ports", "x", "status")).data, "UP")
        frame = first.send(EVERYBODY)
        assert [[frame]] == received(first, [second])
        daemon.end(number)

    assert before == [attached(host.interface) for host in (first, second)]
    wait_until(lambda: "cube" not in run("ip", "-br", "link"), "the cable between the switches to be gone")
    assert "promiscuity 0" in run("ip", "-d", "link", "show", first.interface)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("?help=NONE&completion", "simplebridge"),
        ("simplebridge?help=NONE", "commands"),
        ("simplebridge/br1?help=NONE", "fdb"),
        ("simplebridge/br1/ports?help=NONE&completion", "p0"),
        ("simplebridge/br1/ports?help=ADD", "peer"),
        ("simplebridge/br1/ports/new?help=ADD&completion", "peer="),
        ("simplebridge/br1/ports/p0?help=SET&completion", "peer="),
        ("simplebridge/br1/fdb?help=NONE", "flush"),
        ("simplebridge/br1/fdb?help=SET&completion", "aging-time="),
        ("connect?help=NONE&completion", "br1:p0"),
    ],
)
def test_help_and_completion(client, br1, path, expected):
    place, _, query = path.partition("?")

    assert expected in client.request("OPTIONS", [word for word in place.split("/") if word], query=query).text

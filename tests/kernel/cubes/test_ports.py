"""Monitors on the ports of a switch: what they see, in which order, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dynmon.api.hooks import hooks_of
from dynmon.api.topology import topology_of
from dynmon.cubes import AlreadyAttached, CubeRegistry, NotAttached
from dynmon.cubes.errors import NothingToAwait
from dynmon.dataplane import NotOnChain
from dynmon.errors import NotFoundError
from dynmon.models import BridgeConfig, CubeType
from dynmon.models.simplebridge import PortConfig
from dynmon.netdev import PortNotFound
from tests.hooks import attached, program_ids
from tests.kernel.cubes.interfaces import ip, is_listening, make, send
from tests.kernel.cubes.monitors import Monitors
from tests.rooms import process
from tests.support import eventually, needs, network_namespace, run, wait_until
from tests.switching import EVERYBODY, Host, hosts


@pytest.fixture
def three() -> Iterator[list[Host]]:
    with hosts(3) as three:
        yield three


@pytest.fixture
def br1(registry: CubeRegistry, three: list[Host], monitors: Monitors) -> list[Host]:
    """A switch with three hosts at its ports p0 to p2."""
    ports = tuple(PortConfig(name=f"p{number}", peer=host.interface) for number, host in enumerate(three))
    registry.create_bridge("br1", BridgeConfig(ports=ports))
    return three


def shout(host: Host, count: int) -> None:
    """Frames that go to all other ports."""
    for number in range(count):
        host.send(EVERYBODY, data=bytes([number]))


def test_a_port_is_seen_as_its_switch_sees_it(monitors, br1):
    """What enters is ingress, what leaves egress; nobody else's packets are among it."""
    first, second, _ = br1
    for number in range(3):
        monitors.on(f"br1:p{number}", f"m{number}")
    shout(first, 7)
    monitors.expect(m0=[7, 0], m1=[0, 7], m2=[0, 7])
    second.send(first.mac)
    monitors.expect(m0=[7, 1], m1=[1, 7], m2=[0, 7])
    assert ["br1:p0", "br1:p1", "br1:p2"] == [monitors.registry.get(f"m{number}").parent for number in range(3)]


@pytest.mark.parametrize("kind", list(CubeType))
def test_the_published_chain_on_a_port(monitors, br1, kind):
    """Index 0 is nearest the switch; what one drops, those behind it never see."""
    for name, how in (
        ("th3", {}),
        ("th1", {"position": "first"}),
        ("th5", {"position": "last"}),
        ("th2", {"after": "th1"}),
        ("th4", {"before": "th5"}),
    ):
        monitors.make(name, kind=kind)
        monitors.attach(name, "br1:p0", **how)

    assert {
        "name": "br1:p0",
        "cubes, ingress_index, egress_index": [f"th{number},\t{5 - number},\t{number - 1}" for number in range(1, 6)],
        "ingress service chain": "th5 ---> th4 ---> th3 ---> th2 ---> th1 ---> br1",
        "egress service chain": f"th1 ---> th2 ---> th3 ---> th4 ---> th5 ---> {br1[0].interface}",
    } == topology_of(monitors.registry, "br1:p0")
    shout(br1[0], 3)
    shout(br1[1], 2)
    monitors.expect(th1=[3, 2], th2=[3, 2], th3=[3, 2], th4=[3, 2], th5=[3, 2])
    drops = monitors.make("drops", verdict="RX_DROP", kind=kind)
    monitors.registry.get("th3").inject(drops.dataplane_config)
    shout(br1[0], 4)
    shout(br1[1], 5)
    monitors.expect(th1=[3, 7], th2=[3, 7], th3=[4, 5], th4=[7, 2], th5=[7, 2])


@pytest.mark.parametrize("kind", [CubeType.XDP_SKB, CubeType.XDP_DRV])
def test_monitors_at_xdp_on_a_port_and_on_its_peer(monitors, registry, br1, kind):
    """One chain at XDP, before all at tc; those on the port go where it is plugged in."""
    first, second, third = br1
    bridge = registry.bridge("br1")
    for name, where, how in (
        ("tc", "br1:p0", CubeType.TC),
        ("port", "br1:p0", kind),
        ("wire", first.interface, kind),
    ):
        monitors.on(where, name, kind=how)
    assert ["wire", "port", "tc", "br1"] == [each["cube"] for each in hooks_of(registry, first.interface)["ingress"]]
    assert "port ---> tc ---> br1" == topology_of(registry, "br1:p0")["ingress service chain"]
    shout(first, 3)
    shout(second, 2)
    monitors.expect(wire=[3, 2], port=[3, 2], tc=[3, 2])
    bridge.remove_port("p2")
    bridge.set_peer("p0", third.interface)
    shout(third, 4)
    shout(first, 5)
    monitors.expect(wire=[8, 2], port=[7, 2], tc=[7, 2])
    bridge.set_peer("p0", "")
    assert [("br1:p0", "unplugged")] == monitors.states("port")
    registry.delete("wire")
    assert set() == program_ids(first.interface) == program_ids(third.interface)


@pytest.mark.usefixtures("wires")
def test_a_peer_whose_place_at_xdp_is_taken(monitors, registry, br1):
    """It is plugged in all the same, and the monitor says why it does not run; it does when the place is free."""
    monitors.on(br1[2].interface, "there", kind=CubeType.XDP_DRV)
    bridge = registry.bridge("br1")
    bridge.set_peer("p2", "")
    monitors.on("br1:p2", "m", kind=CubeType.XDP_SKB)
    bridge.set_peer("p2", br1[2].interface)
    (status,) = registry.get("m").attachments.status()
    assert ("refused", True) == (status.state, "cube 'there' is there as XDP_DRV" in status.reason)
    registry.delete("there")
    run("ip", "link", "set", br1[2].interface, "mtu", "1400")
    eventually(lambda: monitors.states("m"), [("br1:p2", "attached")])
    shout(br1[2], 2)

    monitors.expect(m=[2, 0])


@pytest.mark.parametrize(
    ("sender", "expected"),
    [(0, {"a": [0, 0], "b": [4, 0], "c": [4, 0]}), (1, {"a": [0, 4], "b": [0, 4], "c": [0, 0]})],
    ids=["entering", "leaving"],
)
def test_what_is_dropped_in_the_middle_never_comes_to_those_behind(monitors, br1, sender, expected):
    monitors.make("b", verdict="RX_DROP")
    monitors.attach("b", "br1:p0")
    monitors.make("a")
    monitors.attach("a", "br1:p0", position="first")
    monitors.make("c")
    monitors.attach("c", "br1:p0", after="b")
    monitors.on("br1:p2", "far")
    shout(br1[sender], 4)

    monitors.expect(far=[0, 4 * sender])
    monitors.expect(**expected)


def test_the_port_is_behind_the_interface(monitors, br1):
    """Both count each packet; what enters meets the interface first, and what leaves meets it last."""
    first, second, _ = br1
    monitors.on("br1:p0", "port")
    monitors.on(first.interface, "wire")
    shout(first, 5)
    shout(second, 3)
    monitors.expect(port=[5, 3], wire=[5, 3])

    monitors.registry.delete("wire")
    monitors.on(first.interface, "wire", verdict="RX_DROP")
    shout(first, 2)
    shout(second, 2)
    monitors.expect(wire=[2, 2], port=[5, 5])

    monitors.registry.delete("wire")
    monitors.registry.delete("port")
    monitors.on(first.interface, "wire")
    monitors.on("br1:p0", "port", verdict="RX_DROP")
    shout(first, 2)
    shout(second, 2)
    monitors.expect(port=[2, 2], wire=[2, 0])


@pytest.mark.parametrize("without", [pytest.param("", marks=needs("tcx")), "tcx"])
def test_the_hook_map_has_the_switch_as_the_end(monitors, registry, br1, monkeypatch, without):
    """Behind the monitors, by the name of its cube; what comes behind it is not reached."""
    monkeypatch.setenv("DYNMON_WITHOUT", without)
    interface = br1[0].interface
    registry.bridge("br1").remove_port("p0")
    registry.bridge("br1").add_port("p0", interface)
    monitors.on("br1:p0", "port", directions=["ingress"])
    monitors.on(interface, "wire", directions=["ingress"])
    run("tc", "qdisc", "replace", "dev", interface, "clsact")
    last = ("prio", str(0xFFFF), "u32", "match", "u32", "0", "0", "classid", "1:1")
    run("tc", "filter", "add", "dev", interface, "ingress", *last)

    shown = hooks_of(registry, interface)

    hook = "clsact" if without else "tcx"
    ours = [("wire", hook, True, True), ("port", hook, True, True), ("br1", hook, True, False)]
    assert [*ours, (None, "clsact", False, None)] == [
        (each.get("cube"), each["hook"], each["reached"], each["passes"]) for each in shown["ingress"]
    ]
    ending = "cube 'br1' in front of it always returns TC_ACT_SHOT or TC_ACT_REDIRECT, which ends the chain"
    assert (ending, []) == (shown["ingress"][3]["note"], shown["egress"])
    assert shown | {"name": "br1:p0"} == hooks_of(registry, "br1:p0")
    registry.bridge("br1").set_peer("p0", "")
    assert {"name": "br1:p0", "ingress": [], "egress": []} == hooks_of(registry, "br1:p0")


def test_a_port_without_a_peer_and_what_becomes_of_it(monitors, registry, br1):
    """The links go where the port goes; the counts stay."""
    first, second, third = br1
    bridge = registry.bridge("br1")
    bridge.remove_port("p2")
    before = attached(third.interface)
    bridge.add_port("q")
    monitors.on("br1:q", "m")
    assert [("br1:q", "unplugged")] == monitors.states("m")
    assert "br1:q" == registry.get("m").parent
    assert "m ---> br1" == topology_of(registry, "br1:q")["ingress service chain"]
    shout(first, 2)

    bridge.set_peer("q", third.interface)
    assert [("br1:q", "attached")] == monitors.states("m")
    shout(first, 3)
    monitors.expect(m=[0, 3])

    bridge.set_peer("q", "")
    assert [("br1:q", "unplugged")] == monitors.states("m")
    assert before == attached(third.interface)
    shout(first, 4)

    bridge.remove_port("p1")
    bridge.set_peer("q", second.interface)
    shout(first, 5)
    monitors.expect(m=[0, 8])
    shout(second, 1)
    monitors.expect(m=[1, 8])


def test_new_code_for_a_port_that_is_nowhere_runs_when_it_is_plugged_in(monitors, registry, br1):
    first, _, third = br1
    registry.bridge("br1").set_peer("p2", "")
    monitors.on("br1:p2", "m", directions=["ingress"])
    donor = monitors.make("donor")
    registry.get("m").inject(donor.dataplane_config)
    registry.bridge("br1").set_peer("p2", third.interface)
    shout(first, 6)

    monitors.expect(m=[0, 6])


def test_a_cable_between_two_switches(monitors, registry, br1):
    """The links are at its ends while there is one."""
    first, second, _ = br1
    registry.bridge("br1").remove_port("p1")
    registry.create_bridge("br2", BridgeConfig(ports=(PortConfig(name="p1", peer=second.interface),)))
    registry.bridge("br1").add_port("up")
    registry.bridge("br2").add_port("down")
    monitors.on("br1:up", "one")
    monitors.on("br2:down", "two")
    for total in (3, 6):
        registry.cabling.connect("br1:up", "br2:down")
        shout(first, 2)
        shout(second, 1)
        monitors.expect(one=[total // 3, 2 * total // 3], two=[2 * total // 3, total // 3])
        registry.cabling.disconnect("br1:up", "br2:down")
        shout(first, 1)
        assert [("br1:up", "unplugged")] == monitors.states("one")
        assert [("br2:down", "unplugged")] == monitors.states("two")


def test_a_cable_that_somebody_removed_can_be_laid_again(monitors, registry, br1):
    """Both ports are without it, and keep whom they name."""
    registry.bridge("br1").remove_port("p1")
    registry.create_bridge("br2", BridgeConfig(ports=(PortConfig(name="p1", peer=br1[1].interface),)))
    ports = [registry.bridge("br1"), registry.bridge("br2")]
    for bridge in ports:
        bridge.add_port("to")
    registry.cabling.connect("br1:to", "br2:to")
    monitors.on("br2:to", "m")
    [_, (_, name)] = registry.cabling.find("br1:to").cable.ends
    run("ip", "link", "del", name)
    eventually(lambda: [bridge.port("to").plug for bridge in ports], [None, None])
    assert [("br2:to", "unplugged")] == monitors.states("m")
    assert ["br2:to", "br1:to"] == [bridge.port("to").peer for bridge in ports]
    ports[0].set_peer("to", "br2:to")
    shout(br1[0], 3)

    monitors.expect(m=[3, 0])


def test_a_peer_that_goes_leaves_its_port_unplugged(monitors, registry, br1):
    monitors.on("br1:p2", "m")
    run("ip", "link", "del", br1[2].interface)
    wait_until(lambda: [("br1:p2", "unplugged")] == monitors.states("m"), "the monitor to be unplugged")
    donor = monitors.make("donor")
    registry.get("m").inject(donor.dataplane_config)
    monitors.make("late")
    monitors.attach("late", "br1:p2")

    assert [("br1:p2", "unplugged")] == monitors.states("late")


@pytest.mark.usefixtures("wires")
def test_a_peer_that_returns_is_plugged_in_again(monitors, registry):
    """By the last name that it had, with the monitor on the port, whatever number the interface has now."""
    make("w0", "w1")
    bridge = registry.create_bridge("br1", BridgeConfig(ports=(PortConfig(name="p", peer="w0"),)))
    bridge.add_port("q", "w1")
    wait_until(is_listening, "the switch to hear of interfaces")
    ip("link set w0 name w2", "link del w2")
    eventually(lambda: (bridge.port("p").peer, bridge.port("p").plug), ("w2", None))
    monitors.on("br1:p", "m")
    make("w0", "w2")
    eventually(lambda: bridge.port("p").status, "UP")
    assert [("br1:p", "attached")] == monitors.states("m")
    send("w2", 3)
    send("w1", 2)
    send("w0", 7)
    monitors.expect(m=[3, 2])

    bridge.set_peer("p", "")
    ip("link del w2")
    make("w2")
    assert ("", "DOWN") == (bridge.port("p").peer, bridge.port("p").status)
    registry.delete("m")
    assert is_listening()
    registry.delete("br1")
    wait_until(lambda: not is_listening(), "nobody to hear of interfaces any more")


@pytest.mark.usefixtures("wires")
def test_a_peer_in_another_namespace_is_no_peer(registry):
    """The switch leaves an interface that moves away, and takes it back when it comes back."""
    make("w0")
    bridge = registry.create_bridge("br1", BridgeConfig(ports=(PortConfig(name="p", peer="w0"),)))
    with process("unshare", "--net") as elsewhere:
        run("ip", "link", "set", "w0", "netns", str(elsewhere.pid))
        eventually(lambda: (bridge.port("p").plug, bridge.port("p").status), (None, "DOWN"))
        with network_namespace(f"/proc/{elsewhere.pid}/ns/net"):
            assert set() == program_ids("w0")
        back = ("ip", "link", "set", "w0", "netns", str(os.getpid()))
        run("nsenter", "--net", f"--target={elsewhere.pid}", *back)
    ip("link set w0 up")
    eventually(lambda: bridge.port("p").status, "UP")

    assert 1 == len(program_ids("w0"))


def test_a_port_that_is_no_more_detaches_its_monitors(monitors, registry, br1):
    first, *_ = br1
    monitors.on("br1:p0", "a")
    monitors.on("br1:p1", "b")
    shout(first, 2)
    registry.bridge("br1").remove_port("p0")
    assert ("", []) == (registry.get("a").parent, monitors.states("a"))
    assert "br1:p1" == registry.get("b").parent
    registry.bridge("br1").remove_port("p1")
    registry.delete("br1")
    wait_until(lambda: not is_listening(), "nobody to hear of interfaces any more")

    assert ("", []) == (registry.get("b").parent, monitors.states("b"))
    monitors.expect(a=[2, 0], b=[0, 2])
    with pytest.raises(PortNotFound):
        monitors.detach("a", "br1:p0")


def test_a_new_port_with_monitors_on_it(monitors, registry, br1):
    """In their order, all of them or no port."""
    for name in ("a", "b"):
        monitors.make(name)
    bridge = registry.bridge("br1")
    bridge.remove_port("p2")
    with pytest.raises(NotFoundError, match="cube 'ghost' does not exist"):
        bridge.add_port("q", br1[2].interface, ["a", "ghost"])
    assert (["p0", "p1"], "") == ([port.name for port in bridge.ports], registry.get("a").parent)

    bridge.add_port("q", br1[2].interface, ["a", "b"])
    shout(br1[0], 3)

    monitors.expect(a=[0, 3], b=[0, 3])
    assert "b ---> a ---> br1" == topology_of(registry, "br1:q")["ingress service chain"]


def test_places_on_ports_that_cannot_be(monitors, br1):
    monitors.on("br1:p0", "a")
    monitors.make("b")

    with pytest.raises(AlreadyAttached, match="cube 'a' is already attached to 'br1:p0'"):
        monitors.attach("a", "br1:p0")
    with pytest.raises(AlreadyAttached, match="cube 'a' is already attached to 'br1:p0'"):
        monitors.attach("a", br1[0].interface)
    with pytest.raises(PortNotFound, match="no cube with ports and no interface is called 'br2'"):
        monitors.attach("b", "br2:p0")
    with pytest.raises(NotOnChain, match="cube 'b' is not attached to 'br1:p0'; cubes attached there: a"):
        monitors.attach("b", "br1:p0", before="b")
    with pytest.raises(NothingToAwait):
        monitors.attach("b", "br1:p0", on_return="attach")
    with pytest.raises(NotAttached, match="cube 'b' is not attached to 'br1:p0': it is not attached to anything"):
        monitors.detach("b", "br1:p0")
    assert "" == monitors.registry.get("b").parent


def test_a_port_and_its_new_peer_with_one_monitor_on_both(monitors, registry, br1):
    """It counts each packet once; the port says why it does not run there, until it does."""
    first, _, third = br1
    bridge = registry.bridge("br1")
    bridge.set_peer("p2", "")
    monitors.on("br1:p2", "m")
    monitors.attach("m", third.interface)
    bridge.set_peer("p2", third.interface)
    shout(first, 3)

    monitors.expect(m=[0, 3])
    status = registry.get("m").attachments.status()
    assert [("br1:p2", "refused"), (third.interface, "attached")] == [(each.port, each.state) for each in status]
    assert f"already attached to '{third.interface}'" in status[0].reason

    monitors.on("br1:p2", "other")
    monitors.detach("m", third.interface)
    run("ip", "link", "set", third.interface, "mtu", "1400")
    eventually(lambda: monitors.states("m"), [("br1:p2", "attached")])
    shout(first, 2)
    monitors.expect(m=[0, 5], other=[0, 2])


def test_one_monitor_on_several_ports(monitors, registry, br1):
    monitors.make("m")
    for number in range(3):
        monitors.attach("m", f"br1:p{number}")
    shout(br1[0], 4)
    monitors.expect(m=[4, 8])
    monitors.detach("m", "br1:p0")
    shout(br1[0], 1)

    monitors.expect(m=[4, 10])
    assert ("br1:p1", 2) == (registry.get("m").parent, len(monitors.states("m")))

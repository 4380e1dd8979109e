"""Monitors and interfaces that come, change and go: what is shown, and what is counted."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from dynmon.cubes import AlreadyAttached, NotAttached
from dynmon.cubes.errors import BroughtBySelector, NoPlaceInChain, NothingToAwait
from dynmon.models import BridgeConfig, CubeType, LogLevel
from dynmon.models.simplebridge import PortConfig
from dynmon.netdev import InterfaceNotFound, InvalidPort, LinkWatch
from tests.hooks import tcx_links
from tests.kernel.cubes.interfaces import attached, both_up, ip, is_listening, make, send, up
from tests.support import eventually, run, wait_until

pytestmark = pytest.mark.usefixtures("wires")


def test_a_renamed_interface_is_shown_by_its_new_name(monitors):
    make("w0")
    monitors.on("w0", "m")
    send("w0", 2)
    ip("link set w0 name w1", "link set w0-far name w1-far")
    send("w1", 3)

    monitors.expect(m=[5, 0])
    assert ("w1", [("w1", "attached")]) == (monitors.registry.get("m").parent, monitors.states("m"))
    monitors.detach("m", "w1")


def test_down_and_up_and_a_new_mtu_change_nothing(monitors):
    make("w0")
    monitors.on("w0", "m")
    ip("link set w0 down", "link set w0 mtu 1400", "link set w0 up")
    both_up("w0")
    send("w0", 3)

    monitors.expect(m=[3, 0])
    assert [("w0", "attached")] == monitors.states("m")


def test_a_deleted_interface_leaves_the_counts(monitors):
    """And one that gets its name is another one."""
    make("w0")
    monitors.on("w0", "m")
    send("w0", 4)
    monitors.expect(m=[4, 0])
    ip("link del w0")
    assert ("", []) == (monitors.registry.get("m").parent, monitors.states("m"))
    make("w0")
    send("w0", 2)

    monitors.expect(m=[4, 0])
    with pytest.raises(NotAttached):
        monitors.detach("m", "w0")


@pytest.mark.parametrize("kind", [CubeType.TC, CubeType.XDP_SKB])
def test_an_awaited_interface_is_attached_to_when_it_returns(monitors, kind):
    make("w0")
    monitors.make("m", kind=kind)
    monitors.attach("m", "w0", on_return="attach")
    send("w0", 4)
    for total in (7, 10):
        ip("link del w0")
        assert ("", [("w0", "awaited")]) == (monitors.registry.get("m").parent, monitors.states("m"))
        monitors.registry.get("m").set_loglevel(LogLevel.DEBUG)
        make("w0")
        eventually(lambda: monitors.states("m"), [("w0", "attached")])
        send("w0", 3)
        monitors.expect(m=[total, 0])
    assert "w0" == monitors.registry.get("m").parent


def test_a_port_of_a_master_is_awaited_until_it_is_one_again(monitors):
    make("w0")
    ip("link add wbr up arp off type bridge mcast_snooping 0", "link set w0 master wbr")
    monitors.make("m")
    monitors.attach("m", "wbr:w0", on_return="attach")
    ip("link del w0")
    eventually(lambda: monitors.states("m"), [("wbr:w0", "awaited")])
    make("w0")
    monitors.on("w0", "witness")
    assert [("wbr:w0", "awaited")] == monitors.states("m")
    ip("link set w0 master wbr")
    eventually(lambda: monitors.states("m"), [("wbr:w0", "attached")])
    send("w0", 2)

    monitors.expect(m=[2, 0], witness=[2, 0])


def test_it_is_awaited_by_its_last_name_and_no_more_when_detached(monitors):
    make("w0")
    monitors.make("m")
    monitors.attach("m", "w0", on_return="attach")
    ip("link set w0 name w5", "link del w5")
    eventually(lambda: monitors.states("m"), [("w5", "awaited")])
    monitors.detach("m", "w5")
    make("w5")
    monitors.on("w5", "other")
    send("w5", 1)

    monitors.expect(other=[1, 0], m=[0, 0])
    assert [] == monitors.states("m")


def test_an_interface_that_moves_to_another_namespace_is_left(monitors):
    """Nothing of ours goes with it; when it returns it may be awaited."""
    make("w0")
    run("ip", "netns", "add", "elsewhere")
    try:
        monitors.make("m")
        monitors.attach("m", "w0", on_return="attach")
        ip("link set w0 netns elsewhere")
        eventually(lambda: monitors.states("m"), [("w0", "awaited")])
        run("ip", "-n", "elsewhere", "link", "set", "w0", "up", "arp", "off")
        wait_until(lambda: "w0-far" in up(), "the far end to be up")
        send("w0", 2)
        run("ip", "-n", "elsewhere", "link", "set", "w0", "netns", str(os.getpid()))
        eventually(lambda: monitors.states("m"), [("w0", "attached")])
        ip("link set w0 up")
        both_up("w0")
        send("w0", 3)
        monitors.expect(m=[3, 0])
    finally:
        run("ip", "netns", "del", "elsewhere")


def test_a_pattern_follows_names(monitors):
    """What is there, what comes, what is renamed in and out, and what goes."""
    make("wa0", "wa1", "wb0")
    monitors.make("m")
    monitors.attach("m", "wa?")
    assert ("wa?", ["wa?"]) == (
        monitors.registry.get("m").parent,
        monitors.registry.get("m").attachments.selectors,
    )
    assert ["wa0", "wa1"] == attached(monitors, "m")
    make("wa2", "wb1")
    eventually(lambda: attached(monitors, "m"), ["wa0", "wa1", "wa2"])
    ip(
        "link set wb0 name wa3",
        "link set wb0-far name wa3-far",
        "link set wa0 name wc0",
        "link set wa0-far name wc0-far",
    )
    eventually(lambda: attached(monitors, "m"), ["wa1", "wa2", "wa3"])
    for number, name in enumerate(("wa1", "wa2", "wa3", "wc0", "wb1"), start=1):
        send(name, number)
    monitors.expect(m=[6, 0])
    ip("link del wa2")
    eventually(lambda: attached(monitors, "m"), ["wa1", "wa3"])
    monitors.detach("m", "wa?")

    assert ("", [], []) == (
        monitors.registry.get("m").parent,
        monitors.states("m"),
        monitors.registry.get("m").attachments.selectors,
    )
    make("wa9")
    send("wa9", 1)
    send("wa1", 1)
    monitors.expect(m=[6, 0])


def test_a_master_and_its_ports(monitors):
    """Ports come and go, and so does the master's name."""
    make("w0", "w1")
    ip("link add wbr up arp off type bridge mcast_snooping 0", "link set w0 master wbr")
    monitors.make("m")
    monitors.attach("m", "master=wbr")
    assert ["w0"] == attached(monitors, "m")
    ip("link set w1 master wbr")
    eventually(lambda: attached(monitors, "m"), ["w0", "w1"])
    ip("link set w0 nomaster")
    eventually(lambda: attached(monitors, "m"), ["w1"])
    ip("link set wbr name wbr9")
    eventually(lambda: attached(monitors, "m"), [])
    ip("link set wbr9 name wbr", "link set w0 master wbr")
    eventually(lambda: attached(monitors, "m"), ["w0", "w1"])
    ip("link del wbr")
    eventually(lambda: attached(monitors, "m"), [])


def test_a_kind_and_everything(monitors):
    make("w0")
    ip("link add wbr up arp off type bridge mcast_snooping 0")
    monitors.make("kind")
    monitors.attach("kind", "type=bridge")
    monitors.make("all")
    monitors.attach("all", "all")
    everything = sorted(name for _, name in socket.if_nameindex() if name != "lo")

    assert (["wbr"], everything) == (attached(monitors, "kind"), attached(monitors, "all"))


def test_names_and_selectors_of_one_monitor(monitors):
    """A monitor is at an interface once; a name before a selector, and the selector when the name is given back."""
    make("w0", "w1")
    monitors.on("w0", "m")
    monitors.attach("m", "w*0")
    with pytest.raises(AlreadyAttached, match=r"already attached to 'w\*0'"):
        monitors.attach("m", "w*0")
    monitors.attach("m", "w?")
    assert [("w0", ""), ("w1", "w?")] == [
        (each.port, each.selector) for each in monitors.registry.get("m").attachments.status()
    ]
    send("w0", 2)
    send("w1", 3)
    monitors.expect(m=[5, 0])

    monitors.detach("m", "w0")
    assert ["w*0"] == [each.selector for each in monitors.registry.get("m").attachments.status() if each.port == "w0"]
    monitors.detach("m", "w*0")
    assert ["w?", "w?"] == [each.selector for each in monitors.registry.get("m").attachments.status()]
    with pytest.raises(BroughtBySelector, match=r"the selector 'w\?' has brought cube 'm' to 'w0'"):
        monitors.detach("m", "w0")
    with pytest.raises(AlreadyAttached, match=r"attached to 'w0' by the selector 'w\?'; detach it first"):
        monitors.attach("m", "w0")
    send("w0", 1)
    monitors.expect(m=[6, 0])


def test_selectors_that_cannot_be(monitors):
    make("w0")
    monitors.on("w0", "other")
    monitors.make("m")
    for how in ({"position": "first"}, {"before": "other"}, {"after": "other"}):
        with pytest.raises(NoPlaceInChain, match="a selector attaches last on each interface"):
            monitors.attach("m", "w*", **how)
    with pytest.raises(InvalidPort):
        monitors.attach("m", "netns/x/w*")
    with pytest.raises(InterfaceNotFound):
        monitors.attach("m", "w9")
    with pytest.raises(NothingToAwait):
        monitors.attach("m", "netns/x/w0", on_return="attach")

    assert ([], []) == (monitors.states("m"), monitors.registry.get("m").attachments.selectors)


def test_what_the_kernel_refuses_on_one_interface_stops_no_other(monitors):
    """It is shown with the reason, and tried again when something happens to that interface."""
    make("w0", "w1")
    monitors.make("first", kind=CubeType.XDP_DRV)
    monitors.attach("first", "w0")
    monitors.make("m", kind=CubeType.XDP_SKB)
    monitors.attach("m", "w?")
    status = {each.port: each for each in monitors.registry.get("m").attachments.status()}
    assert ("refused", "attached") == (status["w0"].state, status["w1"].state)
    assert "cube 'first' is there as XDP_DRV" in status["w0"].reason
    send("w0", 1)
    send("w1", 2)
    monitors.expect(m=[2, 0], first=[1, 0])

    monitors.detach("first", "w0")
    ip("link set w0 mtu 1400")
    eventually(lambda: attached(monitors, "m"), ["w0", "w1"])
    send("w0", 3)
    monitors.expect(m=[5, 0])


def test_the_thread_is_there_only_while_something_is_attached(monitors):
    assert not is_listening()
    make("w0")
    monitors.on("w0", "m")
    assert is_listening()
    monitors.detach("m", "w0")
    assert not is_listening()
    monitors.attach("m", "nothing*")
    assert is_listening()
    monitors.registry.delete("m")
    assert not is_listening()


def test_more_events_than_there_is_room_for(monitors, monkeypatch):
    """The kernel says that some are lost; then all interfaces are looked at."""
    monkeypatch.setattr("dynmon.netdev.watching.SO_RCVBUFFORCE", socket.SO_RCVBUF)
    monkeypatch.setattr("dynmon.netdev.watching.QUEUE_BYTES", 1)
    overflows, look = [], LinkWatch._look_again
    monkeypatch.setattr(LinkWatch, "_look_again", lambda *call: overflows.append(look(*call)))
    monitors.make("m")
    monitors.attach("m", "w*")
    with monitors.registry.placing.lock:
        make(*(f"w{number}" for number in range(20)))
        ip(*(f"link del w{number}" for number in range(10)))
    expected = sorted(name for _, name in socket.if_nameindex() if name.startswith("w"))
    eventually(lambda: attached(monitors, "m"), expected)
    for number in range(10, 20):
        send(f"w{number}", 1)

    monitors.expect(m=[10, 10])
    assert overflows


def test_a_program_that_somebody_took_off_is_shown_so(monitors):
    """New code runs there again."""
    make("w0")
    monitors.make("m", directions=["ingress"])
    monitors.attach("m", "w0")
    run("bpftool", "link", "detach", "id", str(tcx_links("w0", "ingress")[0]))
    (status,) = monitors.registry.get("m").attachments.status()
    assert ("w0", "detached") == (status.port, status.state)
    assert "somebody has taken its program off" in status.reason
    monitors.registry.get("m").inject(monitors.registry.get("m").dataplane_config)
    send("w0", 2)

    monitors.expect(m=[2, 0])
    assert [("w0", "attached")] == monitors.states("m")


def test_changes_from_all_sides_at_once_come_to_an_end(monitors):
    """Plugs, names, selectors, injections and reads, in threads of their own; every order of locks is the same."""
    make("w0", "w1", "w2")
    registry = monitors.registry
    bridge = registry.create_bridge("br1", BridgeConfig(ports=(PortConfig(name="p", peer="w0"),)))
    cube = monitors.make("m", swaps=True)
    monitors.make("other")
    monitors.attach("m", "br1:p")
    monitors.attach("other", "br1:p")

    def replug() -> None:
        bridge.set_peer("p", "")
        bridge.set_peer("p", "w0")

    def name() -> None:
        monitors.attach("m", "w1")
        monitors.detach("m", "w1")

    def select() -> None:
        monitors.attach("other", "w[12]")
        monitors.detach("other", "w[12]")

    def come_and_go() -> None:
        ip("link add w9 type veth peer name w9-far", "link del w9")

    def read() -> None:
        cube.read_all(drain=True)
        cube.attachments.status()

    actions = [replug, name, select, come_and_go, read, lambda: cube.inject(cube.dataplane_config)]
    with ThreadPoolExecutor(len(actions)) as pool:
        done = [pool.submit(lambda action=action: [action() for _ in range(15)]) for action in actions]
        for each in done:
            each.result(timeout=60)
    cube.inject(cube.dataplane_config)
    send("w0", 3)

    monitors.expect(m=[3, 0])
    assert ([("br1:p", "attached")], [("br1:p", "attached")]) == (monitors.states("m"), monitors.states("other"))

"""The learning switch in the kernel: where each frame goes, to the last copy."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from dynmon.dataplane.switch import MAX_PORTS, Switch
from dynmon.trial import workbench
from tests.hooks import attached
from tests.support import needs, run, wait_until
from tests.switching import EVERYBODY, Host, hosts, received

pytestmark = needs("kernel", "clang")
STRANGER = bytes.fromhex("020000009999")
GROUP = bytes.fromhex("01005e000001")


@pytest.fixture(scope="module")
def foundry(tmp_path_factory):
    with workbench(tmp_path_factory.mktemp("cache")) as foundry:
        Switch(foundry, aging_seconds=300).close()  # compiles, for which the compiler starts a process
        yield foundry


@pytest.fixture
def switch(foundry, no_leaks):
    with closing(Switch(foundry, aging_seconds=300)) as switch:
        yield switch


def plug(switch: Switch, port: int, host: Host) -> None:
    switch.plug(port, socket.if_nametoindex(host.interface), host.interface)


@pytest.fixture
def stations():
    with hosts(4) as four:
        yield four


@pytest.fixture
def around(switch, stations):
    """Four hosts at the ports 0 to 3."""
    for port, host in enumerate(stations):
        plug(switch, port, host)
    return stations


def ports(switch: Switch) -> dict[bytes, int]:
    return {station.address: station.port for station in switch.stations()}


@pytest.mark.parametrize("destination", [STRANGER, GROUP, EVERYBODY], ids=["stranger", "group", "everybody"])
def test_what_is_for_nobody_known_goes_to_all_others_once(around, destination):
    first, *others = around
    frames = [first.send(destination, data=bytes([number])) for number in range(7)]

    assert [frames] * 3 == received(first, others)
    assert [[]] == received(around[1], [first])


def test_what_is_for_a_known_host_goes_to_it_alone(switch, around):
    first, second, *others = around
    second.send(STRANGER)
    received(second, [first, *others])
    frames = [first.send(second.mac, data=bytes([number])) for number in range(5)]

    assert [frames, [], []] == received(first, [second, *others])
    assert {first.mac: 0, second.mac: 1} == ports(switch)


def test_what_came_from_where_its_destination_is_goes_nowhere(around):
    first, *others = around
    heard = first.send(EVERYBODY, source=STRANGER)
    first.send(STRANGER)

    assert [[heard]] * 3 == received(first, others)


def test_a_group_is_not_learned(switch, around):
    first, *others = around
    first.send(EVERYBODY, source=GROUP)
    received(first, others)

    assert {first.mac: 0} == ports(switch)


def test_a_host_that_moves_is_found_at_its_new_port(switch, around):
    first, second, third, fourth = around
    first.send(EVERYBODY, source=STRANGER)
    received(first, [second, third, fourth])
    third.send(EVERYBODY, source=STRANGER)
    received(third, [first, second, fourth])
    frame = second.send(STRANGER)

    assert [[frame], [], []] == received(second, [third, first, fourth])
    assert 2 == ports(switch)[STRANGER]


def test_an_address_not_seen_for_the_aging_time_is_unknown(switch, around):
    """The data path forgets by itself: nobody removes the entry."""
    first, second, *others = around
    switch.aging_seconds = 1
    second.send(EVERYBODY)
    received(second, [first, *others])
    assert second.mac in ports(switch)
    wait_until(lambda: second.mac not in ports(switch), "the address to age")
    frame = first.send(second.mac)

    assert [[frame]] * 3 == received(first, [second, *others])


def test_every_packet_of_an_address_renews_it(switch, around):
    first, second, *others = around
    second.send(EVERYBODY)
    received(second, [first, *others])
    wait_until(lambda: next(one for one in switch.stations()).age_seconds > 0.3, "the address to be old")
    second.send(EVERYBODY)
    received(second, [first, *others])

    assert switch.stations()[0].age_seconds < 0.3


def test_flushed_addresses_are_unknown(switch, around):
    first, second, *others = around
    second.send(EVERYBODY)
    received(second, [first, *others])
    switch.flush()
    assert {} == ports(switch)
    frame = first.send(second.mac)

    assert [[frame]] * 3 == received(first, [second, *others])


def test_an_address_can_be_taught_and_forgotten(switch, around):
    first, second, *others = around
    switch.learn(STRANGER, 1)
    frame = first.send(STRANGER)
    assert [[frame], [], []] == received(first, [second, *others])
    switch.forget(STRANGER)
    frame = first.send(STRANGER)

    assert [[frame]] * 3 == received(first, [second, *others])


@pytest.mark.parametrize("tags", ["81000007", "88a80007", "88a8000781000009"])
def test_tags_pass_as_they_are(around, tags):
    """One tag, one of a provider, and both: known or not, the same bytes come out."""
    first, second, *others = around
    kind, rest = int(tags[:4], 16), bytes.fromhex(tags[4:]) + b"\x88\xb5tagged"
    frame = first.send(STRANGER, kind=kind, data=rest)
    assert [[frame]] * 3 == received(first, [second, *others])

    second.send(EVERYBODY)
    received(second, [first, *others])
    frame = first.send(second.mac, kind=kind, data=rest)
    assert [[frame], [], []] == received(first, [second, *others])


def test_a_port_without_an_interface_gets_nothing_and_is_forgotten(switch, around):
    first, second, *others = around
    second.send(EVERYBODY)
    received(second, [first, *others])
    switch.unplug(1)
    frame = first.send(second.mac)

    assert [[frame]] * 2 == received(first, others)
    assert second.mac not in ports(switch)
    second.send(EVERYBODY)
    assert [[], []] == received(first, others)


def test_a_port_can_get_another_interface(switch, stations):
    first, second, third, _ = stations
    plug(switch, 0, first)
    plug(switch, 1, second)
    plug(switch, 1, third)
    frame = first.send(EVERYBODY)

    assert [[frame]] == received(first, [third])
    second.send(EVERYBODY)
    assert [[]] == received(third, [first])


def test_an_interface_that_is_deleted_takes_nothing_with_it(switch, around):
    first, second, third, fourth = around
    run("ip", "link", "del", second.interface)
    frame = first.send(EVERYBODY)

    assert [[frame]] * 2 == received(first, [third, fourth])
    switch.unplug(1)


def test_what_is_not_for_the_interface_itself_is_received_too(switch, around):
    """As by a real switch: a network card would otherwise drop what has another address."""
    details = [run("ip", "-d", "link", "show", host.interface) for host in around]
    assert all("promiscuity 1" in each for each in details)
    switch.close()

    assert all("promiscuity 0" in run("ip", "-d", "link", "show", host.interface) for host in around)


def test_closing_leaves_the_interfaces_as_they_were(switch, stations):
    before = [attached(host.interface) for host in stations]
    for port, host in enumerate(stations):
        plug(switch, port, host)
    assert before != [attached(host.interface) for host in stations]
    switch.close()

    assert before == [attached(host.interface) for host in stations]


def test_a_switch_has_128_ports(switch):
    with hosts(MAX_PORTS) as many:
        for port, host in enumerate(many):
            plug(switch, port, host)
        first, *others, last = many
        frame = first.send(EVERYBODY)
        assert [[frame]] * 127 == received(first, [*others, last])
        last.send(EVERYBODY)
        received(last, [first, *others])
        frame = first.send(last.mac)

        assert [[], [frame]] == received(first, [others[0], last])
        assert 127 == ports(switch)[last.mac]
        switch.close()

"""Attach, replace and detach programs, by counted packets."""

import threading
from contextlib import ExitStack

import pytest

from dynmon.bpf import (
    HookFull,
    InterfaceBusy,
    ProgramType,
    attach_clsact,
    attach_tc,
    attach_tcx,
    attach_xdp,
    kernel_features,
)
from dynmon.models import Direction
from dynmon.netdev import InterfaceNotFound
from tests.kernel.bpf.conftest import Counter
from tests.kernel.bpf.objects import TC_COUNTER
from tests.support import needs, run, wait_until

FRAME = bytes(60)
MEANS = [pytest.param(attach_tcx, marks=needs("tcx"), id="tcx"), pytest.param(attach_clsact, id="clsact")]

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("attach", MEANS)
def test_an_attached_program_sees_every_packet_of_its_direction(veth, index, counter, attach, direction):
    """Seven packets one way are seven, none of the other way is counted."""
    other = Direction.EGRESS if direction is Direction.INGRESS else Direction.INGRESS
    with attach(counter.program, index, direction, interface_name=veth.host):
        veth.send(direction, FRAME, count=7)
        veth.send(other, FRAME, count=3)

        assert 7 == counter.packets()


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("attach", MEANS)
def test_closing_the_link_detaches(veth, index, counter, attach, direction):
    """A closed link counts no more packets, and closing it again is harmless."""
    link = attach(counter.program, index, direction, interface_name=veth.host)
    veth.send(direction, FRAME, count=7)
    link.close()
    veth.send(direction, FRAME, count=5)
    link.close()

    assert 7 == counter.packets()


@pytest.mark.parametrize("attach", MEANS)
def test_both_directions_at_once(veth, index, counter, another_counter, attach):
    """Each direction has its program."""
    with (
        attach(counter.program, index, Direction.INGRESS, interface_name=veth.host),
        attach(another_counter.program, index, Direction.EGRESS, interface_name=veth.host),
    ):
        veth.send_in(FRAME, count=4)
        veth.send_out(FRAME, count=9)

    assert (4, 9) == (counter.packets(), another_counter.packets())


@pytest.mark.parametrize("attach", MEANS)
def test_replacing_under_flood_loses_and_doubles_nothing(veth, index, load, attach):
    """While packets flow, the program is replaced 200 times; together the programs counted each packet once."""
    counters = [Counter(load(TC_COUNTER)) for _ in range(20)]
    stop, sent = threading.Event(), []

    def flood():
        while not stop.is_set():
            sent.append(veth.send_in(FRAME, count=100))

    with attach(counters[0].program, index, Direction.INGRESS, interface_name=veth.host) as link:
        sender = threading.Thread(target=flood)
        sender.start()
        try:
            for number in range(200):
                before = counters[number % 20].packets()
                link.update(counters[number % 20].program)
                wait_until(lambda n=number, b=before: counters[n % 20].packets() > b, "packets for the new program")
        finally:
            stop.set()
            sender.join()

        assert sum(sent) == sum(counter.packets() for counter in counters)
    assert all(counter.packets() for counter in counters)


@pytest.mark.parametrize("attach", MEANS)
def test_before_another_link_runs_first(veth, index, load, attach):
    """Of two programs that drop, only the first sees the packet."""
    drop = TC_COUNTER.replace("TC_ACT_UNSPEC", "TC_ACT_SHOT")
    late, early, middle = (Counter(load(drop)) for _ in range(3))
    with attach(late.program, index, Direction.INGRESS, interface_name=veth.host) as last:
        with (
            attach(early.program, index, Direction.INGRESS, interface_name=veth.host, before=last),
            attach(middle.program, index, Direction.INGRESS, interface_name=veth.host, before=last),
        ):
            veth.send_in(FRAME, count=3)
        veth.send_in(FRAME, count=2)

    assert (3, 0, 2) == (early.packets(), middle.packets(), late.packets())


@pytest.mark.parametrize("attach", MEANS)
def test_the_newest_goes_last(veth, index, load, attach):
    """A program attached later sees no packet that an earlier one has dropped, whatever was detached in between."""
    drop = TC_COUNTER.replace("TC_ACT_UNSPEC", "TC_ACT_SHOT")
    first, second, third = Counter(load(TC_COUNTER)), Counter(load(drop)), Counter(load(TC_COUNTER))
    opened = attach(first.program, index, Direction.INGRESS, interface_name=veth.host)
    with attach(second.program, index, Direction.INGRESS, interface_name=veth.host):
        opened.close()
        with attach(third.program, index, Direction.INGRESS, interface_name=veth.host):
            veth.send_in(FRAME, count=6)

    assert (0, 6, 0) == (first.packets(), second.packets(), third.packets())


@pytest.mark.parametrize("attach", MEANS)
def test_an_unknown_interface_is_named(counter, attach):
    """The error says which interface is missing."""
    with pytest.raises(InterfaceNotFound, match="'gone0'"):
        attach(counter.program, 999_999, Direction.INGRESS, interface_name="gone0")


@pytest.mark.parametrize("attach", MEANS)
def test_an_interface_that_goes_away_takes_the_link_with_it(veth, index, counter, another_counter, attach):
    """Closing is harmless then; replacing says that the interface is missing."""
    link = attach(counter.program, index, Direction.INGRESS, interface_name=veth.host)
    run("ip", "link", "del", veth.host)
    with pytest.raises(InterfaceNotFound):
        link.update(another_counter.program)
    link.close()


@needs("tcx")
def test_a_hook_takes_no_more_programs_than_the_kernel_has_room_for(veth, index, counter, load):
    """The 64th is refused as a conflict that a person can resolve; the 63 run on."""
    with ExitStack() as links:
        for _ in range(62):
            program = load(TC_COUNTER).program
            links.enter_context(attach_tcx(program, index, Direction.INGRESS, interface_name=veth.host))
        last = Counter(load(TC_COUNTER))
        links.enter_context(attach_tcx(last.program, index, Direction.INGRESS, interface_name=veth.host))
        with pytest.raises(HookFull, match=f"{veth.host}.* ingress: the kernel takes 63 programs"):
            attach_tcx(counter.program, index, Direction.INGRESS, interface_name=veth.host)
        veth.send_in(FRAME, count=2)

        assert (2, 0) == (last.packets(), counter.packets())


@needs("tcx")
def test_a_foreign_tcx_program_survives(veth, index, counter, another_counter):
    """Attaching, replacing and detaching leave another's link where it is, and counting."""
    with attach_tcx(another_counter.program, index, Direction.INGRESS, interface_name=veth.host):
        with attach_tcx(counter.program, index, Direction.INGRESS, interface_name=veth.host) as link:
            veth.send_in(FRAME, count=4)
            link.update(counter.program)
        veth.send_in(FRAME, count=3)

    assert (4, 7) == (counter.packets(), another_counter.packets())


@needs("tcx")
def test_the_means_is_tcx_where_the_kernel_has_it(veth, index, counter, monkeypatch):
    """DYNMON_WITHOUT hides it, and then it is clsact."""
    with attach_tc(counter.program, index, Direction.INGRESS, interface_name=veth.host) as link:
        assert "tcx" == link.kind
        assert link.id

    monkeypatch.setenv("DYNMON_WITHOUT", "tcx")
    assert not kernel_features().has_tcx
    with attach_tc(counter.program, index, Direction.INGRESS, interface_name=veth.host) as link:
        assert ("clsact", None) == (link.kind, link.id)


@pytest.mark.parametrize("mode", ["skb", "drv"])
def test_xdp_sees_received_packets_only(veth, index, xdp_counter, mode):
    """Seven in, three out: seven. A closed link counts no more."""
    with attach_xdp(xdp_counter.program, index, mode, interface_name=veth.host) as link:
        assert "xdp" == link.kind
        veth.send_in(FRAME, count=7)
        veth.send_out(FRAME, count=3)
    veth.send_in(FRAME, count=5)
    link.close()

    assert 7 == xdp_counter.packets()


def test_an_xdp_link_is_replaced_in_place(veth, index, load, xdp_counter):
    """Each packet is counted by one of the two programs."""
    other = Counter(load(TC_COUNTER.replace('"tc"', '"xdp"'), program_type=ProgramType.XDP))
    with attach_xdp(xdp_counter.program, index, "skb", interface_name=veth.host) as link:
        veth.send_in(FRAME, count=2)
        link.update(other.program)
        veth.send_in(FRAME, count=3)

    assert (2, 3) == (xdp_counter.packets(), other.packets())


def test_an_interface_with_an_xdp_program_is_busy(veth, index, load, xdp_counter):
    """The refusal names the interface and the program that is there."""
    other = Counter(load(TC_COUNTER.replace('"tc"', '"xdp"'), program_type=ProgramType.XDP))
    with attach_xdp(other.program, index, "skb", interface_name=veth.host), pytest.raises(InterfaceBusy) as caught:
        attach_xdp(xdp_counter.program, index, "skb", interface_name=veth.host)

    expected = f"attach to '{veth.host}' ingress: interface already has an XDP program (id {other.program.id})"
    assert expected == str(caught.value)
    fields = caught.value.fields()
    assert ("attach", veth.host, other.program.id) == (fields["stage"], fields["interface"], fields["program-id"])


def test_xdp_on_an_unknown_interface(xdp_counter):
    """The error says which interface is missing."""
    with pytest.raises(InterfaceNotFound, match="'gone0'"):
        attach_xdp(xdp_counter.program, 999_999, "skb", interface_name="gone0")


def test_a_packet_runs_through_a_program_without_an_interface(load):
    """The verdict is signed, as C writes it; the packet comes back as the program left it."""
    loaded = load('SEC("tc") int dynmon_ingress(struct __sk_buff *ctx) { return -1; }')
    result = loaded.program.test_run(FRAME, repeat=10)

    assert -1 == result.verdict
    assert FRAME == result.packet
    assert loaded.program.instructions == 2

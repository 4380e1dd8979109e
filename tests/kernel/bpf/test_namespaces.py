"""What the kernel refuses on interfaces of other namespaces, in the words of that place."""

from __future__ import annotations

import pytest

from dynmon.bpf import InterfaceBusy, ProgramType, attach_clsact, attach_tc, attach_tcx, attach_xdp
from dynmon.models import Direction
from dynmon.netdev import InterfaceNotFound, Namespace, Place, locate
from tests.kernel.bpf.conftest import Counter
from tests.kernel.bpf.objects import TC_COUNTER
from tests.rooms import room
from tests.support import needs, run, wait_until

FRAME = bytes(60)

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def blue():
    with room("blue") as made:
        yield made


@pytest.fixture
def located(blue):
    return locate(Place.parse(blue.port))


def test_a_foreign_xdp_program_is_named(blue, located, load, xdp_counter):
    """It is looked for in the namespace, and counts on."""
    other = Counter(load(TC_COUNTER.replace('"tc"', '"xdp"'), program_type=ProgramType.XDP))
    where = {"interface_name": blue.port, "namespace": located.namespace}
    with attach_xdp(other.program, located.index, "skb", **where):
        with pytest.raises(InterfaceBusy) as caught:
            attach_xdp(xdp_counter.program, located.index, "skb", **where)
        blue.send("ingress", FRAME, 3)

    assert other.program.id == caught.value.program_id
    assert "(bpftool net detach xdp dev eth0 there)" in caught.value.hint
    assert (3, 0) == (other.packets(), xdp_counter.packets())


@needs("tcx")
def test_a_foreign_tcx_program_is_left_in_place(blue, located, counter, another_counter):
    where = {"interface_name": blue.port, "namespace": located.namespace}
    with attach_tcx(another_counter.program, located.index, Direction.INGRESS, **where):
        with attach_tcx(counter.program, located.index, Direction.INGRESS, **where) as link:
            blue.send("ingress", FRAME, 4)
            link.update(counter.program)
        blue.send("ingress", FRAME, 3)

    assert (4, 7) == (counter.packets(), another_counter.packets())


def test_an_interface_that_only_our_own_namespace_has_is_unknown_there(blue, located, counter, xdp_counter):
    """A number means an interface in one namespace."""
    index = locate(Place.parse(blue.outside)).index
    where = {"interface_name": "gone0", "namespace": located.namespace}
    for attach in (
        lambda: attach_tc(counter.program, index, Direction.INGRESS, **where),
        lambda: attach_clsact(counter.program, index, Direction.INGRESS, **where),
        lambda: attach_xdp(xdp_counter.program, index, "skb", **where),
    ):
        with pytest.raises(InterfaceNotFound, match="'gone0'"):
            attach()


@pytest.mark.parametrize("attach", [pytest.param(attach_tcx, marks=needs("tcx")), attach_clsact])
def test_a_link_outlives_neither_its_namespace_nor_keeps_it(blue, located, counter, another_counter, attach):
    """Replacing says that the interface is missing; closing is harmless; attaching there again is not possible."""
    where = {"interface_name": blue.port, "namespace": located.namespace}
    link = attach(counter.program, located.index, Direction.INGRESS, **where)
    run("ip", "netns", "del", "blue")
    wait_until(lambda: blue.outside not in run("ip", "link", "show"), "the pair to go")

    assert not link.is_attached()
    with pytest.raises(InterfaceNotFound):
        link.update(another_counter.program)
    link.close()
    with pytest.raises(InterfaceNotFound):
        attach(counter.program, located.index, Direction.INGRESS, **where)


def test_a_new_namespace_of_the_same_name_is_another_one(blue, located):
    run("ip", "netns", "del", "blue")
    wait_until(lambda: blue.outside not in run("ip", "link", "show"), "the pair to go")
    with room("blue") as again:
        assert located != locate(Place.parse(again.port))
        with pytest.raises(OSError, match="the network namespace is gone"):
            located.name()


def test_an_error_there_is_an_error_here(located):
    """What an errand raises, its caller gets."""
    namespace = located.namespace
    assert isinstance(namespace, Namespace)
    with pytest.raises(ZeroDivisionError):
        namespace.run(lambda: 1 // 0)

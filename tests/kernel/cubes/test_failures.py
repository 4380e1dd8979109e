"""A read that fails half-way loses nothing: the kernel is made to refuse by taking descriptors away."""

import os
from contextlib import contextmanager

import pytest

from dynmon.bpf import BpfLink
from dynmon.bpf.features import HIDE_VARIABLE
from dynmon.errors import KernelError
from dynmon.metrics.ledger import Ledger
from dynmon.models import AttachRequest, CubeConfig, CubeType, Direction
from tests.kernel.cubes.conftest import Bench, document
from tests.kernel.cubes.test_reads import COUNTING, EMPTY, SIZING, SWAP, metric, path
from tests.support import needs, run, veth_pair


@contextmanager
def taken_away(descriptor):
    """The descriptor is one of a file meanwhile, on which no command of BPF works."""
    kept = os.dup(descriptor)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nothing)


def running(monitor, direction=Direction.INGRESS):
    return monitor.cube._dataplane.paths[direction]


@pytest.mark.parametrize(
    ("source", "name", "found"), [(COUNTING, "COUNTS", [9]), (SIZING, "SIZES", [{"key": 60, "value": 9}])]
)
def test_a_map_that_could_not_be_drained_comes_with_the_next_read(bench, source, name, found):
    """The link is switched already when draining fails; the copy that was active before comes with the next read."""
    monitor = bench(ingress=path(source, metric("packets", name, EMPTY)))
    monitor.send(4)
    active = running(monitor).maps[name]
    with taken_away(active.fd), pytest.raises(KernelError):
        monitor.value("packets")
    monitor.send(5)

    assert found == monitor.value("packets")


def test_a_link_that_cannot_be_switched_goes_on_with_the_program_it_has(bench):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", {**EMPTY, **SWAP})))
    monitor.send(4)
    with taken_away(running(monitor).idle.program.fd), pytest.raises(KernelError, match="replace the program at"):
        monitor.value("packets")
    monitor.send(5)

    assert [9] == monitor.value("packets", drain=False)
    assert [9] == monitor.value("packets")


def test_when_the_second_of_two_links_cannot_be_switched_the_first_is_taken_back(bench):
    paths = {way: path(COUNTING, metric("packets", "COUNTS", EMPTY)) for way in ("ingress", "egress")}
    monitor = bench(**paths)
    for direction in ("ingress", "egress"):
        monitor.send(4, direction)
    idle = running(monitor, Direction.EGRESS).idle
    with taken_away(idle.program.fd), pytest.raises(KernelError):
        monitor.cube.read_all(drain=True)
    for direction in ("ingress", "egress"):
        monitor.send(5, direction)

    assert [[[9]], [[9]]] == [[each.value for each in some] for some in monitor.cube.read_all(drain=True).values()]


def test_one_map_that_cannot_be_read_leaves_the_others_alone(bench):
    source = COUNTING.replace("BPF_ARRAY(COUNTS, u64, 1);", "BPF_ARRAY(COUNTS, u64, 1); BPF_ARRAY(IDLE, u64, 1);")
    monitor = bench(ingress=path(source, metric("packets", "COUNTS"), metric("nothing", "IDLE")))
    monitor.send(2)
    with taken_away(running(monitor).maps["IDLE"].fd):
        packets, nothing = monitor.cube.read(Direction.INGRESS, drain=True)

    assert [2] == packets.value
    assert nothing.value is None
    assert "its map could not be read: access map 'IDLE'" in nothing.note


def test_what_was_not_drained_is_not_missing_from_reads_that_do_not_switch(bench):
    """A total must not fall because another reader's drain has failed."""
    monitor = bench(ingress=path(COUNTING, metric("window", "COUNTS", EMPTY), metric("all", "COUNTS")))
    monitor.send(4)
    with taken_away(running(monitor).maps["COUNTS"].fd), pytest.raises(KernelError):
        monitor.value("window")
    monitor.send(1)

    assert [5] == monitor.value("all", drain=False)
    assert [5] == monitor.value("all")
    assert [5] == monitor.value("window")


@pytest.mark.parametrize("after", [{}, EMPTY], ids=["plain", "empty"])
def test_what_was_not_drained_goes_on_in_maps_that_are_kept(bench, after):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    monitor.send(4)
    with taken_away(running(monitor).maps["COUNTS"].fd), pytest.raises(KernelError):
        monitor.value("packets")
    monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", after), **{"keep-maps": True}))
    monitor.send(1)

    assert [5] == monitor.value("packets")


def test_a_grace_period_that_fails_loses_nothing(bench, registry):
    monitor = bench(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
    assert [0] == monitor.value("packets")
    monitor.send(4)
    with taken_away(registry._grace._maps[0].fd), pytest.raises(KernelError):
        monitor.value("packets")
    monitor.send(5)

    assert [9] == monitor.value("packets")


def test_a_ledger_that_has_no_memory_loses_nothing_of_its_own_or_of_others(bench, monkeypatch):
    metrics = [metric(name, "SIZES", EMPTY) for name in ("first", "second")]
    monitor = bench(ingress=path(SIZING, *metrics))
    monitor.send(4)

    def no_memory(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_table", no_memory)
        with pytest.raises(MemoryError):
            monitor.value("first")
    monitor.send(5)

    assert [[{"key": 60, "value": 9}]] * 2 == [monitor.value(name) for name in ("first", "second")]


def detach_link(link, interface):
    run("bpftool", "link", "detach", "id", str(link.id))


def delete_filter(link, interface):
    run("tc", "filter", "del", "dev", interface, "ingress", "prio", str(link.priority))


def delete_qdisc(link, interface):
    run("tc", "qdisc", "del", "dev", interface, "clsact")


@pytest.mark.parametrize(
    ("kind", "without", "remove"),
    [
        pytest.param(CubeType.TC, "", detach_link, marks=needs("tcx")),
        (CubeType.TC, "tcx", delete_filter),
        (CubeType.TC, "tcx", delete_qdisc),
        (CubeType.XDP_SKB, "", detach_link),
    ],
)
def test_what_somebody_detached_is_attached_again_by_the_next_code(registry, monkeypatch, kind, without, remove):
    """Until then no packet is seen, every read is as before, and it is shown."""
    monkeypatch.setenv(HIDE_VARIABLE, without)
    with veth_pair() as veth:
        config = CubeConfig(
            type=kind, dataplane_config=document({"ingress": path(COUNTING, metric("packets", "COUNTS", EMPTY))})
        )
        monitor = Bench(registry.create("left", config), veth)
        try:
            registry.attach(AttachRequest(cube="left", port=veth.host))
            monitor.send(4)
            link = monitor.cube._dataplane.attachments[0].links[Direction.INGRESS]
            remove(link, veth.host)
            monitor.send(3)
            assert [[4], [0]] == [monitor.value("packets") for _ in range(2)]
            assert [(veth.host, Direction.INGRESS, False)] == monitor.cube.attached()
            assert ["detached"] == [each.state for each in monitor.cube.attachments.status()]
            monitor.inject(ingress=path(COUNTING, metric("packets", "COUNTS", EMPTY)))
            assert [(veth.host, Direction.INGRESS, True)] == monitor.cube.attached()
            assert ["attached"] == [each.state for each in monitor.cube.attachments.status()]
            monitor.send(2)
            assert [2] == monitor.value("packets")
            run("ip", "link", "del", veth.host)
            assert [0] == monitor.value("packets")
            assert monitor.cube.parent == ""
        finally:
            registry.delete("left")


@needs("tcx")
def test_two_refusals_leave_the_paths_as_the_links_have_them(bench, monkeypatch):
    """The second link cannot be switched, and the first cannot be switched back."""
    paths = {way: path(COUNTING, metric("packets", "COUNTS", EMPTY)) for way in ("ingress", "egress")}
    monitor = bench(**paths)
    second, first = (monitor.cube._dataplane.attachments[0].links[way] for way in Direction)
    monitor.send(4, "egress")
    descriptor = first.fd

    def update_once(program):
        BpfLink.update(first, program)
        first.fd = second.fd

    with monkeypatch.context() as patch:
        patch.setattr(first, "update", update_once)
        with taken_away(second.fd), pytest.raises(KernelError):
            monitor.cube.read_all(drain=True)
    first.fd = descriptor
    monitor.send(5, "egress")

    assert [9] == monitor.value("packets", "egress", drain=False)
    assert [9] == monitor.value("packets", "egress")

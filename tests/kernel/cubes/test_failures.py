"""A read that fails half-way loses nothing: the kernel is made to refuse by taking descriptors away."""

import os
from contextlib import contextmanager

import pytest

from dynmon.bpf import BpfLink
from dynmon.errors import KernelError
from dynmon.models import Direction
from tests.kernel.cubes.test_reads import COUNTING, EMPTY, SIZING, SWAP, metric, path


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


def running(monitor):
    return monitor.cube._dataplane.paths[Direction.INGRESS]


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
    link = monitor.cube._dataplane.link(Direction.INGRESS)
    assert isinstance(link, BpfLink)
    with taken_away(link.fd), pytest.raises(KernelError, match="replace the program at"):
        monitor.value("packets")
    monitor.send(5)

    assert [9] == monitor.value("packets", drain=False)
    assert [9] == monitor.value("packets")


def test_when_the_second_of_two_links_cannot_be_switched_the_first_is_taken_back(bench):
    paths = {way: path(COUNTING, metric("packets", "COUNTS", EMPTY)) for way in ("ingress", "egress")}
    monitor = bench(**paths)
    link = monitor.cube._dataplane.link(Direction.EGRESS)
    assert isinstance(link, BpfLink)
    for direction in ("ingress", "egress"):
        monitor.send(4, direction)
    with taken_away(link.fd), pytest.raises(KernelError):
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

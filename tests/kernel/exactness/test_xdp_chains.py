"""Every packet is in exactly one window of each cube at XDP, whatever the other cubes of the chain do meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dynmon.cubes import CubeRegistry
from dynmon.models import AttachRequest, CubeConfig, DataplaneConfig, DetachRequest, Direction
from tests.kernel.exactness.counting import CODES, HOOKS, READS, REPEAT, SLOW_CODES, Hook, path
from tests.kernel.exactness.reading import Place, WireTo, flood_and_read, grows, metric, reads, together
from tests.support import Veth

INGRESS = Direction.INGRESS
MODES = pytest.mark.parametrize("hook", [HOOKS["ingress-xdp_skb"], HOOKS["ingress-xdp_drv"]], ids=["skb", "drv"])
PLACES: tuple[dict[str, str], ...] = ({"position": "first"}, {"after": "exact0"}, {"position": "last"})
# Goes on in its map when it is replaced.
KEPT = {"code": CODES["percpu_array"], "metric-configs": [metric("total", None)], "keep-maps": True}


@MODES
@pytest.mark.parametrize("kind", ["array", "percpu_array", "hash", "variable"])
def test_the_windows_of_all_members_add_up(place: Place, wire_to: WireTo, kind: str, hook: Hook) -> None:
    """Three cubes, each read as fast as it can be."""
    wire = wire_to(hook)
    cubes = [place(hook, {"ingress-path": path(kind, "swap+empty")}) for _ in range(3)]
    readers = {cube.name: reads(cube, INGRESS, "counts") for cube in cubes}

    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], readers)
        assert dict.fromkeys(readers, packets) == {name: sum(values) for name, values in found.items()}


@MODES
@pytest.mark.parametrize("kind", SLOW_CODES)
def test_who_has_begun_to_count_is_waited_for(place: Place, wire_to: WireTo, kind: str, hook: Hook) -> None:
    """A slot has other code, but packets are still in what it had before."""
    wire = wire_to(hook)
    slow = {**path(kind, "swap+empty"), "code": SLOW_CODES[kind]}
    cubes = [place(hook, {"ingress-path": each}) for each in (path("array", "swap"), slow)]
    readers = {cube.name: reads(cube, INGRESS, "counts") for cube in cubes}
    before = 0

    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], readers)
        moments, windows = found.values()
        assert packets == sum(windows)
        assert before + packets == moments[-1]
        assert grows([before, *moments])
        before = moments[-1]


@contextmanager
def coming_and_going(registry: CubeRegistry, line: Veth, hook: Hook, guests: int) -> Iterator[Callable[[], int]]:
    """Cubes that attach at all places of the chain, and leave; gives how often one has done so."""
    rounds = itertools.count()
    is_over, done = threading.Event(), [0]
    names = [f"guest{number}" for number in range(guests)]
    for name in names:
        document = {"type": hook.cube_type, "dataplane-config": {"ingress-path": {"code": CODES["hash"]}}}
        registry.create(name, CubeConfig.model_validate(document, by_alias=True))

    def come_and_go() -> None:
        while not is_over.is_set():
            for name in names:
                position = PLACES[next(rounds) % len(PLACES)]
                registry.attach(AttachRequest(cube=name, port=line.host, **position))
            for name in names:
                registry.detach(DetachRequest(cube=name, port=line.host))
                done[0] += 1

    try:
        with together(come_and_go):
            try:
                yield lambda: done[0]
            finally:
                is_over.set()
    finally:
        for name in names:
            registry.delete(name)


@MODES
@pytest.mark.parametrize("members", [1, 2])
def test_a_chain_that_changes_under_flood_is_exact_for_those_who_stay(
    registry: CubeRegistry, place: Place, wire_to: WireTo, line: Veth, members: int, hook: Hook
) -> None:
    """Others come first, in the middle and last, and go again; one that is alone in between runs without dispatcher."""
    wire = wire_to(hook)
    kinds = ["percpu_array", "hash"][:members]
    cubes = [place(hook, {"ingress-path": path(kind, "swap+empty")}) for kind in kinds]
    readers = {cube.name: reads(cube, INGRESS, "counts") for cube in cubes}

    with coming_and_going(registry, line, hook, guests=2) as changes:
        for _ in range(REPEAT):
            packets, found = flood_and_read([wire], readers)
            assert dict.fromkeys(readers, packets) == {name: sum(values) for name, values in found.items()}
    assert changes() > READS


@MODES
@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_member_that_is_replaced_under_flood_is_exact_and_so_are_the_others(
    place: Place, wire_to: WireTo, others: int, hook: Hook
) -> None:
    """Its code goes on in the map of before; together the copies counted each packet once."""
    wire = wire_to(hook)
    before = [place(hook, {"ingress-path": path("hash", "swap+empty")}) for _ in range(others)]
    replaced = place(hook, {"ingress-path": KEPT})
    same = DataplaneConfig.model_validate({"ingress-path": KEPT}, by_alias=True)
    readers = {cube.name: reads(cube, INGRESS, "counts") for cube in before}
    injections = 0

    def inject() -> int:
        nonlocal injections
        kept = replaced.inject(same)
        assert ["COUNTS", "REFUSED"] == sorted(kept["ingress-path"]["kept"])
        injections += 1
        return 0

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], {**readers, "injector": inject})
        sent += packets
        assert dict.fromkeys(readers, packets) == {name: sum(found[name]) for name in readers}
        assert sent == reads(replaced, INGRESS, "total")()
    assert injections > READS

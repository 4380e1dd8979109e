"""Metrics of one map, readers of them in threads of their own, and packets meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from dynmon.cubes import DynmonCube
from dynmon.models import Direction
from tests.kernel.exactness.counting import OPTIONS, PACKETS, READS, Hook, total
from tests.traffic import Wire

Place = Callable[[Hook, dict[str, Any]], DynmonCube]
WireTo = Callable[[Hook], Wire]
Read = Callable[[], int]

KINDS = pytest.mark.parametrize("kind", ["array", "percpu_array", "hash", "lru_hash", "lpm_trie"])


def metric(name: str, options: str | None, **more: Any) -> dict[str, Any]:
    return {"name": name, "map-name": "COUNTS", "extraction-options": OPTIONS[options] if options else {}, **more}


def reads(cube: DynmonCube, direction: Direction, name: str) -> Read:
    return lambda: total(cube.read_metric(direction, name, drain=True).value)


def flood_and_read(wires: Sequence[Wire], readers: Mapping[str, Read]) -> tuple[int, dict[str, list[int]]]:
    """Let packets come on all `wires` while each reader reads in a thread of its own, and once more after the last.

    Gives the number of packets and what each reader read.
    """
    found: dict[str, list[int]] = {name: [] for name in readers}
    with ExitStack() as floods:
        running = [floods.enter_context(wire.flood()) for wire in wires]

        def read_on(name: str) -> None:
            while any(flood.packets < PACKETS for flood in running) or len(found[name]) < READS:
                found[name].append(readers[name]())

        with together(*(lambda name=name: read_on(name) for name in readers)):  # type: ignore[misc]
            pass
    for name, read in readers.items():
        found[name].append(read())
    return sum(flood.packets for flood in running), found


@contextmanager
def together(*actions: Callable[[], object]) -> Iterator[None]:
    """Run each action in a thread of its own; the block may go on meanwhile, and ends when all have."""
    failures: list[BaseException] = []

    def act(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    assert not failures, failures


def grows(values: Sequence[int]) -> bool:
    return all(older <= newer for older, newer in itertools.pairwise(values))

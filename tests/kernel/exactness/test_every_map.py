"""Every packet is in exactly one window, whatever map counts it, however it is read, wherever the program runs.

Senders on two CPUs, a reader that reads as fast as it can: what it read in all is what was sent. With EXACT_PACKETS
in each round and EXACT_REPEAT rounds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from dynmon.cubes import DynmonCube
from tests.kernel.exactness.counting import (
    CODES,
    HOOKS,
    OPTIONS,
    PACKETS,
    POPPED,
    READS,
    REPEAT,
    SLOW_CODES,
    Hook,
    path,
    read_while,
    total,
)
from tests.support import needs
from tests.traffic import Wire

Place = Callable[[Hook, dict[str, Any]], DynmonCube]
WireTo = Callable[[Hook], Wire]


# A kernel without tcx has nothing to hide: there it would be the same hook again.
@pytest.mark.parametrize(
    "hook", [pytest.param(hook, id=name, marks=needs("tcx") if hook.without else ()) for name, hook in HOOKS.items()]
)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", CODES)
def test_the_windows_add_up_to_the_packets(place: Place, wire_to: WireTo, kind: str, options: str, hook: Hook) -> None:
    wire = wire_to(hook)
    cube = place(hook, {hook.direction.path_name: path(kind, options)})

    def read(name: str = "counts") -> int:
        return total(cube.read_metric(hook.direction, name, drain=True).value)

    sent = before = 0
    for _ in range(REPEAT):
        with wire.flood() as flood:
            found = read_while(lambda reads: flood.packets < PACKETS or reads < READS, read)
        found.append(read())
        sent += flood.packets
        if kind in POPPED or options != "swap":
            # What was too much for a queue is in no window, but counted.
            assert sent == before + sum(found) + read("refused")
            before += sum(found)
        else:
            assert all(older <= newer for older, newer in itertools.pairwise([before, *found]))
            assert sent == found[-1]
            before = found[-1]
    assert kind in POPPED or 0 == read("refused")


@pytest.mark.parametrize("hook", ["ingress-tc", "ingress-xdp_drv", "egress-tc"])
@pytest.mark.parametrize("kind", SLOW_CODES)
def test_who_has_begun_to_count_is_waited_for(place: Place, wire_to: WireTo, kind: str, hook: str) -> None:
    """The entry that a program has looked up does not go before it has counted there."""
    at = HOOKS[hook]
    wire = wire_to(at)
    cube = place(at, {at.direction.path_name: {**path(kind, "swap+empty"), "code": SLOW_CODES[kind]}})

    def read() -> int:
        return total(cube.read_metric(at.direction, "counts", drain=True).value)

    for _ in range(REPEAT):
        with wire.flood() as flood:
            found = read_while(lambda reads: flood.packets < PACKETS or reads < READS, read)
        assert flood.packets == sum(found) + read()

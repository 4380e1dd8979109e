"""Reads stay exact while code is replaced, and a cube comes to interfaces and goes from them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dynmon.bpf import Loader
from dynmon.cubes import CubeRegistry
from dynmon.metrics import ExpositionFormat
from dynmon.models import AttachRequest, CubeConfig, DataplaneConfig, DetachRequest, Direction
from tests.expositions import text_of
from tests.kernel.exactness.counting import CODES, HOOKS, REPEAT, total
from tests.kernel.exactness.reading import (
    KINDS,
    Place,
    WireTo,
    flood_and_read,
    grows,
    metric,
    reads,
    together,
)
from tests.support import Veth, veth_pair
from tests.traffic import wire


@KINDS
def test_reads_are_exact_while_everything_else_changes(
    registry: CubeRegistry, place: Place, wire_to: WireTo, line: Veth, kind: str
) -> None:
    """The other path gets new code, another cube comes and goes, somebody scrapes and somebody looks."""
    hook = HOOKS["ingress-tc"]
    wire = wire_to(hook)
    exported = {"open-metrics-metadata": {"type": "counter", "help": "packets"}} if kind == "array" else {}
    metrics = [metric("windows", "swap+empty", **exported)]
    cube = place(hook, {"ingress-path": {"code": CODES[kind], "metric-configs": metrics}})
    other = DataplaneConfig.model_validate({"egress-path": {"code": CODES["hash"]}}, by_alias=True)
    registry.create("guest", CubeConfig(dataplane_config=other))
    is_over = threading.Event()

    def over_and_over(action: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            while not is_over.is_set():
                action()

        return run

    def come_and_go() -> None:
        registry.attach(AttachRequest(cube="guest", port=line.host, position="first"))
        registry.detach(DetachRequest(cube="guest", port=line.host))

    actions = [
        lambda: cube.inject(other),
        come_and_go,
        lambda: text_of(cube.open_metrics(ExpositionFormat.OPENMETRICS)),
        lambda: cube.read(Direction.INGRESS, drain=False),
        cube.families,
    ]
    try:
        with together(*(over_and_over(action) for action in actions)):
            try:
                for _ in range(REPEAT):
                    packets, found = flood_and_read([wire], {"windows": reads(cube, Direction.INGRESS, "windows")})
                    assert packets == sum(found["windows"])
            finally:
                is_over.set()
    finally:
        registry.delete("guest")


@pytest.mark.parametrize("hook", ["ingress-tc", "ingress-clsact", "ingress-xdp_skb"])
@KINDS
def test_reads_are_exact_while_the_code_is_replaced_and_keeps_its_maps(
    place: Place, wire_to: WireTo, kind: str, hook: str
) -> None:
    """Windows, moments and windows since tokens of a map that goes from one program to the next under traffic."""
    at = HOOKS[hook]
    direction = at.direction
    wire = wire_to(at)
    metrics = [metric("windows", "swap+empty"), metric("moments", "swap")]
    path = {"code": CODES[kind], "metric-configs": metrics}
    cube = place(at, {direction.path_name: path})
    nexts = itertools.cycle(
        DataplaneConfig.model_validate(
            {direction.path_name: {**path, "code": f"{path['code']}\n/* {each} */", "keep-maps": True}}, by_alias=True
        )
        for each in range(2)
    )
    injections: list[dict[str, Any]] = []
    tokens = [cube.read_metric(direction, "windows", drain=True, since="").since]

    def since_last() -> int:
        reading = cube.read_metric(direction, "windows", drain=True, since=tokens[0])
        tokens[0] = reading.since
        return total(reading.value)

    def replaced() -> int:
        injections.append(cube.inject(next(nexts)))
        return 0

    readers = {
        "windows": reads(cube, direction, "windows"),
        "moments": reads(cube, direction, "moments"),
        "since": since_last,
        "injections": replaced,
    }
    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], readers)
        sent += packets
        assert packets == sum(found["windows"]) == sum(found["since"])
        assert grows([sent - packets, *found["moments"]])
        assert sent == found["moments"][-1]
    assert all("COUNTS" in str(each) for each in injections)


@pytest.mark.parametrize("kind", ["percpu_array", "hash"])
@pytest.mark.parametrize("hook", ["ingress-tc", "ingress-clsact", "ingress-xdp_skb", "egress-tc"])
def test_a_cube_counts_once_at_each_of_two_interfaces(
    registry: CubeRegistry, place: Place, wire_to: WireTo, kind: str, hook: str
) -> None:
    """Its links switch one after the other, while it comes and goes at a third."""
    at = HOOKS[hook]
    is_generic = hook == "ingress-xdp_skb"
    metrics = [metric("windows", "swap+empty"), metric("moments", "swap")]
    with (
        veth_pair() as second,
        veth_pair() as third,
        Loader() as loader,
        wire(loader, second, at.direction, is_generic=is_generic) as other,
    ):
        wires = [wire_to(at), other]
        cube = place(at, {at.direction.path_name: {"code": CODES[kind], "metric-configs": metrics}})
        registry.attach(AttachRequest(cube=cube.name, port=second.host))

        def come_and_go() -> int:
            registry.attach(AttachRequest(cube=cube.name, port=third.host))
            registry.detach(DetachRequest(cube=cube.name, port=third.host))
            return 0

        readers = {name: reads(cube, at.direction, name) for name in ("windows", "moments")}
        sent = 0
        for _ in range(REPEAT):
            packets, found = flood_and_read(wires, {**readers, "changes": come_and_go})
            sent += packets
            assert packets == sum(found["windows"])
            assert grows([sent - packets, *found["moments"]])
            assert sent == found["moments"][-1]

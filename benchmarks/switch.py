"""What exact reads cost: a switch, the wait behind it, a read as a whole, and nothing for the packet."""

from __future__ import annotations

import ctypes
import http.client
import json
import platform
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, median
from benchmarks.per_packet import seconds_per_packet
from dynmon.bpf import GracePeriod, Link, Program, attach_tcx, attach_xdp
from dynmon.bpf.clsact import attach_clsact
from dynmon.client import DynmonClient
from dynmon.dataplane import Foundry, LoadedPath, Placement
from dynmon.models import AttachRequest, CubeConfig, Direction, Hook, LogLevel, PathConfig
from dynmon.monitor.workshop import Workshop
from dynmon.trial import workbench
from tests.daemon import running_daemon
from tests.support import Veth, veth_pair

EXAMPLES = Path(__file__).parent.parent / "examples"
CUBE = "swapping"
METRIC = "packets_total"
UPDATES = 1000
READS = 300
PACKET_ROUNDS = 21
UPDATE_BAR = 50e-6
READ_BAR = 1e-3
PACKET_BAR = 1.02
MEMBARRIER_NUMBERS = {"x86_64": 324, "aarch64": 283}
MEMBARRIER_GLOBAL = 1

_libc = ctypes.CDLL(None, use_errno=True)
Attach = Callable[[Program, int, str], Link]

LINKS: dict[str, tuple[Hook, Attach]] = {
    "tcx": (Hook.TC, lambda program, index, name: attach_tcx(program, index, Direction.INGRESS, interface_name=name)),
    "clsact": (
        Hook.TC,
        lambda program, index, name: attach_clsact(program, index, Direction.INGRESS, interface_name=name),
    ),
    "native XDP": (Hook.XDP, lambda program, index, name: attach_xdp(program, index, "drv", interface_name=name)),
}


def figures(scratch: Path) -> list[Figure]:
    """The two sides of each figure take turns, so both meet the same machine."""
    with workbench(scratch / "cache") as foundry, GracePeriod() as grace, veth_pair() as veth:
        updates = [_update(foundry, veth, kind) for kind in LINKS]
        waits = [_wait(grace), _read_in_process(grace, veth), _read_over_http(grace, veth, scratch)]
        return [*updates, *waits, *(_packet(foundry, example) for example in ("packet_counter", "flows"))]


def _in_turns(rounds: int, ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """The median seconds of both; the first turn warms up."""
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for _ in range(rounds + 1):
        for action, spent in times.items():
            before = time.perf_counter()
            action()
            spent.append(time.perf_counter() - before)
    return median(times[ours][1:]), median(times[theirs][1:])


def _update(foundry: Foundry, veth: Veth, kind: str) -> Figure:
    """A link is told to run the other copy, against taking the program off and putting the other on."""
    hook, attach = LINKS[kind]
    index = socket.if_nametoindex(veth.host)
    with _twins(foundry, "packet_counter", hook) as path:
        assert path.idle
        copies = [path.program, path.idle.program]
        links = [attach(copies[0], index, veth.host)]

        def update() -> None:
            copies.reverse()
            links[0].update(copies[0])

        def attach_again() -> None:
            copies.reverse()
            links[0].close()
            links[0] = attach(copies[0], index, veth.host)

        measured, theirs = _in_turns(UPDATES, update, attach_again)
        links[0].close()
    return Figure(
        f"link update, {kind}",
        measured,
        "us",
        theirs,
        "detach, attach",
        f"≤ {UPDATE_BAR * 1e6:g} µs",
        measured <= UPDATE_BAR,
    )


def _wait(grace: GracePeriod) -> Figure:
    measured, theirs = _in_turns(READS, grace.wait, _membarrier)
    return Figure("one grace period", measured, "ms", theirs, "membarrier(GLOBAL)")


def _membarrier() -> None:
    if _libc.syscall(MEMBARRIER_NUMBERS[platform.machine()], MEMBARRIER_GLOBAL, 0, 0):
        raise OSError(ctypes.get_errno(), "membarrier")


def _swapped_read(where: str, read: Callable[[], object], grace: GracePeriod) -> Figure:
    measured, theirs = _in_turns(READS, read, grace.wait)
    return Figure(
        f"swapped read of one entry, {where}",
        measured,
        "ms",
        theirs,
        "one grace period",
        f"≤ {READ_BAR * 1e3:g} ms more",
        measured - theirs <= READ_BAR,
    )


def _read_in_process(grace: GracePeriod, veth: Veth) -> Figure:
    workshop = Workshop()
    registry = workshop.enter()
    try:
        cube = registry.create(CUBE, CubeConfig.model_validate(_swapping_cube(), by_alias=True))
        registry.attach(AttachRequest(cube=CUBE, port=veth.host))
        return _swapped_read("in process", lambda: cube.read_metric(Direction.INGRESS, METRIC, drain=True).value, grace)
    finally:
        registry.delete(CUBE)
        workshop.leave()


def _read_over_http(grace: GracePeriod, veth: Veth, scratch: Path) -> Figure:
    target = f"/polycube/v1/dynmon/{CUBE}/metrics/ingress-metrics/{METRIC}/value"
    with running_daemon(scratch / "switch") as daemon, DynmonClient(daemon.url) as client:
        client.create(CUBE, _swapping_cube())
        client.attach(CUBE, veth.host)
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port)

        def read() -> None:
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read()
            assert (answer.status, body.strip()) == (200, b"[0]"), f"{answer.status} {body!r}"

        try:
            return _swapped_read("over HTTP", read, grace)
        finally:
            connection.close()


def _swapping_cube() -> dict[str, Any]:
    """The packet counter, each read of which is a window of its own."""
    path = _example("packet_counter")
    [metric] = path["metric-configs"]
    options = {"swap-on-read": True, "empty-on-read": True}
    return {
        "dataplane-config": {"ingress-path": {**path, "metric-configs": [{**metric, "extraction-options": options}]}}
    }


def _packet(foundry: Foundry, example: str) -> Figure:
    """A packet through either copy of a program that has two, against one that is alone."""
    with _twins(foundry, example, Hook.TC) as path, _alone(foundry, example, Hook.TC) as alone:
        assert path.idle
        programs = {"copy": path.program, "other": path.idle.program, "alone": alone.program}
        times: dict[str, list[float]] = {name: [] for name in programs}
        for turn in range(PACKET_ROUNDS + 1):
            for name in programs if turn % 2 else reversed(programs):
                times[name].append(seconds_per_packet(programs[name]))
    # The first turn warms caches and clocks.
    measured = median([*times["copy"][1:], *times["other"][1:]])
    theirs = median(times["alone"][1:])
    return Figure(
        f"packet, {example}, swapping",
        measured,
        "ns",
        theirs,
        "not swapping",
        f"≤ {PACKET_BAR} x",
        measured / theirs <= PACKET_BAR,
    )


@contextmanager
def _alone(foundry: Foundry, example: str, hook: Hook) -> Iterator[LoadedPath]:
    config = PathConfig.model_validate(_example(example), by_alias=True)
    with foundry.build(config, Placement(1, Direction.INGRESS, hook, LogLevel.INFO)) as path:
        yield path


@contextmanager
def _twins(foundry: Foundry, example: str, hook: Hook) -> Iterator[LoadedPath]:
    with _alone(foundry, example, hook) as path:
        foundry.add_twin(path, {str(metric.map_name) for metric in path.config.metric_configs}, {})
        yield path


def _example(name: str) -> dict[str, Any]:
    document: dict[str, dict[str, Any]] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return document["ingress-path"]

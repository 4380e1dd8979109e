"""What exact reads cost: a switch, the wait behind it, a read as a whole, and nothing for the packet.

An update of an XDP link takes a grace period of the kernel's own on x86: once packets meet the other program, the
kernel renews the dispatcher that all XDP programs are called through, and waits until nobody is in the old one
(``bpf_dispatcher_update()`` in kernel/bpf/dispatcher.c). So a switch is measured twice: until the call comes back, and
until a packet meets the other program.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import platform
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, median
from benchmarks.per_packet import seconds_per_packet
from dynmon.bpf import (
    GracePeriod,
    Link,
    LoadedObject,
    Loader,
    LoadRequest,
    Program,
    ProgramType,
    attach_tcx,
    attach_xdp,
)
from dynmon.bpf.clsact import attach_clsact
from dynmon.client import DynmonClient
from dynmon.dataplane import Foundry, LoadedPath, Placement
from dynmon.models import AttachRequest, CubeConfig, Direction, Hook, LogLevel, PathConfig
from dynmon.monitor.workshop import Workshop
from dynmon.trial import workbench
from tests.daemon import running_daemon
from tests.kernel.bpf.objects import compile_c
from tests.support import Veth, veth_pair
from tests.traffic import ONLY_KEY, wire

EXAMPLES = Path(__file__).parent.parent / "examples"
CUBE = "swapping"
METRIC = "packets_total"
SWITCHES = 300
UPDATES = 300
READS = 300
PACKET_ROUNDS = 41
# A grace period ends with a tick of the clock, and one that begins right behind another takes longest: each begins at
# any moment between ticks.
SOME_TICKS_SECONDS = 0.008
SWITCH_BAR = 50e-6
READ_BAR = 1e-3
PACKET_BAR = 1.02
MEMBARRIER_NUMBERS = {"x86_64": 324, "aarch64": 283}
MEMBARRIER_GLOBAL = 1

PROGRAM_TYPES = {Hook.TC: ProgramType.SCHED_CLS, Hook.XDP: ProgramType.XDP}
VERDICTS = {Hook.TC: "TC_ACT_UNSPEC", Hook.XDP: "XDP_PASS"}
# When it met its first packet.
CLOCK = """
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} first SEC(".maps");

SEC("%s") int dynmon_ingress(void *ctx)
{
	__u32 key = 0;
	__u64 *moment = bpf_map_lookup_elem(&first, &key);

	if (moment && !*moment)
		*moment = bpf_ktime_get_ns();
	return %s;
}
"""

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
        switches = [_switch(foundry.loader, veth, kind) for kind in LINKS]
        updates = [_update(foundry, veth, kind) for kind in LINKS]
        waits = [_wait(grace), _read_in_process(grace, veth), _read_over_http(grace, veth, scratch)]
        return [*switches, *updates, *waits, *(_packet(foundry, example) for example in ("packet_counter", "flows"))]


def in_turns(
    rounds: int, ours: Callable[[], object], theirs: Callable[[], object], *, pause_seconds: float = 0
) -> tuple[float, float]:
    """The median seconds of both, each after a pause of random length; the first turn warms up."""
    chance = random.Random(rounds)
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for _ in range(rounds + 1):
        for action, spent in times.items():
            if pause_seconds:
                time.sleep(chance.uniform(0, pause_seconds))
            before = time.perf_counter()
            action()
            spent.append(time.perf_counter() - before)
    return median(times[ours][1:]), median(times[theirs][1:])


def _switch(loader: Loader, veth: Veth, kind: str) -> Figure:
    """From the call to the first packet that the other program meets, under flood."""
    hook, attach = LINKS[kind]
    with ExitStack() as parts:
        copies = [parts.enter_context(clock(loader, hook)) for _ in range(2)]
        link = parts.enter_context(attach(copies[0].program, socket.if_nametoindex(veth.host), veth.host))
        traffic = parts.enter_context(wire(loader, veth, Direction.INGRESS))
        with traffic.flood():
            times = [seconds_to_first_packet(link, copies[number % 2]) for number in range(1, SWITCHES + 1)]
    measured = median(times)
    return _held_to_bar(Figure(f"switch, {kind}, to the first packet", measured, "us"), kind != "clsact")


def seconds_to_first_packet(link: Link, other: LoadedObject) -> float:
    """From the call that lets `link` run the `other` clock until that has met a packet."""
    first = other.maps["first"]
    first.update(ONLY_KEY, bytes(first.value_stride))
    before = time.monotonic_ns()
    link.update(other.program)
    while not (seen := int.from_bytes(first.lookup(ONLY_KEY) or b"", "little")):
        time.sleep(0)
    return (seen - before) / 1e9


def clock(loader: Loader, hook: Hook) -> LoadedObject:
    """A program that remembers when it met its first packet."""
    request = LoadRequest(
        object=compile_c(CLOCK % (hook, VERDICTS[hook])),
        program="dynmon_ingress",
        program_type=PROGRAM_TYPES[hook],
        file="clock",
        memory_bytes=1 << 20,
    )
    return loader.load(request)


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

        measured, theirs = in_turns(UPDATES, update, attach_again)
        links[0].close()
    figure = Figure(f"update, {kind}, to the end of the call", measured, "us", theirs, "detach, attach")
    return _held_to_bar(figure, kind == "tcx")  # an XDP link waits, see above


def _held_to_bar(figure: Figure, is_held: bool) -> Figure:
    """What is promised of links is not of clsact: its filters are replaced by netlink messages."""
    if not is_held:
        return figure
    return replace(figure, bar=f"≤ {SWITCH_BAR * 1e6:g} µs", holds=figure.ours <= SWITCH_BAR)


def _wait(grace: GracePeriod) -> Figure:
    measured, theirs = in_turns(READS, grace.wait, _membarrier, pause_seconds=SOME_TICKS_SECONDS)
    return Figure("one grace period", measured, "ms", theirs, "membarrier(GLOBAL)")


def _membarrier() -> None:
    if _libc.syscall(MEMBARRIER_NUMBERS[platform.machine()], MEMBARRIER_GLOBAL, 0, 0):
        raise OSError(ctypes.get_errno(), "membarrier")


def _swapped_read(where: str, read: Callable[[], object], grace: GracePeriod) -> Figure:
    measured, theirs = in_turns(READS, read, grace.wait, pause_seconds=SOME_TICKS_SECONDS)
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
    """A packet through a program that has a twin, against the very same before it has one.

    Not against another load of it: where maps come to lie in memory makes a difference of some percent.
    """
    ours: list[float] = []
    theirs: list[float] = []
    with alone(foundry, example, Hook.TC) as path:
        for _ in range(PACKET_ROUNDS + 1):
            theirs.append(seconds_per_packet(path.program))
            _add_twin(foundry, path)
            assert path.idle
            assert path.idle.program.instructions == path.program.instructions
            ours.append(seconds_per_packet(path.program))
            path.idle.close()
            path.idle = None
    # The first turn warms caches and clocks.
    measured, single = median(ours[1:]), median(theirs[1:])
    return Figure(
        f"packet, {example}, swapping",
        measured,
        "ns",
        single,
        "not swapping",
        f"≤ {PACKET_BAR} x",
        measured / single <= PACKET_BAR,
    )


@contextmanager
def alone(foundry: Foundry, example: str, hook: Hook) -> Iterator[LoadedPath]:
    """The code of an example, loaded once."""
    config = PathConfig.model_validate(_example(example), by_alias=True)
    with foundry.build(config, Placement(1, Direction.INGRESS, hook, LogLevel.INFO)) as path:
        yield path


@contextmanager
def _twins(foundry: Foundry, example: str, hook: Hook) -> Iterator[LoadedPath]:
    with alone(foundry, example, hook) as path:
        _add_twin(foundry, path)
        yield path


def _add_twin(foundry: Foundry, path: LoadedPath) -> None:
    foundry.add_twin(path, {str(metric.map_name) for metric in path.config.metric_configs}, {})


def _example(name: str) -> dict[str, Any]:
    document: dict[str, dict[str, Any]] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return document["ingress-path"]

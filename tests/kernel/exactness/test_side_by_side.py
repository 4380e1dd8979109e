"""Reads stay exact beside other metrics, other readers, the other path, and changes of all kinds."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.metrics import ExpositionFormat
from dynmon.models import AttachRequest, CubeConfig, DataplaneConfig, DetachRequest, Direction
from tests.expositions import text_of
from tests.kernel.exactness.counting import CODES, HOOKS, OPTIONS, PACKETS, READS, REPEAT, Hook, total
from tests.support import Veth
from tests.traffic import Wire

Place = Callable[[Hook, dict[str, Any]], DynmonCube]
WireTo = Callable[[Hook], Wire]
Read = Callable[[], int]

INGRESS, EGRESS = Direction
KINDS = pytest.mark.parametrize("kind", ["array", "percpu_array", "hash", "lru_hash", "lpm_trie"])
# Both paths count in one map, which the ingress path declares.
SHARED = {
    INGRESS: CODES["array"].replace("BPF_ARRAY(COUNTS, u64,", 'BPF_TABLE_SHARED("array", u32, u64, COUNTS,'),
    EGRESS: CODES["array"].replace("BPF_ARRAY(COUNTS, u64,", 'BPF_TABLE("extern", u32, u64, COUNTS,'),
}


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


@KINDS
def test_metrics_of_one_map_do_not_disturb_one_another(place: Place, wire_to: WireTo, kind: str) -> None:
    """Moments and two kinds of windows of one map, each read by somebody else."""
    hook = HOOKS["ingress-tcx"]
    wire = wire_to(hook)
    options = {"moments": "swap", "windows": "swap+empty", "others": "empty"}
    metrics = [metric(name, each) for name, each in options.items()]
    cube = place(hook, {"ingress-path": {"code": CODES[kind], "metric-configs": metrics}})
    readers = {name: reads(cube, INGRESS, name) for name in options}

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], readers)
        sent += packets
        assert packets == sum(found["windows"]) == sum(found["others"])
        assert grows([sent - packets, *found["moments"]])
        assert sent == found["moments"][-1]


@KINDS
def test_every_count_goes_to_one_of_two_readers(place: Place, wire_to: WireTo, kind: str) -> None:
    """Two who read the same windows share them."""
    hook = HOOKS["egress-tcx"]
    wire = wire_to(hook)
    cube = place(hook, {"egress-path": {"code": CODES[kind], "metric-configs": [metric("windows", "swap+empty")]}})
    read = reads(cube, EGRESS, "windows")

    for _ in range(REPEAT):
        packets, found = flood_and_read([wire], {"one": read, "other": read})
        assert packets == sum(found["one"]) + sum(found["other"])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("types", ["tcx", "xdp_drv"])
def test_a_map_that_both_paths_share_has_the_packets_of_both(
    place: Place, wire_to: WireTo, types: str, options: str
) -> None:
    """What one path counts meanwhile is in the same windows as what the other does."""
    hooks = [HOOKS[f"{direction}-{types}"] for direction in Direction]
    wires = [wire_to(hook) for hook in hooks]
    metrics = [metric("counts", options)]
    paths = {each.path_name: {"code": SHARED[each], "metric-configs": metrics} for each in Direction}
    cube = place(hooks[0], paths)

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read(wires, {each: reads(cube, each, "counts") for each in Direction})
        sent += packets
        for values in found.values():
            if options == "swap":
                assert grows([sent - packets, *values])
                assert sent == values[-1]
            else:
                assert packets == sum(values)


def test_both_paths_are_read_at_one_moment(place: Place, wire_to: WireTo) -> None:
    """All metrics of a read of both paths have one timestamp, and nothing of either path is lost."""
    hooks = [HOOKS[f"{direction}-tcx"] for direction in Direction]
    wires = [wire_to(hook) for hook in hooks]
    metrics = [metric("windows", "swap+empty"), metric("moments", "swap")]
    paths = {each.path_name: {"code": CODES["percpu_array"], "metric-configs": metrics} for each in Direction}
    cube = place(hooks[0], paths)
    timestamps: list[set[int]] = []
    windows = dict.fromkeys(Direction, 0)
    moments = dict.fromkeys(Direction, 0)

    def read() -> int:
        found = cube.read_all(drain=True)
        timestamps.append({each.timestamp for readings in found.values() for each in readings})
        for direction, readings in found.items():
            windows[direction] += total(readings[0].value)
            assert windows[direction] == total(readings[1].value) >= moments[direction]
            moments[direction] = total(readings[1].value)
        return sum(windows.values())

    sent = 0
    for _ in range(REPEAT):
        packets, found = flood_and_read(wires, {"all": read})
        sent += packets
        assert sent == found["all"][-1]
    assert all(len(each) == 1 for each in timestamps)
    assert grows([moment for each in timestamps for moment in each])


@KINDS
def test_reads_are_exact_while_everything_else_changes(
    registry: CubeRegistry, place: Place, wire_to: WireTo, line: Veth, kind: str
) -> None:
    """The other path gets new code, another cube comes and goes, somebody scrapes and somebody looks."""
    hook = HOOKS["ingress-tcx"]
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
        lambda: cube.read(INGRESS, drain=False),
        cube.families,
    ]
    try:
        with together(*(over_and_over(action) for action in actions)):
            try:
                for _ in range(REPEAT):
                    packets, found = flood_and_read([wire], {"windows": reads(cube, INGRESS, "windows")})
                    assert packets == sum(found["windows"])
            finally:
                is_over.set()
    finally:
        registry.delete("guest")

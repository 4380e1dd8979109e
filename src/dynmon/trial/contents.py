"""What the maps of tried code hold: all that can be read, whether a metric asks for it or not.

The maps belong to the trial and nobody else writes them, so a queue can be emptied to be read, and filled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from dynmon.bpf import BpfMap, MapType
from dynmon.compiler import Spelling
from dynmon.dataplane import LoadedPath
from dynmon.dataplane.constants import READ_ONLY
from dynmon.metrics import BoundMetric, UnreadableMap
from dynmon.metrics.events import BoundEvents, EventSource, bind_events, is_events
from dynmon.metrics.readings import QUEUES, entries_of
from dynmon.metrics.refusals import EVENTS
from dynmon.metrics.shapes import SHAPES
from dynmon.models import MetricConfig

OWN_PREFIX = "dynmon_"


@dataclass(frozen=True, slots=True)
class Contents:
    """The first entries of a map, in the shape a read gives, and how many more there are."""

    name: str
    map_type: str
    entries: list[Any]
    left_out: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A global variable that is not written to, and the value that the code finds in it."""

    name: str
    type_name: str
    value: Any


def own_maps(path: LoadedPath) -> dict[str, BpfMap]:
    """The maps that the user's code has; those of the dialect and constants are left out."""
    is_dialect = path.artifact.spelling is Spelling.DIALECT
    return {
        name: each
        for name, each in path.maps.items()
        if not name.startswith(READ_ONLY) and not (is_dialect and name.startswith(OWN_PREFIX))
    }


def constants(path: LoadedPath) -> Iterator[Constant]:
    """The constants that have names; those inside of functions, such as formats, and the dialect's own are left out."""
    for name in path.maps:
        metric = metric_of_map(path, name)[0] if name.startswith(READ_ONLY) else None
        entries = entries_of(metric, drain=False) if metric else None
        if metric is None or not entries:
            continue
        [values] = SHAPES[metric.bpf_map.info.map_type](metric, entries)
        for variable, value in values.items() if isinstance(values, dict) else ():
            if "." not in variable and not variable.startswith(OWN_PREFIX):
                yield Constant(variable, path.btf.describe(path.btf.variables[variable].type_id), value)


def bind(path: LoadedPath, config: MetricConfig, number: int | None = None) -> BoundMetric | BoundEvents:
    """The metric on the maps of `path`, the so many-th of it where it is one of its configuration.

    Raises:
        InjectionError: It names a map that it cannot have.
    """
    if is_events(config, path.maps):
        return bind_events(config, path.placement.direction, path.maps, path.btf)
    return BoundMetric.bind(config, path.placement.direction, path.maps, path.btf, path.loaded.declared, number)


def metric_of_map(path: LoadedPath, name: str) -> tuple[BoundMetric | None, str]:
    """A metric that reads the map called `name`; None, and why, where that cannot be."""
    try:
        metric = bind(path, MetricConfig(name=name, map_name=name))
    except UnreadableMap as error:
        return None, error.reason
    return (None, EVENTS) if isinstance(metric, BoundEvents) else (metric, "")


def contents(path: LoadedPath, limit: int | None) -> Iterator[Contents]:
    """What each readable map holds, at most `limit` entries of each where there is a limit."""
    for name, bpf_map in own_maps(path).items():
        metric, _ = metric_of_map(path, name)
        if metric is None:
            continue
        with refilled({name: bpf_map}):
            entries = entries_of(metric, drain=bpf_map.info.map_type in QUEUES)
        if entries is not None:
            first = entries if limit is None else entries.part(0, limit)
            shown = SHAPES[bpf_map.info.map_type](metric, first)
            yield Contents(name, bpf_map.info.map_type.name.lower(), shown, len(entries) - len(first))


@contextmanager
def listening(metrics: Sequence[BoundMetric | BoundEvents]) -> Iterator[Callable[[], dict[str, list[bytes]]]]:
    """Inside of the block, a way to take out what the maps of event metrics have got, by the map's name.

    Before, a perf event array takes nothing. There are no more records than the buffers have room for.
    """
    maps = {each.map_name: each.bpf_map for each in metrics if isinstance(each, BoundEvents)}
    with ExitStack() as owned:
        sources = {name: owned.enter_context(EventSource(each)) for name, each in maps.items()}
        yield lambda: {name: _all_records(source) for name, source in sources.items()}


def _all_records(source: EventSource) -> list[bytes]:
    return [record.data for records in iter(lambda: source.take()[0], []) for record in records]


@contextmanager
def refilled(maps: Mapping[str, BpfMap]) -> Iterator[None]:
    """Let the block empty the queues and stacks among `maps`; they are as before when it ends."""
    held = {name: _take_all(each) for name, each in maps.items() if each.info.map_type in QUEUES}
    for name, values in held.items():
        _put_back(maps[name], values)
    yield
    for name, values in held.items():
        _take_all(maps[name])
        _put_back(maps[name], values)


def _take_all(bpf_map: BpfMap) -> list[bytes]:
    return list(iter(bpf_map.pop, None))


def _put_back(bpf_map: BpfMap, values: list[bytes]) -> None:
    for value in values if bpf_map.info.map_type is MapType.QUEUE else reversed(values):
        bpf_map.update(b"", value)

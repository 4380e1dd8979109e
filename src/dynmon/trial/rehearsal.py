"""The whole dry run: build both paths as an injection would, explain them, run one on a capture, report as JSON.

What is read is what would be read of a cube. Maps that live outside of the code (those it calls ``extern``) are other
cubes' or the other path's: before a packet runs, empty ones take their places, so that nobody's counters move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np

from dynmon.bpf import BpfMap, OpenError
from dynmon.dataplane import EXTERN, SHARED, Found, Foundry, LoadedPath, Placement, maps_tagged
from dynmon.dataplane.shared_maps import check_shared, declared_tags, offered, public_sides
from dynmon.errors import InvalidInputError
from dynmon.metrics import BoundMetric, ExpositionFormat, expose, families_of, read
from dynmon.metrics.events import BoundEvents
from dynmon.metrics.swapping import check_splits, check_swaps
from dynmon.models import CubeType, DataplaneConfig, Direction, LogLevel
from dynmon.trial.capture import packets
from dynmon.trial.contents import bind, contents, listening, refilled
from dynmon.trial.explain import explain
from dynmon.trial.log_lines import LogLines
from dynmon.trial.replay import Replay, ReplayLimits, replay
from dynmon.trial.verdicts import verdicts

MAX_LOG_LINES = 200
CUT = (
    "packets that were cut when they were captured: {count}; the code saw their beginning only, and their length is "
    "that of what was captured"
)
SHORTENED = (
    "packets that are longer than the kernel's test run takes: {count}; the code saw their beginning only, and their "
    "length is that of what it saw"
)


class NothingToTry(InvalidInputError):
    """A dry run without code, or with packets for a direction that has none."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)

    def fields(self) -> Mapping[str, Any]:
        return {"stage": "schema"}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What to try: code, the cube that it would run in, and maybe the packets of a capture that come from `direction`.

    `offers` are the maps that the paths of the cube share, which code for the other direction may refer to.
    """

    config: DataplaneConfig
    cube_type: CubeType
    loglevel: LogLevel
    passive: bool = False
    cube_id: int = 0
    cube_name: str = ""
    offers: Mapping[Direction, Mapping[str, int]] = field(default_factory=dict)
    capture: bytes | BinaryIO | None = None
    direction: Direction | None = None
    limits: ReplayLimits = field(default_factory=ReplayLimits)

    def placement(self, direction: Direction) -> Placement:
        """Where the code of `direction` would run."""
        return Placement(self.cube_id, direction, self.cube_type.hook(direction), self.loglevel, self.passive)


def rehearse(foundry: Foundry, rehearsal: Rehearsal) -> dict[str, Any]:
    """Try it and report; everything is gone from the kernel when this returns.

    The report has the explanation of each path by its name (``ingress-path``) under ``explanation``, and with a
    capture what became of its packets.

    Raises:
        InjectionError: The code cannot run, for the same reasons and with the same words as in an injection.
        NothingToTry: There are packets, but no code, or none in the direction that they are for.
        CaptureError: The capture cannot be read.
    """
    direction = _direction(rehearsal)
    with LogLines(MAX_LOG_LINES) as log, _built(foundry, rehearsal, log) as paths:
        _check_copies(rehearsal, paths)
        explanation = {each.path_name: explain(path, _bound(path)).wire() for each, path in paths.items()}
        report: dict[str, Any] = {"explanation": explanation}
        if rehearsal.capture is not None:
            with _apart(_logging_to(foundry, log), paths[direction]) as path, listening(_bound(path)) as records:
                outcome = replay(path, packets(rehearsal.capture), log, rehearsal.limits)
                report |= {
                    "direction": direction.value,
                    **_told(outcome, path),
                    **_counted(path, records(), rehearsal.limits.entries),
                    **_said(log),
                }
        return report


def _direction(rehearsal: Rehearsal) -> Direction:
    """Where the packets come from; unless somebody says so, that is where there is code."""
    wanted = [direction for direction in Direction if rehearsal.config.path(direction)]
    direction = rehearsal.direction or (wanted[0] if wanted else Direction.INGRESS)
    if rehearsal.capture is not None and direction not in wanted:
        raise NothingToTry(f"the packets are for {direction}, but there is no {direction} code")
    return direction


def _bound(path: LoadedPath) -> list[BoundMetric | BoundEvents]:
    return [bind(path, metric, number) for number, metric in enumerate(path.config.metric_configs)]


def _check_copies(rehearsal: Rehearsal, paths: Mapping[Direction, LoadedPath]) -> None:
    theirs = {name for maps in rehearsal.offers.values() for name in maps}
    for path in paths.values():
        metrics = [each for each in _bound(path) if isinstance(each, BoundMetric)]
        for metric in metrics:
            is_theirs = metric.bpf_map.info.name in theirs
            tags = (SHARED,) if is_theirs else declared_tags(metric.bpf_map.info.id, paths)
            if not is_theirs:
                check_swaps(metric, tags)
            check_splits(metric, metrics, tags, path.config.initial_entries or {})


@contextmanager
def _built(foundry: Foundry, rehearsal: Rehearsal, log: LogLines) -> Iterator[dict[Direction, LoadedPath]]:
    """The paths in the kernel, each with the maps that the other one shares."""
    own = _logging_to(foundry, log)
    paths: dict[Direction, LoadedPath] = {}
    with ExitStack() as owned:
        waiting = [direction for direction in Direction if rehearsal.config.path(direction)]
        while waiting:
            direction = waiting.pop(0)
            try:
                paths[direction] = owned.enter_context(_built_one(own, rehearsal, direction, paths))
            except OpenError as error:
                if not (error.undefined and waiting):
                    raise
                # What it refers to may be declared by the other path; without it, that is refused as well.
                other = waiting.pop(0)
                paths[other] = owned.enter_context(_built_one(own, rehearsal, other, paths))
                waiting.append(direction)
        check_shared(paths)
        declared, used = public_sides(paths)
        theirs = {name for maps in rehearsal.offers.values() for name in maps}
        public = {name: each for name, each in used.items() if name not in theirs}
        own.public_maps.check(rehearsal.cube_name, declared, public)
        yield paths


def _built_one(
    foundry: Foundry, rehearsal: Rehearsal, direction: Direction, paths: Mapping[Direction, LoadedPath]
) -> LoadedPath:
    config = rehearsal.config.path(direction)
    assert config is not None, "only paths with code are tried"
    offers: dict[str, int] = {}
    pinned: dict[str, int] = {}
    for other, maps in rehearsal.offers.items():
        if not rehearsal.config.path(other):  # a path that is tried as well takes its place
            offers |= maps
    for tried in paths.values():
        offers |= offered(tried)
        pinned |= tried.pinned
    # Of no cube: it takes over no public map that is in use.
    return foundry.build(config, rehearsal.placement(direction), Found("", offers, pinned), verbose=True)


def _logging_to(foundry: Foundry, log: LogLines) -> Foundry:
    return replace(foundry, log=log)


@contextmanager
def _apart(foundry: Foundry, path: LoadedPath) -> Iterator[LoadedPath]:
    """`path` itself, or the same code on empty maps where it refers to maps of others."""
    with ExitStack() as owned:
        replacements = {}
        for name in maps_tagged(path.loaded, EXTERN):
            info = path.maps[name].info
            empty = BpfMap.create(
                info.map_type, info.key_size, info.value_size, info.max_entries, name=name, flags=info.flags
            )
            replacements[name] = owned.enter_context(empty).fd
        if not replacements:
            yield path
            return
        yield owned.enter_context(foundry.rebuild(path, path.placement, replacements))


def _told(outcome: Replay, path: LoadedPath) -> dict[str, Any]:
    """What became of the packets."""
    notes = [(CUT, outcome.cut), (SHORTENED, outcome.shortened)]
    anomalies, withheld = path.anomalies(), path.withheld_drops()
    found = verdicts(outcome.returned, path.placement.hook, path.artifact.spelling, anomalies, withheld)
    times = outcome.nanoseconds
    return {
        "packets": {
            "total": outcome.total,
            "run": outcome.run,
            "skipped": [{"reason": reason, "packets": count} for reason, count in outcome.skipped.items()],
            "stopped": outcome.stopped or None,
        },
        "notes": [note.format(count=count) for note, count in notes if count],
        "verdicts": [asdict(verdict) for verdict in found],
        "anomalies": anomalies,
        "withheld-drops": withheld,
        "ns-per-packet": {
            "mean": round(float(np.mean(times)), 1),
            "median": float(np.median(times)),
            "min": min(times),
            "max": max(times),
        }
        if times
        else None,
    }


def _counted(path: LoadedPath, records: Mapping[str, Sequence[bytes]], limit: int | None) -> dict[str, Any]:
    """The metrics as JSON and as text, and all that the maps hold; `records` are those of event metrics, by map."""
    bound = _bound(path)
    metrics = [each for each in bound if isinstance(each, BoundMetric)]
    events = [each for each in bound if isinstance(each, BoundEvents)]
    with refilled(path.maps):
        values = {each.name: each.value for each in (read(one, drain=True) for one in metrics)}
    values |= {each.name: [value for value, _ in each.decode(records[each.map_name])] for each in events}
    texts = {}
    for key, form in (("open-metrics", ExpositionFormat.OPENMETRICS), ("prometheus", ExpositionFormat.TEXT)):
        with refilled(path.maps):
            texts[key] = b"".join(expose(families_of(metrics, drain=True), form)).decode()
    maps = [
        {"name": each.name, "type": each.map_type, "entries": each.entries, "left-out": each.left_out}
        for each in contents(path, limit)
    ]
    heard = {each.map_name: (each, values[each.name] or []) for each in events}
    maps += [
        {"name": name, "type": each.map_type, "entries": taken[:limit], "left-out": len(taken[limit:]) if limit else 0}
        for name, (each, taken) in heard.items()
    ]
    readings = [{"name": each.config.name, "value": values[each.config.name]} for each in bound]
    return {"metrics": readings, **texts, "maps": maps}


def _said(log: LogLines) -> dict[str, Any]:
    return {"log": {"lines": [asdict(line) for line in log.lines], "left-out": log.left_out}}

"""What an injection builds before anything of the cube changes: paths, their twins, their metrics.

The two paths of a cube depend on each other where they share a map: what one declares, the other finds. So a path that
is not mentioned is loaded again where a map that it shares becomes another one, or begins or ends to swap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from dynmon.bpf import OpenError
from dynmon.cubes.events import events_of
from dynmon.cubes.keeping import Keeping
from dynmon.cubes.splits import Split, copies
from dynmon.dataplane import EXTERN, Found, Foundry, LoadedPath, Placement, maps_tagged
from dynmon.dataplane.shared_maps import check_shared, declared_tags, offered
from dynmon.metrics import BoundMetric
from dynmon.metrics.accounts import Account
from dynmon.metrics.events import BoundEvents
from dynmon.metrics.swapping import check_splits, check_swaps
from dynmon.models import Direction, MetricConfig, PathConfig
from dynmon.settings import ReadLimits

Paths = dict[Direction, LoadedPath]
Metric = BoundMetric | BoundEvents


@dataclass(frozen=True, slots=True)
class Build:
    """New paths, None for those that run nothing from now on, with their metrics; they belong to whoever built them."""

    undo: ExitStack
    paths: dict[Direction, LoadedPath | None] = field(default_factory=dict)
    metrics: dict[Direction, list[Metric]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def release(self) -> None:
        """Leave the paths to somebody else."""
        self.undo.pop_all()

    def accounts(self, direction: Direction, limits: ReadLimits) -> list[Account | Split | BoundEvents]:
        """The metrics of a path, ready to be read."""
        path = self.paths[direction]
        if path is None:
            return []
        return [
            each if isinstance(each, BoundEvents) else _account(each, path, limits) for each in self.metrics[direction]
        ]


class Builder:
    """Builds for one cube; `running` are its paths, which must not switch meanwhile."""

    def __init__(
        self,
        cube: str,
        foundry: Foundry,
        placement: Callable[[Direction], Placement],
        running: Mapping[Direction, LoadedPath],
        undo: ExitStack,
    ) -> None:
        """What was built is closed when `undo` is, unless it was released."""
        self._cube = cube
        self._foundry = foundry
        self._placement = placement
        self._running = running
        self._build = Build(undo.enter_context(ExitStack()))

    def inject(self, wanted: Mapping[Direction, PathConfig | None]) -> Build:
        """Build the paths that are `wanted`, and again those of the others that follow from them; None takes one away.

        Raises:
            InjectionError: The code does not compile or load, or a metric names a map it cannot have.
        """
        self._build.paths.update(dict.fromkeys(wanted))
        self._load({direction: config for direction, config in wanted.items() if config})
        for direction, path in self._after().items():
            if renewed := self._renewed(direction, path):
                self._rebuild(direction, path, renewed)
        check_shared(self._after())
        return self._finished()

    def rebuild(self, directions: Sequence[Direction]) -> Build:
        """Load the code of some paths again, on the very maps that they have.

        Raises:
            InjectionError: The kernel refused to load the code once more.
        """
        for direction in directions:
            self._rebuild(direction, self._running[direction], {})
        return self._finished()

    def _load(self, wanted: Mapping[Direction, PathConfig]) -> None:
        """Load code, that which declares a map before that which refers to it."""
        waiting = list(wanted)
        while waiting:
            direction = waiting.pop(0)
            try:
                self._load_one(direction, wanted[direction])
            except OpenError as error:
                if not (error.undefined and waiting):
                    raise
                declarer = waiting.pop(0)
                self._load_one(declarer, wanted[declarer])
                self._load_one(direction, wanted[direction])

    def _load_one(self, direction: Direction, config: PathConfig) -> None:
        keeping = Keeping.of(self._foundry, config, self._placement(direction), self._running.get(direction))
        # Ingress and egress that pin a map of one name have one map, and it outlives the code.
        found = Found(self._cube, self._offers(direction), self._pinned(), keeping.descriptors)
        path = self._foundry.build(config, self._placement(direction), found)
        self._add(direction, path)
        if report := keeping.report(path):
            self._build.kept[direction.path_name] = report

    def _finished(self) -> Build:
        for direction, path in self._build.paths.items():
            if path:
                self._build.metrics[direction] = bind(path)
        swapping = self._swapping()
        for direction, path in self._others():
            if swapping[direction] != path.swapping:
                self._rebuild(direction, path, {})
                self._build.metrics[direction] = bind(self._after()[direction])
        for direction, path in self._build.paths.items():
            if path:
                path.split = self._split(direction, path)
        self._add_twins(swapping)
        return self._build

    def _rebuild(self, direction: Direction, path: LoadedPath, renewed: Mapping[str, int]) -> None:
        self._add(direction, self._foundry.rebuild(path, self._placement(direction), renewed))

    def _add(self, direction: Direction, path: LoadedPath) -> None:
        if before := self._build.paths.get(direction):
            before.close()
        self._build.paths[direction] = path
        self._build.undo.callback(path.close)

    def _after(self) -> Paths:
        """The paths as they will be."""
        return {direction: path for direction, path in {**self._running, **self._build.paths}.items() if path}

    def _others(self) -> list[tuple[Direction, LoadedPath]]:
        """The paths that run on as they are."""
        return [(way, path) for way, path in self._running.items() if way not in self._build.paths]

    def _offers(self, direction: Direction) -> dict[str, int]:
        """What the other path has for the code of `direction`; one that is to be built has nothing yet."""
        return {
            name: each
            for way, path in self._after().items()
            if way is not direction
            for name, each in offered(path).items()
        }

    def _pinned(self) -> dict[str, int]:
        built = [path for path in self._build.paths.values() if path]
        return {name: each for path in [*self._running.values(), *built] for name, each in path.pinned.items()}

    def _renewed(self, direction: Direction, path: LoadedPath) -> dict[str, int]:
        """The maps that `path` refers to and that are others now."""
        referred_to = maps_tagged(path.loaded, EXTERN)
        return {
            name: fd
            for other, built in self._build.paths.items()
            if built and other is not direction
            for name, fd in offered(built).items()
            if name in referred_to and built.maps[name].info.id != path.maps[name].info.id
        }

    def _swapping(self) -> dict[Direction, frozenset[str]]:
        """The maps of each path that swap: those whose metrics ask for it, in whichever path.

        Raises:
            UnusableMap: One of them is not the cube's alone, or would be so no more.
        """
        after = self._after()
        bound = [*self._build.metrics.values(), *(bind(path) for _, path in self._others())]
        asking = [each for some in bound for each in some if isinstance(each, BoundMetric) and each.swaps]
        for metric in asking:
            check_swaps(metric, declared_tags(metric.bpf_map.info.id, after))
        numbers = {metric.bpf_map.info.id for metric in asking}
        return {
            way: frozenset(name for name, each in path.maps.items() if each.info.id in numbers)
            for way, path in after.items()
        }

    def _split(self, direction: Direction, path: LoadedPath) -> frozenset[str]:
        """The maps of a path that are split per interface.

        Raises:
            UnusableMap: One of them is not the path's alone, or read as a whole, too.
        """
        metrics = [each for each in self._build.metrics[direction] if isinstance(each, BoundMetric)]
        filled = path.config.initial_entries or {}
        for each in metrics:
            check_splits(each, metrics, declared_tags(each.bpf_map.info.id, self._after()), filled)
        return frozenset(each.bpf_map.info.name for each in metrics if each.config.per_interface)

    def _add_twins(self, swapping: Mapping[Direction, frozenset[str]]) -> None:
        """Those that declare shared maps come first: the others take the copies of these from them."""
        fresh = [(way, path) for way, path in self._build.paths.items() if path and swapping[way]]
        for way, path in sorted(fresh, key=lambda each: bool(maps_tagged(each[1].loaded, EXTERN))):
            own = {name: path.maps[name].info.id for name in swapping[way]}
            known = [*self._running.values(), *(each for other, each in self._after().items() if other is not way)]
            found = {
                name: fd
                for other in known
                for name, fd in other.idle_descriptors().items()
                if name in own and other.maps[name].info.id == own[name]
            }
            self._foundry.add_twin(path, swapping[way], found)


def bind(path: LoadedPath) -> list[Metric]:
    """The metrics of a path, in the order of its configuration.

    Raises:
        InjectionError: A metric names a map it cannot have, or cannot have like that.
    """
    events = {each.name: each for each in events_of(path)}
    configs = enumerate(path.config.metric_configs)
    return [events.get(config.name) or _bound(config, path, number) for number, config in configs]


def _bound(config: MetricConfig, path: LoadedPath, number: int) -> BoundMetric:
    direction, loaded = path.placement.direction, path.loaded
    return BoundMetric.bind(config, direction, path.maps, path.btf, loaded.declared, number)


def _account(metric: BoundMetric, path: LoadedPath, limits: ReadLimits) -> Account | Split:
    if metric.config.per_interface:
        return Split(metric, path, limits)
    return Account(metric, copies(path, metric), limits)

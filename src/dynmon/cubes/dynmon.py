"""A dynmon cube: a name, its code in two directions, the metrics of that code, and the interface it is on."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynmon.bpf.pins import PinFolder
from dynmon.compiler import Spelling
from dynmon.cubes.errors import AlreadyAttached, CubeNotFound, MetricNotFound, NotAttached
from dynmon.dataplane import EXTERN, PUBLIC, SHARED, Chain, Dataplane, Foundry, LoadedPath, Placement, maps_tagged
from dynmon.metrics import BoundMetric, ExpositionFormat, Family, Reading, expose, families_of, read, read_or_explain
from dynmon.models import (
    AttachRequest,
    CubeConfig,
    CubeType,
    DataplaneConfig,
    Direction,
    LogLevel,
    PathConfig,
)
from dynmon.models.dataplane import DEFAULT_PATH_NAME

if TYPE_CHECKING:
    from dynmon.trial import Rehearsal

DEFAULT_CODE = """\
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	return RX_OK;
}
"""
DEFAULT_PATH = PathConfig(name=DEFAULT_PATH_NAME, code=DEFAULT_CODE)


class DynmonCube:
    """A transparent cube that monitors; every method may be called from any thread.

    Changes are made one after the other, but only the moment of the switch keeps readers waiting: compiling and
    loading do not.
    """

    service_name = "dynmon"

    def __init__(
        self,
        name: str,
        cube_id: int,
        config: CubeConfig,
        foundry: Foundry,
        placing: threading.RLock,
        pins: Path | None = None,
    ) -> None:
        """Make the cube with the code of `config`; `placing` is held while the chains of interfaces change.

        Maps that the code pins by name appear in a folder of the cube's below `pins`; without it they are kept, but
        on no filesystem.

        Raises:
            InjectionError: The code cannot run; nothing is left behind.
        """
        self.name = name
        self.uuid = str(uuid.uuid4())
        self.cube_id = cube_id
        self.type: CubeType = config.type
        self.loglevel: LogLevel = config.loglevel
        self._foundry = foundry
        self._pins = PinFolder(pins, name) if pins else None
        # Always taken in this order. Whoever compiles holds the first alone.
        self._change = threading.RLock()
        self._placing = placing
        self._state = threading.RLock()
        self._closed = False
        self._dataplane = Dataplane(name, config.type)
        self._metrics: dict[Direction, list[BoundMetric]] = {direction: [] for direction in Direction}
        self.inject(config.dataplane_config)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other changes out.

        Raises:
            CubeNotFound: It was deleted meanwhile; who found it before must not bring it back to life.
        """
        with self._change:
            if self._closed:
                raise CubeNotFound(self.name)
            yield

    @property
    def parent(self) -> str:
        """The interface the cube is attached to, by its name of today; "" when there is none."""
        with self._state:
            attachment = self._dataplane.attachment
            return (attachment.current_name() or "") if attachment else ""

    def path(self, direction: Direction) -> PathConfig:
        """What runs in `direction`."""
        with self._state:
            loaded = self._dataplane.paths.get(direction)
        return loaded.config if loaded else DEFAULT_PATH

    @property
    def dataplane_config(self) -> DataplaneConfig:
        """The code that runs, where there is any."""
        with self._state:
            configs = {direction: path.config for direction, path in self._dataplane.paths.items()}
        return DataplaneConfig(ingress_path=configs.get(Direction.INGRESS), egress_path=configs.get(Direction.EGRESS))

    def inject(self, config: DataplaneConfig) -> None:
        """Run the paths that `config` mentions, starting from empty maps; both of them or neither.

        A path that is not mentioned runs on in its own maps. Where it refers to a map that the other path now declares
        anew, it follows to the new one: what is shared stays one map.

        Raises:
            InjectionError: The code does not compile or load, or a metric names a map it cannot have. The old code
                runs on.
        """
        wanted = {direction: path for direction in Direction if (path := config.path(direction))}
        with self.changing(), ExitStack() as undo:
            fresh: dict[Direction, LoadedPath | None] = dict.fromkeys(wanted)
            for direction, path in wanted.items():
                if path == DEFAULT_PATH:  # what a cube without code says of itself
                    continue
                paths = {**self._dataplane.paths, **fresh}
                offers = self._shared_with(direction, paths)
                # Ingress and egress that pin a map of one name have one map, and it outlives the code.
                pinned = _pinned_maps([*self._dataplane.paths.values(), *fresh.values()])
                built = self._foundry.build(path, self._placement(direction, self.loglevel), offers, pinned)
                fresh[direction] = undo.enter_context(built)
            for direction, running in self._dataplane.paths.items():
                if direction not in wanted and (renewed := _renewed(running, self._shared_with(direction, fresh))):
                    fresh[direction] = undo.enter_context(self._foundry.rebuild(running, running.placement, renewed))
            self._switch(fresh)
            undo.pop_all()

    def rehearse(self, trial: Rehearsal) -> dict[str, Any]:
        """Try code as this cube would run it, with the maps that its other path shares; nothing of the cube changes.

        Raises:
            CubeNotFound: It was deleted meanwhile.
            InjectionError: What injecting the code would raise.
        """
        with ExitStack() as kept:
            offers: dict[Direction, dict[str, int]] = {}
            with self._state:
                if self._closed:
                    raise CubeNotFound(self.name)
                for direction, path in self._dataplane.paths.items():
                    # Copies: the cube may run other code and close its maps before the trial is over.
                    offers[direction] = {name: os.dup(each) for name, each in maps_tagged(path.loaded, SHARED).items()}
                    for descriptor in offers[direction].values():
                        kept.callback(os.close, descriptor)
            from dynmon.trial import rehearse  # not before somebody wants one: it takes its time

            return rehearse(self._foundry, replace(trial, cube_id=self.cube_id, cube_name=self.name, offers=offers))

    def reset(self, direction: Direction | None) -> None:
        """Run the default code, which does nothing, in `direction` or in both."""
        with self.changing():
            self._switch(dict.fromkeys([direction] if direction else Direction))

    def set_loglevel(self, level: LogLevel) -> None:
        """Let `pcn_log` say more or less; the maps keep counting.

        Raises:
            InjectionError: The kernel refused to load the code once more; the level is what it was.
        """
        with self.changing(), ExitStack() as undo:
            fresh = {
                direction: undo.enter_context(self._foundry.rebuild(path, self._placement(direction, level)))
                for direction, path in self._dataplane.paths.items()
                if path.artifact.spelling is Spelling.DIALECT  # other code knows no level
            }
            self._switch(fresh)
            undo.pop_all()
            self.loglevel = level

    def attach(self, chain: Chain, interface_index: int, request: AttachRequest) -> None:
        """Take the place in `chain` that `request` asks for.

        Raises:
            AlreadyAttached: The cube has a parent.
            DynmonError: The place does not exist, or the kernel refused.
        """
        with self.changing(), self._placing, self._state:
            if self.parent:
                raise AlreadyAttached(self.name, self.parent)
            self._dataplane.detach()  # from an interface that is gone
            self._dataplane.attach(chain, interface_index, chain.index_for(request))

    def detach(self, port: str) -> None:
        """Leave the interface called `port`; the maps keep their contents.

        Raises:
            NotAttached: The cube is somewhere else, or nowhere.
        """
        with self.changing(), self._placing, self._state:
            if not port or self.parent != port:
                raise NotAttached(self.name, port, self.parent)
            self._dataplane.detach()

    def metric_names(self, direction: Direction) -> list[str]:
        """The metrics of a path, in the order of its configuration."""
        return [metric.name for metric in self.path(direction).metric_configs]

    def read(self, direction: Direction, *, drain: bool) -> list[Reading]:
        """Read every metric of a path; without `drain` nothing changes by it, and what cannot be read says why."""
        with self._state:
            return [read_or_explain(metric, drain=drain) for metric in self._metrics[direction]]

    def read_metric(self, direction: Direction, name: str, *, drain: bool) -> Reading:
        """Read one metric.

        Raises:
            MetricNotFound: The path has no metric called `name`.
        """
        with self.metric(direction, name) as metric:
            return read(metric, drain=drain)

    @contextmanager
    def metric(self, direction: Direction, name: str) -> Iterator[BoundMetric]:
        """A metric with its map, which nobody closes meanwhile.

        Raises:
            MetricNotFound: The path has no metric called `name`.
        """
        with self._state:
            found = next((each for each in self._metrics[direction] if each.config.name == name), None)
            if found is None:
                raise MetricNotFound(self.name, direction, name, self.metric_names(direction))
            yield found

    def open_metrics(self, exposition_format: ExpositionFormat, *, drain: bool = True) -> str:
        """The cube's own exposition, with the user's labels alone; `drain` is for what cannot be read otherwise."""
        with self._state:
            return expose(families_of(self._all_metrics(), drain=drain), exposition_format)

    def families(self) -> list[Family]:
        """The families for an exposition of many cubes; nothing is drained."""
        with self._state:
            return families_of(self._all_metrics(), cube=self.name)

    def anomalies(self, direction: Direction) -> int:
        """Packets whose verdict was neither RX_OK nor RX_DROP since the code was injected; they passed."""
        with self._state:
            path = self._dataplane.paths.get(direction)
            return path.anomalies() if path else 0

    def close(self) -> None:
        """Detach and give everything back to the kernel."""
        with self._change, self._placing, self._state:
            self._closed = True
            self._metrics = {direction: [] for direction in Direction}
            self._foundry.public_maps.publish(self.name, {})
            self._dataplane.close()
            if self._pins:
                self._pins.keep_only(())

    def abandon(self) -> None:
        """In a forked child: close its copies of all descriptors. Nothing is detached: the parent's cube runs on.

        No lock is taken: a thread that held one is not in the child, and will not give it back.
        """
        self._dataplane.abandon()

    def _placement(self, direction: Direction, level: LogLevel) -> Placement:
        return Placement(self.cube_id, direction, self.type.hook(direction), level)

    def _all_metrics(self) -> list[BoundMetric]:
        return [metric for direction in Direction for metric in self._metrics[direction]]

    def _shared_with(self, direction: Direction, paths: Mapping[Direction, LoadedPath | None]) -> dict[str, int]:
        offers: dict[str, int] = {}
        for other, path in paths.items():
            if path and other is not direction:
                offers |= maps_tagged(path.loaded, SHARED)
        return offers

    def _switch(self, changes: Mapping[Direction, LoadedPath | None]) -> None:
        """Bind the metrics of the new paths, then run them; they belong to the dataplane from here."""
        bound = {direction: _bind(path) if path else [] for direction, path in changes.items()}
        with self._placing, self._state, ExitStack() as undo:
            before = self._dataplane.paths
            undo.callback(self._foundry.public_maps.publish, self.name, _public_maps(before.values()))
            after = {**before, **changes}.values()
            self._foundry.public_maps.publish(self.name, _public_maps(after))
            pinned = _pinned_maps(after)
            if self._pins:
                undo.callback(self._pins.remove, self._pins.add(pinned))
            self._dataplane.replace(changes)
            self._metrics.update(bound)
            undo.pop_all()
            if self._pins:
                self._pins.keep_only(pinned)


def _renewed(path: LoadedPath, shared: Mapping[str, int]) -> dict[str, int]:
    """Those of the `shared` maps that `path` refers to."""
    referred_to = maps_tagged(path.loaded, EXTERN)
    return {name: descriptor for name, descriptor in shared.items() if name in referred_to}


def _public_maps(paths: Iterable[LoadedPath | None]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in paths:
        if path:
            found |= maps_tagged(path.loaded, PUBLIC)
    return found


def _pinned_maps(paths: Iterable[LoadedPath | None]) -> dict[str, int]:
    return {name: descriptor for path in paths if path for name, descriptor in path.pinned.items()}


def _bind(path: LoadedPath) -> list[BoundMetric]:
    return [
        BoundMetric.bind(config, path.placement.direction, path.maps, path.btf, path.loaded.declared)
        for config in path.config.metric_configs
    ]

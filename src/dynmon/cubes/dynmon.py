"""A dynmon cube: a name, its code in two directions, the metrics of that code, and the interface it is on."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynmon.bpf.pins import PinFolder
from dynmon.bpf.program import Runs
from dynmon.compiler import Spelling
from dynmon.cubes.attachments import Attachments
from dynmon.cubes.errors import CubeNotFound
from dynmon.cubes.events import EventHub, EventStream
from dynmon.cubes.injection import Build, Builder
from dynmon.cubes.reads import Reads
from dynmon.cubes.turns import Turns
from dynmon.dataplane import Dataplane, Foundry, LoadedPath, Placement
from dynmon.dataplane.shared_maps import offered, public_sides
from dynmon.errors import DynmonError
from dynmon.metrics import BoundMetric, ExpositionFormat, Family, Page, Reading, expose, families_of
from dynmon.metrics.events import BoundEvents
from dynmon.metrics.limits import SeriesBudget, SeriesLimit
from dynmon.metrics.tally import Tally
from dynmon.models import (
    CubeConfig,
    CubeType,
    DataplaneConfig,
    Direction,
    LogLevel,
    PathConfig,
)
from dynmon.models.dataplane import DEFAULT_PATH_NAME
from dynmon.settings import ReadLimits

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

    Changes are made one after the other, and so are reads. Compiling and loading keep no reader waiting, unless the new
    code goes on in maps that swap.
    """

    service_name = "dynmon"

    def __init__(
        self,
        name: str,
        cube_id: int,
        config: CubeConfig,
        foundry: Foundry,
        placing: Turns,
        wait: Callable[[], None],
        limits: ReadLimits,
        pins: Path | None = None,
        series: SeriesBudget | None = None,
    ) -> None:
        """Make the cube with the code of `config`; `placing` is held while chains and plugs change.

        `wait` returns when all programs have ended that were running at its call. Maps that the code pins by name
        appear in a folder of the cube's below `pins`; without it they are kept, but on no filesystem. `series` is what
        all cubes together may export.

        Raises:
            InjectionError: The code cannot run; nothing is left behind.
        """
        self.name = name
        self.uuid = str(uuid.uuid4())
        self.cube_id = cube_id
        self.type: CubeType = config.type
        self.loglevel: LogLevel = config.loglevel
        self.passive = bool(config.passive)
        self._foundry = foundry
        self._pins = PinFolder(pins, name) if pins else None
        # Always taken in this order, the lock of the reads behind the first.
        self._change = threading.RLock()
        self._placing = placing
        self._state = threading.RLock()
        self._closed = False
        self._series = series
        self.failed_scrapes = 0
        self._dataplane = Dataplane(name, config.type, foundry)
        self._reads = Reads(name, self._dataplane, self._state, wait, limits)
        self._events = EventHub(name)
        self.attachments = Attachments(name, self._dataplane, placing, self._state)
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
        """What the cube was attached to first of all that it is at; "" for nothing."""
        return self.attachments.parent

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

    def inject(self, config: DataplaneConfig) -> dict[str, Any]:
        """Run the paths that `config` mentions, both of them or neither, and say which maps they keep.

        Code starts from empty maps, but for those that it asks to keep. A path that is not mentioned runs on in its own
        maps. Where it refers to a map that the other path now declares anew, it follows to the new one: what is shared
        stays one map. The answer has, by path, the maps that are ``kept`` and those that are ``not-kept``, with the
        reason, where the configuration says ``keep-maps``.

        Raises:
            InjectionError: The code does not compile or load, or a metric names a map it cannot have. The old code
                runs on.
        """
        wanted = {direction: path for direction in Direction if (path := config.path(direction))}
        # The default path is what a cube without code says of itself.
        paths = {direction: None if path == DEFAULT_PATH else path for direction, path in wanted.items()}
        with self.changing(), ExitStack() as undo:
            if self._is_swapping:  # what is active must not change until the new code counts in it
                for direction, path in paths.items():
                    if path:
                        self._foundry.compile(path, self._placement(direction))
                undo.enter_context(self._reads.lock)
                self._reads.settle()
            built = self._builder(undo, self.loglevel).inject(paths)
            self._switch(built)
            return built.kept

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
                    offers[direction] = {name: os.dup(each) for name, each in offered(path).items()}
                    for descriptor in offers[direction].values():
                        kept.callback(os.close, descriptor)
            from dynmon.trial import rehearse  # not before somebody wants one: it takes its time

            return rehearse(self._foundry, replace(trial, cube_id=self.cube_id, cube_name=self.name, offers=offers))

    def reset(self, direction: Direction | None) -> None:
        """Run the default code, which does nothing, in `direction` or in both."""
        with self.changing(), ExitStack() as undo:
            undo.enter_context(self._reads.lock)
            paths = dict.fromkeys([direction] if direction else Direction)
            self._switch(self._builder(undo, self.loglevel).inject(paths))

    def set_loglevel(self, level: LogLevel) -> None:
        """Let `pcn_log` say more or less; the maps keep counting.

        Raises:
            InjectionError: The kernel refused to load the code once more; the level is what it was.
        """
        with self.changing(), ExitStack() as undo:
            undo.enter_context(self._reads.lock)
            paths = self._dataplane.paths
            # Other code knows no level.
            spoken = [way for way, path in paths.items() if path.artifact.spelling is Spelling.DIALECT]
            self._switch(self._builder(undo, level).rebuild(spoken))
            self.loglevel = level

    def metric_names(self, direction: Direction) -> list[str]:
        """The metrics of a path, in the order of its configuration."""
        return [metric.name for metric in self.path(direction).metric_configs]

    def read(self, direction: Direction, *, drain: bool, since: str | None = None) -> list[Reading]:
        """Read every metric of a path, at one moment; what cannot be read says why.

        Without `drain` nothing changes by it. With `since`, a token that a reading gave, it is what happened since
        then; "" begins.

        Raises:
            TokenForgotten: The token is not known, or no more.
        """
        return self._reads.read([direction], drain=drain, since=since)[direction]

    def read_all(self, *, drain: bool, since: str | None = None) -> dict[Direction, list[Reading]]:
        """Read every metric of both paths, at one moment, as `read` does."""
        return self._reads.read(list(Direction), drain=drain, since=since)

    def read_metric(
        self, direction: Direction, name: str, *, drain: bool, since: str | None = None, page: Page | None = None
    ) -> Reading:
        """Read one metric, or a page of it.

        Raises:
            MetricNotFound: The path has no metric called `name`.
            TokenForgotten: `since` is not known, or no more.
            InvalidInputError: What is asked for cannot be had, and why.
            KernelError: The kernel refused; nothing is lost.
        """
        return self._reads.read_metric(direction, name, drain=drain, since=since, page=page)

    def tidy(self) -> None:
        """Give back the maps and programs of interfaces that the cube has left; what they counted is kept.

        Raises:
            KernelError: A map could not be read; it is tried again at the next read.
        """
        self._reads.tidy()

    def events(self, direction: Direction | None = None, names: Collection[str] = ()) -> EventStream:
        """Listen to the records of ring buffers and perf event arrays, of one direction or both.

        Raises:
            NoEventMetrics, EventMetricNotFound: There are none, or not these.
            KernelError: A map cannot be read.
        """
        return self._events.listen(direction, names)

    def open_metrics(self, exposition_format: ExpositionFormat, *, drain: bool = True) -> Iterator[bytes]:
        """The cube's own exposition, with the user's labels alone, in pieces that are written when they are asked for.

        `drain` is for what cannot be read otherwise. Maps are read at once, not with the first piece.
        """
        return expose(self._families(drain=drain), exposition_format)

    def families(self) -> list[Family]:
        """The families for an exposition of many cubes; no queue or stack is drained.

        Raises:
            DynmonError: They cannot be read at one moment; nothing is lost.
        """
        try:
            return self._families(cube=self.name)
        except DynmonError:
            self.failed_scrapes += 1
            raise

    def _families(self, *, drain: bool = False, cube: str | None = None) -> list[Family]:
        with self._reads.lock:
            entries = self._reads.exporter(pops=drain)
            return families_of(self._reads.metrics(), entries, drain=drain, cube=cube, budget=self._series)

    def anomalies(self, direction: Direction) -> int:
        """Packets whose verdict was neither RX_OK nor RX_DROP since the code was injected; they passed."""
        with self._state:
            path = self._dataplane.paths.get(direction)
            return path.anomalies() if path else 0

    def withheld_drops(self, direction: Direction) -> int:
        """Packets that the code of a passive cube wanted to drop, since it was injected; they passed."""
        with self._state:
            path = self._dataplane.paths.get(direction)
            return path.withheld_drops() if path else 0

    def dropped_entries(self, direction: Direction) -> int:
        """Entries that were drained and not kept, because there was no room for keys that were not known."""
        return self._reads.dropped(direction)

    def runs(self, direction: Direction) -> Runs:
        """How often the code ran since it was injected, and for how long: while the kernel timed programs."""
        with self._state:
            return self._dataplane.runs(direction)

    def attached(self) -> list[tuple[str, Direction, bool]]:
        """The port and direction of each link, and whether it is still there."""
        with self._state:
            return list(self._dataplane.attached())

    def tallies(self) -> list[tuple[BoundMetric, Tally, list[SeriesLimit]]]:
        """What reading each metric has come to, and what its limits have let through: of a split one, of each map."""
        return self._reads.tallies()

    def event_metrics(self) -> list[BoundEvents]:
        """The metrics whose values are events, with what was taken of them."""
        return self._reads.event_metrics()

    def close(self) -> None:
        """Detach and give everything back to the kernel."""
        with self._change, self._reads.lock, self._placing, self._state:
            self._closed = True
            self.attachments.close()
            self._events.close()
            self._reads.clear()
            self._foundry.public_maps.publish(self.name, {})
            self._dataplane.close()
            if self._pins:
                self._pins.keep_only(())

    def abandon(self) -> None:
        """In a forked child: close its copies of all descriptors. Nothing is detached: the parent's cube runs on.

        No lock is taken: a thread that held one is not in the child, and will not give it back.
        """
        self._dataplane.abandon()
        self._foundry.public_maps.close()

    def _placement(self, direction: Direction, level: LogLevel | None = None) -> Placement:
        return Placement(self.cube_id, direction, self.type.hook(direction), level or self.loglevel, self.passive)

    @property
    def _is_swapping(self) -> bool:
        return any(path.idle for path in self._dataplane.paths.values())

    def _builder(self, undo: ExitStack, level: LogLevel) -> Builder:
        paths = self._dataplane.paths
        return Builder(self.name, self._foundry, lambda way: self._placement(way, level), paths, undo)

    def _switch(self, built: Build) -> None:
        """Run what was built; it belongs to the dataplane from here."""
        changes = built.paths
        with self._reads.lock, self._placing, self._state, ExitStack() as undo:
            before = dict(self._dataplane.paths)
            after = {**before, **changes}
            undo.callback(self._foundry.public_maps.publish, self.name, *public_sides(before))
            self._foundry.public_maps.publish(self.name, *public_sides(after))
            pinned = _pinned_maps(after.values())
            if self._pins:
                undo.callback(self._pins.remove, self._pins.add(pinned))
            items = {direction: built.accounts(direction, self._reads.limits) for direction in changes}
            self._dataplane.replace(changes)
            undo.pop_all()
            built.release()
            self._reads.replace(items)
            self._events.replace(
                {way: [each for each in self._reads.items(way) if isinstance(each, BoundEvents)] for way in items}
            )
            if self._pins:
                self._pins.keep_only(pinned)


def _pinned_maps(paths: Iterable[LoadedPath | None]) -> dict[str, int]:
    return {name: descriptor for path in paths if path for name, descriptor in path.pinned.items()}

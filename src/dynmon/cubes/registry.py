"""All cubes of the daemon by name."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynmon.bpf import GracePeriod
from dynmon.cubes.dynmon import DynmonCube
from dynmon.cubes.errors import AllPassive, CubeExists, CubeNotFound
from dynmon.cubes.following import Following
from dynmon.cubes.placing import Placing
from dynmon.cubes.simplebridge import SimpleBridge
from dynmon.cubes.timing import ProgramTiming
from dynmon.dataplane import Foundry, ProgramLog
from dynmon.metrics.limits import SeriesBudget
from dynmon.models import AttachRequest, BridgeConfig, CubeConfig, DetachRequest
from dynmon.models.cube import check_cube_name
from dynmon.settings import DEFAULT_READ_LIMITS, ReadLimits

if TYPE_CHECKING:
    from dynmon.trial import Rehearsal

Cube = DynmonCube | SimpleBridge


class CubeRegistry:
    """Owns the cubes of all services; every method may be called from any thread."""

    def __init__(
        self,
        foundry: Foundry,
        log: ProgramLog,
        pins: Path | None = None,
        read_limits: ReadLimits = DEFAULT_READ_LIMITS,
        *,
        passive: bool = False,
    ) -> None:
        """`log` is where cubes say their names; `pins` is the folder on a BPF filesystem for what cubes pin, if any.

        With `passive`, all dynmon cubes are.
        """
        self._foundry = foundry
        self._log = log
        self._pins = pins
        self._read_limits = read_limits
        self._passive = passive
        self._series = SeriesBudget(read_limits.series)
        self._grace = GracePeriod()
        self._ids = itertools.count(1)
        # Reentrant: a library's cube may be deleted by the garbage collector while its thread is in here.
        self._lock = threading.RLock()
        self._cubes: dict[str, Cube] = {}
        self._reserved: set[str] = set()
        self.timing = ProgramTiming()
        # Not a cycle: a forked child must let go of all this at once, without a garbage collection.
        registry = weakref.proxy(self)
        self.placing = Placing(lambda: registry.cubes())
        self.cabling = self.placing.cabling
        self._following = Following(self.placing, lambda: registry.cubes())

    def create(self, name: str, config: CubeConfig) -> DynmonCube:
        """Make a dynmon cube.

        Raises:
            InvalidCubeName: It cannot be called so.
            CubeExists: One is called so already.
            AllPassive: It is not to be passive, and all are.
            InjectionError: Its code cannot run.
        """
        config = config.model_copy(update={"passive": self.passivity(name, config.passive)})
        with self._reserving(name):
            cube_id = next(self._ids)
            self._log.register(cube_id, name)
            try:
                lock, wait = self.placing.lock, self._grace.wait
                limits, pins, series = self._read_limits, self._pins, self._series
                cube = DynmonCube(name, cube_id, config, self._foundry, lock, wait, limits, pins, series)
            except BaseException:
                self._log.forget(cube_id)
                raise
            self._keep(cube)
            return cube

    def passivity(self, name: str, asked: bool | None) -> bool:
        """Whether a new dynmon cube called `name` is passive; `asked` is what was said about it.

        Raises:
            AllPassive: It was to be not, and all are.
        """
        if self._passive and asked is False:
            raise AllPassive(name)
        return self._passive or bool(asked)

    def create_bridge(self, name: str, config: BridgeConfig) -> SimpleBridge:
        """Make a simplebridge cube with its ports.

        Raises:
            InvalidCubeName: It cannot be called so.
            CubeExists: One is called so already.
            DynmonError: A port cannot be made.
        """
        with self._reserving(name):
            listening = self._following.listening()
            bridge = SimpleBridge(name, config, self._foundry, self.cabling, self.attach, listening)
            self._keep(bridge)
            return bridge

    def find(self, name: str) -> Cube:
        """The cube called `name`, of whatever service.

        Raises:
            CubeNotFound: There is none.
        """
        with self._lock:
            try:
                return self._cubes[name]
            except KeyError:
                raise CubeNotFound(name) from None

    def get(self, name: str) -> DynmonCube:
        """The dynmon cube called `name`.

        Raises:
            CubeNotFound: There is none.
        """
        cube = self.find(name)
        if not isinstance(cube, DynmonCube):
            raise CubeNotFound(name)
        return cube

    def bridge(self, name: str) -> SimpleBridge:
        """The simplebridge cube called `name`.

        Raises:
            CubeNotFound: There is none.
        """
        cube = self.find(name)
        if not isinstance(cube, SimpleBridge):
            raise CubeNotFound(name)
        return cube

    def all_cubes(self) -> list[Cube]:
        """The cubes of all services, oldest first."""
        with self._lock:
            return list(self._cubes.values())

    def cubes(self) -> list[DynmonCube]:
        """All dynmon cubes, oldest first."""
        return [cube for cube in self.all_cubes() if isinstance(cube, DynmonCube)]

    def bridges(self) -> list[SimpleBridge]:
        """All simplebridge cubes, oldest first."""
        return [cube for cube in self.all_cubes() if isinstance(cube, SimpleBridge)]

    def delete(self, name: str) -> None:
        """Detach or unplug the cube and forget it with its maps.

        Raises:
            CubeNotFound: There is none.
        """
        with self._lock:
            cube = self._cubes.pop(name, None)
            if cube is None:
                raise CubeNotFound(name)
            # A new cube of this name would otherwise meet what is left of the old one.
            self._reserved.add(name)
        try:
            if isinstance(cube, DynmonCube):
                self._following.forget(cube)
            cube.close()
            if isinstance(cube, DynmonCube):
                self._log.forget(cube.cube_id)
            self._following.settle()
        finally:
            with self._lock:
                self._reserved.discard(name)

    def attach(self, request: AttachRequest) -> None:
        """Attach a cube to a port, or to all interfaces that a selector means.

        Raises:
            CubeNotFound: There is no such cube.
            DynmonError: As `Following.attach`.
        """
        self._following.attach(self.get(request.cube), request)

    def detach(self, request: DetachRequest) -> None:
        """Take a cube off a port, or off all interfaces of a selector.

        Raises:
            CubeNotFound: There is no such cube.
            NotAttached: It is not there.
            BroughtBySelector: It is there by a selector.
        """
        self._following.detach(self.get(request.cube), request.port)

    def rehearse(self, name: str, trial: Rehearsal) -> dict[str, Any]:
        """Try code for a new cube called `name`; nothing is made.

        Raises:
            InvalidCubeName, CubeExists, InjectionError: What making the cube would raise.
        """
        check_cube_name(name)
        with self._lock:
            if name in self._cubes or name in self._reserved:
                raise CubeExists(name)
        from dynmon.trial import rehearse

        return rehearse(self._foundry, replace(trial, cube_name=name))

    def close(self) -> None:
        """Take everything down."""
        for cube in self.all_cubes():
            self.delete(cube.name)
        self.timing.close()
        self._grace.close()

    def __enter__(self) -> CubeRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reserving(self, name: str) -> Iterator[None]:
        """Let nobody else make a cube called `name` meanwhile."""
        check_cube_name(name)
        with self._lock:
            if name in self._cubes or name in self._reserved:
                raise CubeExists(name)
            self._reserved.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._reserved.discard(name)

    def _keep(self, cube: Cube) -> None:
        with self._lock:
            self._cubes[cube.name] = cube

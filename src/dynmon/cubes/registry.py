"""All cubes of the daemon by name, and the chains they form on interfaces."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynmon.bpf import GracePeriod
from dynmon.cubes.cabling import Cabling
from dynmon.cubes.dynmon import DynmonCube
from dynmon.cubes.errors import CubeExists, CubeNotFound, NotAttached
from dynmon.cubes.simplebridge import SimpleBridge
from dynmon.cubes.timing import ProgramTiming
from dynmon.dataplane import AttachPoint, Foundry, ProgramLog
from dynmon.dataplane.hook_map import HookEntry, hook_map
from dynmon.metrics.limits import SeriesBudget
from dynmon.models import AttachRequest, BridgeConfig, CubeConfig, DetachRequest, Direction
from dynmon.models.cube import check_cube_name
from dynmon.netdev import Located, Place, interface_index, locate
from dynmon.settings import DEFAULT_READ_LIMITS, ReadLimits

if TYPE_CHECKING:
    from dynmon.trial import Rehearsal

Cube = DynmonCube | SimpleBridge


class CubeRegistry:
    """Owns the cubes of all services; every method may be called from any thread."""

    def __init__(
        self, foundry: Foundry, log: ProgramLog, pins: Path | None = None, read_limits: ReadLimits = DEFAULT_READ_LIMITS
    ) -> None:
        """`log` is where cubes say their names; `pins` is the folder on a BPF filesystem for what cubes pin, if any."""
        self._foundry = foundry
        self._log = log
        self._pins = pins
        self._read_limits = read_limits
        self._series = SeriesBudget(read_limits.series)
        self._grace = GracePeriod()
        self._ids = itertools.count(1)
        # Reentrant: a library's cube may be deleted by the garbage collector while its thread is in here.
        self._lock = threading.RLock()
        self._cubes: dict[str, Cube] = {}
        self._reserved: set[str] = set()
        self.cabling = Cabling()
        self.timing = ProgramTiming()
        # Not by name: an interface may be renamed while cubes are attached to it, and found by several names.
        self._points: dict[Located, AttachPoint] = {}
        self._placing = threading.RLock()

    def create(self, name: str, config: CubeConfig) -> DynmonCube:
        """Make a dynmon cube.

        Raises:
            InvalidCubeName: It cannot be called so.
            CubeExists: One is called so already.
            InjectionError: Its code cannot run.
        """
        with self._reserving(name):
            cube_id = next(self._ids)
            self._log.register(cube_id, name)
            try:
                cube = DynmonCube(
                    name,
                    cube_id,
                    config,
                    self._foundry,
                    self._placing,
                    self._grace.wait,
                    self._read_limits,
                    self._pins,
                    self._series,
                )
            except BaseException:
                self._log.forget(cube_id)
                raise
            self._keep(cube)
            return cube

    def create_bridge(self, name: str, config: BridgeConfig) -> SimpleBridge:
        """Make a simplebridge cube with its ports.

        Raises:
            InvalidCubeName: It cannot be called so.
            CubeExists: One is called so already.
            DynmonError: A port cannot be made.
        """
        with self._reserving(name):
            bridge = SimpleBridge(name, config, self._foundry, self.cabling)
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
            cube.close()
            if isinstance(cube, DynmonCube):
                self._log.forget(cube.cube_id)
        finally:
            with self._lock:
                self._reserved.discard(name)

    def attach(self, request: AttachRequest) -> None:
        """Attach a cube to an interface.

        Raises:
            InvalidPort: No port can be called so.
            CubeNotFound, InterfaceNotFound, PortNotFound: One of the two does not exist.
            NamespaceNotFound, NamespaceForbidden: The interface's namespace does not, or not for us.
            AlreadyAttached: The cube is there already.
            NotOnChain: The neighbour that was asked for is not on the interface.
        """
        cube = self.get(request.cube)
        place = Place.parse(request.port)
        located = locate(place)
        with cube.changing(), self._placing:
            point = self._points.setdefault(located, AttachPoint(located, request.port))
            try:
                cube.attach(point, point.at_wire, place, request)
            finally:
                self._forget_empty_points()

    def detach(self, request: DetachRequest) -> None:
        """Take a cube off an interface.

        Raises:
            CubeNotFound: There is no such cube.
            NotAttached: It is not on that interface.
        """
        cube = self.get(request.cube)
        with cube.changing(), self._placing:
            try:
                cube.detach(request.port)
            except NotAttached:
                locate(Place.parse(request.port))  # an interface that does not exist is the better explanation
                raise
            finally:
                self._forget_empty_points()

    def chain(self, port: str) -> list[str]:
        """The names of the cubes on the interface that `port` names, nearest the wire first.

        Raises:
            InvalidPort, InterfaceNotFound, PortNotFound, NamespaceNotFound, NamespaceForbidden: There is none.
        """
        located = locate(Place.parse(port))
        with self._placing:
            point = self._points.get(located)
            return [member.name for member in point.at_wire.members] if point else []

    def hooks(self, interface: str) -> dict[Direction, list[HookEntry]]:
        """Everybody on the hooks of `interface`, in the order in which packets meet them.

        Raises:
            InterfaceNotFound: There is no such interface.
            KernelError: The kernel would not say.
        """
        located = Located(interface_index(interface), None)
        cubes = self.cubes()
        with ExitStack() as kept:
            with self._placing:
                own = [program.kept(kept) for cube in cubes for program in cube.programs_on(located)]
            return hook_map(located.index, interface, own)

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

    def _forget_empty_points(self) -> None:
        self._points = {located: point for located, point in self._points.items() if point.at_wire.members}

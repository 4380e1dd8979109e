"""What becomes of a change that a client asks for: it is made, or with ``?dry-run=true`` it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from dynmon.api.metrics import Telemetry
from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.models import CubeConfig, DataplaneConfig, Direction, LogLevel

OK = 200


@dataclass(frozen=True, slots=True)
class Report:
    """A status, and the document that comes with it."""

    status: int
    document: dict[str, Any]


# A bare status has nothing to add.
Outcome = int | Report


class Effect(Protocol):
    """The two kinds of changes that code takes part in."""

    def create(self, name: str, config: CubeConfig, status: int) -> Outcome:
        """A new cube."""

    def inject(self, cube: DynmonCube, loglevel: LogLevel | None, config: DataplaneConfig, status: int) -> Outcome:
        """Code for a cube that is there, and maybe another log level."""


@dataclass(frozen=True, slots=True)
class Live:
    """Changes happen, and answer with the status that success has."""

    registry: CubeRegistry
    telemetry: Telemetry

    def create(self, name: str, config: CubeConfig, status: int) -> Outcome:
        with self._injection(config.dataplane_config):
            self.registry.create(name, config)
        return status

    def inject(self, cube: DynmonCube, loglevel: LogLevel | None, config: DataplaneConfig, status: int) -> Outcome:
        before = cube.loglevel
        with ExitStack() as undo:
            if loglevel is not None and loglevel is not before:
                cube.set_loglevel(loglevel)
                undo.callback(cube.set_loglevel, before)
            kept: dict[str, Any] = {}
            if mentions_code(config):
                with self.telemetry.injection():
                    kept = cube.inject(config)
            undo.pop_all()
        return Report(status, kept) if kept else status

    @contextmanager
    def _injection(self, config: DataplaneConfig) -> Iterator[None]:
        with self.telemetry.injection() if mentions_code(config) else nullcontext():
            yield


@dataclass(frozen=True, slots=True)
class Tried:
    """Nothing changes; the answer is the explanation of each path that is mentioned, by its name."""

    registry: CubeRegistry

    def create(self, name: str, config: CubeConfig, status: int) -> Outcome:
        from dynmon.trial import Rehearsal

        passive = self.registry.passivity(name, config.passive)
        trial = Rehearsal(config.dataplane_config, config.type, config.loglevel, passive)
        return _explanation(self.registry.rehearse(name, trial))

    def inject(self, cube: DynmonCube, loglevel: LogLevel | None, config: DataplaneConfig, status: int) -> Outcome:
        from dynmon.trial import Rehearsal

        return _explanation(cube.rehearse(Rehearsal(config, cube.type, loglevel or cube.loglevel, cube.passive)))


def mentions_code(config: DataplaneConfig) -> bool:
    """Whether there is anything to compile or load."""
    return any(config.path(direction) is not None for direction in Direction)


def _explanation(report: dict[str, Any]) -> Report:
    return Report(OK, report["explanation"])

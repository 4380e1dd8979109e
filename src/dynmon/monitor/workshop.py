"""What the monitors of one process share: a compiler, a loader, a log and the cubes; there while one of them runs.

All of it ends with the process, however it ends: the kernel closes its descriptors, and the processes of the compiler
and the loader end when their sockets do. A forked child (`multiprocessing`) inherits the descriptors but none of
the responsibility: it forgets what it has, without detaching anything, so that the end of its parent is not delayed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from dynmon.bpf import Loader
from dynmon.bpf.capabilities import check_capabilities
from dynmon.btf import GlobalVariable
from dynmon.compiler import Compiler
from dynmon.cubes import CubeRegistry
from dynmon.dataplane import Found, Foundry, LoadedPath, Placement, ProgramLog, PublicMaps
from dynmon.dataplane.path import NOTHING
from dynmon.errors import InjectionError, InvalidInputError
from dynmon.metrics import BoundMetric
from dynmon.metrics.binding import declared_names, declared_variables
from dynmon.models import MetricConfig, PathConfig
from dynmon.monitor.documents import metric_of
from dynmon.rendering import ENGINE
from dynmon.settings import CompileLimits, MapLimits


class Workshop:
    """Holds the registry of the process; started for its first user and taken down after its last."""

    def __init__(self) -> None:
        # Reentrant: a monitor may be collected, and so closed, while another one is being opened.
        self._lock = threading.RLock()
        self._users = 0
        self._parts = ExitStack()
        self._registry: CubeRegistry | None = None

    def enter(self) -> CubeRegistry:
        """The registry, for one more user.

        Raises:
            NotPermitted, ClangNotFound, HeadersNotFound, KernelError: Something it needs is not here, or not allowed.
        """
        with self._lock:
            self._users += 1
            try:
                if self._registry is None:
                    self._registry = self._start()
            except BaseException:
                self._users -= 1
                raise
            return self._registry

    def leave(self) -> None:
        """One user less."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._registry = None
                self._parts.close()

    def _start(self) -> CubeRegistry:
        check_capabilities()
        with ExitStack() as parts:
            log = parts.enter_context(ProgramLog())
            loader = parts.enter_context(Loader())
            compiler = parts.enter_context(Compiler(_cache_dir(parts), CompileLimits()))
            parts.enter_context(ENGINE.built_by(compiler.shared_object))
            registry = CubeRegistry(Everything(compiler, loader, log, PublicMaps(), MapLimits()), log)
            parts.enter_context(registry)
            self._parts = parts.pop_all()
            return registry


class Everything(Foundry):
    """A foundry for people who look around: where a configuration names no metric, all that can be read is one.

    Where it names a map, it may name a global variable too.
    """

    def build(
        self, config: PathConfig, placement: Placement, found: Found = NOTHING, *, verbose: bool = False
    ) -> LoadedPath:
        """Compile and load, as `Foundry` does."""
        path = super().build(config, placement, found, verbose=verbose)
        metrics = [_understood(each, path) for each in config.metric_configs] or _readable_metrics(path)
        path.config = config.model_copy(update={"metric_configs": tuple(metrics)})
        return path


def _understood(metric: MetricConfig, path: LoadedPath) -> MetricConfig:
    name = metric.map_name
    if name not in path.btf.variables or name in {*path.maps, *path.loaded.declared}:
        return metric
    return metric.model_copy(update={"map_name": None, "variable": name})


def _readable_metrics(path: LoadedPath) -> Iterator[MetricConfig]:
    """Maps, and global variables that can change, under their own names."""
    variables = [name for name in declared_variables(path.btf) if not _is_constant(path.btf.variables[name])]
    for name in dict.fromkeys([*declared_names(path.maps), *variables]):
        with suppress(InjectionError, InvalidInputError):  # it has no values, or a name that is too long for a metric
            metric = _understood(metric_of(name), path)
            BoundMetric.bind(metric, path.placement.direction, path.maps, path.btf)
            yield metric


def _is_constant(variable: GlobalVariable) -> bool:
    return variable.section.startswith(".rodata")


def _cache_dir(parts: ExitStack) -> Path:
    """Where compiled objects stay for the next time; only for this time, where the user has no such place."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(caches) / "dynmon"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="dynmon-")))

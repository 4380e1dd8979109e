"""What the monitors of one process share: a compiler, a loader, a log and the cubes; there while one of them runs.

All of it ends with the process, however it ends: the kernel closes its descriptors, and the processes of the compiler
and the loader end when their sockets do. A forked child (`multiprocessing`) inherits the descriptors but none of
the responsibility: it forgets what it has, without detaching anything, so that the end of its parent is not delayed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dynmon.bpf import Loader
from dynmon.compiler import Compiler
from dynmon.cubes import CubeRegistry
from dynmon.dataplane import Foundry, LoadedPath, Placement, ProgramLog, PublicMaps
from dynmon.errors import InjectionError
from dynmon.metrics import BoundMetric
from dynmon.metrics.binding import declared_names
from dynmon.models import PathConfig
from dynmon.monitor.documents import metric_of_map
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
            ClangNotFound, HeadersNotFound, KernelError: Something it needs is not here, or not allowed.
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
        with ExitStack() as parts:
            log = parts.enter_context(ProgramLog())
            loader = parts.enter_context(Loader())
            compiler = parts.enter_context(Compiler(_cache_dir(parts), CompileLimits()))
            registry = CubeRegistry(EveryMap(compiler, loader, log, PublicMaps(), MapLimits()))
            parts.enter_context(registry)
            self._parts = parts.pop_all()
            return registry


class EveryMap(Foundry):
    """A foundry for people who look around: where a configuration has no metrics, every readable map is one."""

    def build(
        self, config: PathConfig, placement: Placement, offers: Mapping[str, int], *more: Any, **options: Any
    ) -> LoadedPath:
        """Compile and load, as `Foundry` does."""
        path = super().build(config, placement, offers, *more, **options)
        if not config.metric_configs:
            metrics = [metric_of_map(name) for name in declared_names(path.maps)]
            readable = tuple(metric for metric in metrics if _is_readable(metric, path))
            path.config = config.model_copy(update={"metric_configs": readable})
        return path


def _is_readable(metric: Any, path: LoadedPath) -> bool:
    try:
        BoundMetric.bind(metric, path.placement.direction, path.maps, path.btf)
    except InjectionError:
        return False
    return True


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

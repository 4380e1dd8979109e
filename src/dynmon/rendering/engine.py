"""Which executor writes: the native one as soon as there is one, until then and otherwise the one in Python.

The native one is built when the first big answer is written, beside it, and takes over in the middle of it: both write
the same. A machine where it cannot be built, or loaded, says so once and goes on with the other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dynmon.errors import DynmonError
from dynmon.rendering.native import RowKernel, kernel_source

# From so many rows on, a faster executor is worth building.
WORTH_BUILDING_ROWS = 1024

Build = Callable[[bytes], bytes]

_log = logging.getLogger(__name__)


class Engine:
    """Holds the native executor of a process; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._build: Build | None = None
        self._thread: threading.Thread | None = None
        self._kernel: RowKernel | None = None

    def kernel(self, rows: int) -> RowKernel | None:
        """The native executor, None where there is none (yet); asking for many rows makes it be built."""
        if self._kernel is None and rows >= WORTH_BUILDING_ROWS:
            self._start()
        return self._kernel

    @contextmanager
    def built_by(self, build: Build) -> Iterator[None]:
        """Within, `build` can be asked to make a library of the C code; it is not running any more afterwards."""
        with self._lock:
            self._build = build
        try:
            yield
        finally:
            self.wait()
            with self._lock:
                self._build = None

    def wait(self) -> None:
        """Until nothing is being built."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._build is None or self._kernel is not None:
                return
            build, self._build = self._build, None
            self._thread = threading.Thread(target=self._load, args=(build,), name="row kernel", daemon=True)
            self._thread.start()

    def _load(self, build: Build) -> None:
        try:
            self._kernel = RowKernel(build(kernel_source()))
        except (DynmonError, OSError) as error:
            _log.warning("big answers are written by the slower executor: %s", error)


ENGINE = Engine()

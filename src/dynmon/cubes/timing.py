"""Let the kernel time programs for as long as somebody wants to know, and not longer: it costs every packet."""

from __future__ import annotations

import threading
import time

from dynmon.bpf.owner import Owner
from dynmon.bpf.timing import Timing, is_always_timed

MAX_SECONDS = 3600


class ProgramTiming(Owner):
    """Times programs until the latest time that was asked for; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timing: Timing | None = None
        self._until = 0.0
        self._timer: threading.Timer | None = None

    @property
    def is_on(self) -> bool:
        """Whether programs are timed, by us or because the administrator says so."""
        return self._timing is not None or is_always_timed()

    def extend(self, seconds: float) -> None:
        """Time programs for so long from now; what was asked for before is not made shorter.

        Raises:
            TimingForbidden, KernelError: It cannot be had.
        """
        with self._lock:
            self._timing = self._timing or Timing()
            self._until = max(self._until, time.monotonic() + seconds)
            if self._timer is None:
                self._wait()

    def close(self) -> None:
        """Time nothing more."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._stop()

    def _wait(self) -> None:
        self._timer = threading.Timer(self._until - time.monotonic(), self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        with self._lock:
            if self._timing and time.monotonic() < self._until:
                self._wait()
            else:
                self._stop()

    def _stop(self) -> None:
        if self._timing:
            self._timing.close()
        self._timing = self._timer = None
        self._until = 0.0

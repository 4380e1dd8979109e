"""What reading one metric has come to: how often, for how long, with what success, and how full its map was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dynmon.errors import DynmonError


@dataclass(slots=True)
class Tally:
    """Counts of the reads of one metric. One thread counts, as it is with reads; any may look.

    `entries` are those that the metric's map had at the last read of it as a whole; None as long as there was none,
    and for maps that cannot be more or less full.
    """

    reads: int = 0
    seconds: float = 0.0
    failures: int = 0
    entries: int | None = None

    def add(self, other: Tally) -> None:
        """Count what another one has counted, of a map that is as full as the fuller one."""
        self.reads += other.reads
        self.seconds += other.seconds
        self.failures += other.failures
        self.entries = max((each for each in (self.entries, other.entries) if each is not None), default=None)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count what happens within as one read."""
        self.reads += 1
        with self.timing():
            yield

    @contextmanager
    def timing(self) -> Iterator[None]:
        """What happens within is work for some read."""
        started = time.perf_counter()
        try:
            yield
        except DynmonError:
            self.failures += 1
            raise
        finally:
            self.seconds += time.perf_counter() - started

"""Since when a cumulative series counts: what OTLP wants to know of each, and an exposition seldom says.

A series that was not there at the last look, or is less than it was then, began to count after that look. So the time
of that look is a start that is never too late; for the first look it is the time at which we began.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Starts:
    """The starts of all series; `last_ns` is when they were looked at before."""

    last_ns: int
    _known: dict[Series, tuple[int, float]] = field(default_factory=dict)
    _seen: dict[Series, tuple[int, float]] = field(default_factory=dict)

    def of(self, series: Series, total: float) -> int:
        """The start of a series that has come to `total`."""
        start, before = self._known.get(series, (self.last_ns, 0.0))
        if total < before:
            start = self.last_ns
        self._seen[series] = start, total
        return start

    def looked(self, now_ns: int) -> None:
        """This look is over; what was not seen in it is forgotten."""
        self._known, self._seen = self._seen, {}
        self.last_ns = now_ns

"""Which series of a metric stay when there are more than it may export.

The others become one series, so that totals stay right. For counters to be counters, a series must never leave that one
while its entry is in the map: the sum would go back. So a series keeps its side for as long as it is there, whatever
comes and goes next to it. Those that were seen first stay; a place that becomes free is taken by a series that was not
there at the scrape before.
"""

from __future__ import annotations

import time
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
DEFAULT_SERIES_LIMIT = 100_000
NOTHING: Hashes = np.empty(0, np.uint64)


class SeriesBudget:
    """How many series all metrics that share it may have together."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._limits: WeakSet[SeriesLimit] = WeakSet()

    def join(self, limit: SeriesLimit) -> None:
        """Count what `limit` lets through, for as long as it lives."""
        self._limits.add(limit)

    def room_for(self, limit: SeriesLimit) -> int:
        """How many `limit` may let through."""
        return max(0, self._total - sum(each.exported for each in list(self._limits) if each is not limit))


class SeriesLimit:
    """One metric's: remembers by their hashes which series were on which side. For one scrape at a time.

    `exported` and `folded` say how many there were of each at the last scrape, `unmatched` and `uncountable` how many
    that scrape left out: entries that a decoder drops, and series whose value is none for their type. `created` is when
    the first could begin.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = DEFAULT_SERIES_LIMIT if limit is None else limit
        self._budget: SeriesBudget | None = None
        self._admitted = NOTHING
        self._folded = NOTHING
        self.exported = 0
        self.folded = 0
        self.unmatched = 0
        self.uncountable = 0
        self.created = time.time()

    def succeed(self, before: SeriesLimit) -> None:
        """Go on for series that were exported under another limit so far."""
        self._admitted, self._folded, self.created = before._admitted, before._folded, before.created

    def share(self, budget: SeriesBudget) -> None:
        """Let no more through than `budget` has room for, which others share."""
        self._budget = budget
        budget.join(self)

    def fits_always(self, capacity: int) -> bool:
        """Whether `capacity` series, the most that there can ever be, are few enough to look at none of them."""
        return capacity <= self._room and not len(self._folded)

    def all_fit(self, count: int) -> None:
        """Note that there are `count` series, and that all of them are exported."""
        self.exported, self.folded = count, 0

    def admit(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of these series, all that there are, each once, are exported by themselves."""
        stays = _among(hashes, self._admitted)
        room = self._room - int(np.count_nonzero(stays))
        if room > 0:
            is_new = ~(stays | _among(hashes, self._folded))
            stays[np.flatnonzero(is_new)[:room]] = True
        self._admitted, self._folded = np.sort(hashes[stays]), np.sort(hashes[~stays])
        self.exported, self.folded = len(self._admitted), len(self._folded)
        return stays

    @property
    def _room(self) -> int:
        return min(self._limit, self._budget.room_for(self)) if self._budget else self._limit


def _among(hashes: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Which of them are among those that are `known`, in order."""
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(known.take(places) == hashes)

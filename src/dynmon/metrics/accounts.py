"""What is known of one metric between two looks at its map: what was drained, and who has seen how much of it.

A map that swaps is drained at every switch, whoever asked for it. So that nobody loses by it, what was drained is kept
here until all have seen it: the JSON reader of an emptying metric has a window of its own, each token has one, and the
totals of counters go on for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dynmon.bpf import BpfMap, MapType
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import Entries, extract, page, pop
from dynmon.metrics.ledger import BEGINNING, Ledger
from dynmon.metrics.nested import nested_page, read_nested
from dynmon.metrics.paging import InvalidCursor, Page, decode_cursor, encode_cursor, first, rows_of
from dynmon.metrics.readings import QUEUES, own_part
from dynmon.metrics.tally import Tally
from dynmon.metrics.value_types import ARRAYS, TypedPlan
from dynmon.models import MetricType
from dynmon.settings import ReadLimits

NO_MARK = -1
REST = "rest"  # the cursor of values without keys: whatever has not been given yet


class Account:
    """A metric and its ledger. Not for several threads at once: the cube's reads come one after the other."""

    def __init__(self, metric: BoundMetric, map_ids: frozenset[int], limits: ReadLimits) -> None:
        """`map_ids` are the kernel's numbers of the metric's map: two where it swaps, for this metric or another."""
        self.metric = metric
        self.map_ids = map_ids
        self._limits = limits
        self.is_queue = metric.bpf_map.info.map_type in QUEUES
        self._is_swapping = len(map_ids) > 1 and not self.is_queue
        # What was drained, also of a map that swaps no more; and what was seen of one that does not.
        self._drained = self._ledger(keeps_total=_needs_total(metric)) if self._is_swapping else None
        self._observed: Ledger | None = None
        self._shown = self._drained.mark() if self._drained else NO_MARK
        self._totals: Ledger | None = None  # where totals are, if not in that of what was drained
        # What was taken out for the JSON reader, who has not had it yet: of a queue, or behind the end of a page.
        self._waiting: Entries | None = None
        self._dropped = 0  # of values that wait
        self.tally = Tally()
        self._is_just_drained = False

    @property
    def name(self) -> str:
        """What the metric is read by."""
        return self.metric.config.name

    def is_heir_of(self, other: Account) -> bool:
        """Whether it is about the same map, or the same variable in there, and takes its values for the same thing."""
        is_same = bool(self.map_ids & other.map_ids) and self.metric.config.variable == other.metric.config.variable
        return is_same and (self.is_queue or other._drained is None or self.metric.widened == other.metric.widened)

    def succeed(self, before: Account | None, others: Sequence[Account]) -> None:
        """Go on with what is known of the map: by the same metric `before`, which ends, or else by `others`."""
        whole = next((ledger for each in others if (ledger := each._whole)), None)
        if before:
            self.tally = before.tally
            self.metric.series_limit.succeed(before.metric.series_limit)
            self._waiting = before._waiting
            # What was observed is of no use once the map is drained: less in it is not a counter that was set back.
            self._observed = None if self._is_swapping else before._observed
        if before and before._drained:
            self._drained, self._shown, self._totals = before._drained, before._shown, before._totals
            if _needs_total(self.metric) and not self._whole:
                self._totals = whole.copy(BEGINNING) if whole else self._drained.copy(self._shown)
        elif whole:
            self._drained = whole.copy(BEGINNING, keeps_total=_needs_total(self.metric))
            self._shown = self._drained.mark_at(BEGINNING)

    def see(self, live: BpfMap) -> None:
        """Note what its map holds, which is about to be taken out for good, or was: windows without a switch go on."""
        if self._drained is None:
            self._drained = self._ledger(keeps_total=_needs_total(self.metric))
            self._shown = self._drained.mark()
        if self._observed and not self._is_swapping:
            self._observed.observe(self._live(live))

    def absorb(self, other: Account) -> None:
        """Add what another account has whose map is gone; tokens are of no use for the two any more."""
        if self._drained and other._drained:
            self._drained, self._shown = self._drained.joined(self._shown, other._drained, other._shown)
        elif other._drained:
            self._drained, self._shown = other._drained, other._shown
        self._observed = None
        self.tally.add(other.tally)

    def be(self, metric: BoundMetric) -> None:
        """Be the account of `metric`, which is the same by another name."""
        metric.series_limit.succeed(self.metric.series_limit)
        self.metric = metric

    def keep(self, entries: Entries) -> None:
        """Take over `entries`, just as they came out of the metric's map."""
        if self.is_queue:
            older = self._waiting if self._waiting is not None else entries.part(0, 0)
            is_stack = self.metric.bpf_map.info.map_type is MapType.STACK  # what was pushed last comes first
            kept = entries.part(0, self._room_behind(older))
            self._dropped += len(entries) - len(kept)
            self._waiting = joined(kept, older) if is_stack else joined(older, kept)
        else:
            for ledger in filter(None, (self._drained, self._totals)):
                ledger.add(own_part(self.metric, entries))

    def look(self, live: BpfMap) -> tuple[BoundMetric, Entries | None]:
        """What an emptying JSON read would give, or what has been counted so far; nothing changes.

        The entries are None for a queue or stack. They are decoded with the metric that comes with them.
        """
        if self.is_queue:
            return self.metric, None
        if self._drained is None:
            return self.metric, self._live(live)
        base = self._drained.window(self._shown) if self._is_emptied else self._everything(self._drained)
        if self._is_emptied and self._waiting is not None:
            base = self._drained.combined(self._waiting, base)
        return self._wide(self._drained), self._drained.with_live(base, self._live(live))

    def take(self, live: BpfMap, wanted: Page | None) -> tuple[BoundMetric, Entries, str | None]:
        """The value for the JSON reader, after a switch where the metric swaps; and where the next page begins."""
        if self.is_queue:
            if not (wanted and wanted.cursor):
                self._pop(live, self.metric.bpf_map.info.max_entries)
            return self.metric, *self._served_values(live, wanted)
        if self._drained is None:
            if wanted:
                return self.metric, *self._page(live, wanted)
            return self.metric, self._live(live), None
        wide = self._wide(self._drained)
        if self._is_emptied:
            if wanted:
                wanted.start(self.metric.bpf_map.info.key_size)  # before anything is taken that would be lost
            return wide, *self._served(self._unseen(self._drained, wanted), wanted)
        everything = self._everything(self._drained)
        if not self.metric.swaps:
            everything = self._drained.with_live(everything, self._live(live))
        return wide, *first(everything, wanted)

    def export(self, live: BpfMap, *, pops: bool) -> tuple[BoundMetric, Entries | None]:
        """What a scrape gets: of counters everything since the code runs, of gauges what a look shows.

        With `pops` a queue or stack is taken over from the kernel; the JSON reader still gets it.
        """
        if self.is_queue:
            if pops:
                waiting = len(self._waiting) if self._waiting is not None else 0
                self._pop(live, self.metric.bpf_map.info.max_entries - waiting)
            return self.metric, (self._waiting if self._waiting is not None else nothing(live)) if pops else None
        metadata = self.metric.config.open_metrics_metadata
        is_gauge = metadata is not None and metadata.type is MetricType.GAUGE
        if self._drained is None or (is_gauge and self._is_emptied):
            return self.look(live)
        everything = self._everything(self._drained)
        if not self.is_exported_by_switch:
            everything = self._drained.with_live(everything, self._live(live))
        return self._wide(self._drained), everything

    def since(self, live: BpfMap, mark: int | None) -> tuple[BoundMetric, Entries]:
        """What happened since `mark`, after a switch where the map swaps; None is the beginning.

        Not for queues and stacks.
        """
        if self._drained and self._is_swapping:
            entries = self._everything(self._drained) if mark is None else self._drained.window(mark)
            return self._wide(self._drained), entries
        observed = self._observed = self._observed or self._ledger(keeps_total=False)
        entries = self._live(live)
        observed.observe(entries)
        if mark is not None:
            return self._wide(observed), observed.window(mark)
        before = self._everything(self._drained) if self._drained else observed.nothing()
        return self._wide(observed), observed.with_live(before, entries)

    @property
    def has_windows(self) -> bool:
        """Whether it can be read since a token: queues give each value once, and maps of maps are many maps."""
        return not self.is_queue and self.metric.inner is None

    @property
    def kind(self) -> str:
        """The kernel's word for the type of its map."""
        return self.metric.bpf_map.info.map_type.name.lower()

    @property
    def is_exported_by_switch(self) -> bool:
        """Whether a scrape of it is one moment."""
        config = self.metric.config
        return config.open_metrics_metadata is not None and config.extraction_options.swap_on_read

    @property
    def ledger(self) -> Ledger | None:
        """Where the marks of tokens are."""
        return self._drained if self._is_swapping else self._observed

    @property
    def ledgers(self) -> list[Ledger]:
        """All that it has: one of them may be of use again when the map swaps again."""
        return [each for each in (self._drained, self._totals, self._observed) if each]

    @property
    def dropped(self) -> int:
        """Entries that there was no room for."""
        return self._dropped + sum(each.dropped for each in self.ledgers)

    def _everything(self, drained: Ledger) -> Entries:
        """Since the beginning; where nobody asked for totals so far, what the reader has not seen."""
        return self._whole.total() if self._whole else drained.window(self._shown)

    @property
    def _whole(self) -> Ledger | None:
        """The ledger that has totals."""
        return self._drained if self._drained and self._drained.keeps_total else self._totals

    @property
    def _is_emptied(self) -> bool:
        return self.metric.config.extraction_options.empty_on_read

    def _ledger(self, *, keeps_total: bool) -> Ledger:
        info = self.metric.bpf_map.info
        return Ledger(
            self.metric.widened,
            map_type=info.map_type,
            key_size=info.key_size,
            max_entries=info.max_entries,
            keeps_total=keeps_total,
            max_bytes=self._limits.kept_bytes,
        )

    def _wide(self, ledger: Ledger) -> BoundMetric:
        return replace(self.metric, value_type=TypedPlan(ledger.widened.plan, self.metric.value_type.type_name))

    def _live(self, live: BpfMap) -> Entries:
        if self.metric.inner is not None:
            return read_nested(self.metric, self._limits.read_bytes)
        entries = extract(live, self._limits.read_bytes)
        if self._is_just_drained:  # what came behind the switch is not how full the map gets
            self._is_just_drained = False
        else:
            self._found(len(entries))
        return own_part(self.metric, entries)

    def drained(self, entries: int) -> None:
        """So many entries were in the idle copy of the map."""
        self._is_just_drained = not self.is_queue
        self._found(entries)

    def _found(self, entries: int) -> None:
        if self.metric.bpf_map.info.map_type not in ARRAYS:  # they have all of their indexes always
            self.tally.entries = entries

    def _page(self, live: BpfMap, wanted: Page) -> tuple[Entries, str | None]:
        if self.metric.inner is not None:
            return nested_page(self.metric, wanted, self._limits.read_bytes)
        try:
            entries, behind = page(live, wanted.limit, decode_cursor(wanted.cursor))
        except ValueError as error:
            raise InvalidCursor from error
        return own_part(self.metric, entries), encode_cursor(behind)

    def _unseen(self, ledger: Ledger, wanted: Page | None) -> Entries:
        """What is there for the JSON reader; further pages are of the moment of the first."""
        waiting, self._waiting = self._waiting, None
        if wanted and wanted.cursor is not None:
            return ledger.nothing() if waiting is None else waiting
        window = ledger.window(self._shown)
        before, self._shown = self._shown, ledger.mark()
        ledger.release(before)
        return window if waiting is None else ledger.combined(waiting, window)

    def _served(self, entries: Entries, wanted: Page | None) -> tuple[Entries, str | None]:
        """As many entries as are wanted; the others wait, also those before the page."""
        if wanted is None:
            return entries, None
        rows, cursor = rows_of(entries, wanted)
        self._waiting = without(entries, rows, is_array=self.metric.bpf_map.info.map_type in ARRAYS)
        return entries.rows(rows), cursor

    def _served_values(self, live: BpfMap, wanted: Page | None) -> tuple[Entries, str | None]:
        """The first values that wait; the others wait on."""
        waiting = self._waiting if self._waiting is not None else nothing(live)
        end = min(wanted.limit, len(waiting)) if wanted else len(waiting)
        rest = waiting.part(end, len(waiting))
        self._waiting = rest if len(rest) else None
        return waiting.part(0, end), REST if len(rest) else None

    def _room_behind(self, waiting: Entries) -> int:
        """How many more values may wait: a queue that swaps is drained by every scrape, whether one reads it or not."""
        return max(0, self._limits.kept_bytes // self.metric.bpf_map.info.value_size - len(waiting))

    def _pop(self, live: BpfMap, limit: int) -> None:
        if limit > 0:
            values = pop(live, limit)
            self._found(len(values))
            self.keep(values)


def nothing(bpf_map: BpfMap) -> Entries:
    """No entries, in the form of those that the map has."""
    info = bpf_map.info
    return Entries(np.empty((0, info.key_size), np.uint8), np.empty((0, info.value_size), np.uint8))


def joined(older: Entries, newer: Entries) -> Entries:
    """Values without keys, in the order in which they were taken."""
    return Entries(np.concatenate([older.keys, newer.keys]), np.concatenate([older.values, newer.values]))


def without(entries: Entries, rows: NDArray[np.intp], *, is_array: bool) -> Entries | None:
    """What is left when some rows have gone: of an array, which has all its indexes always, they are zero."""
    if is_array:
        values = entries.values.copy()
        values[rows] = 0
        return Entries(entries.keys, values) if values.any() else None
    stays = np.ones(len(entries), np.bool_)
    stays[rows] = False
    return entries.rows(np.flatnonzero(stays)) if stays.any() else None


def _needs_total(metric: BoundMetric) -> bool:
    """Whether somebody may ask for everything since the beginning; otherwise what was seen is forgotten."""
    config = metric.config
    return config.open_metrics_metadata is not None or not config.extraction_options.empty_on_read

"""Reads of one cube: each packet is in one read, and nobody's read takes anything from another's.

A map that swaps is read by a switch: the other copy of the program takes over, with maps of its own, and when the last
packet that met the first copy has passed, its maps stand still. They are drained into the ledgers of their metrics, and
are empty for their next turn. Paths that share a map that swaps switch together; a read of several metrics is one
switch, with one timestamp.

What fails on the way loses nothing: a map that was not drained is drained before the next switch, and what is in the
ledgers stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from dynmon.bpf import BpfMap
from dynmon.cubes.draining import by_map, drain
from dynmon.cubes.errors import MetricNotFound, SinceWithPages, SplitWithPages, TokenForgotten
from dynmon.cubes.splits import Split, drain_lane, splits_of
from dynmon.cubes.tokens import Name, Tokens
from dynmon.cubes.turns import Turns
from dynmon.dataplane import Dataplane, LoadedPath
from dynmon.errors import InvalidInputError, KernelError
from dynmon.metrics import BoundMetric, Page, Reading
from dynmon.metrics.accounts import Account
from dynmon.metrics.events import BoundEvents
from dynmon.metrics.extraction import Entries
from dynmon.metrics.ledger import Ledger
from dynmon.metrics.limits import SeriesLimit
from dynmon.metrics.readings import NOT_DRAINED, note_on, now
from dynmon.metrics.tally import Tally
from dynmon.models import Direction
from dynmon.settings import ReadLimits

Item = Account | Split | BoundEvents
BEGINNING = ""
NO_WINDOWS = "a {kind} has no windows; read it without since"


class Reads:
    """The metrics of a cube and everything that reading them takes.

    `lock` is held while maps are read or drained, and by whoever takes maps away; it comes before the lock on chains
    and before `state`, which guards the moment of a switch against attaching and detaching.
    """

    def __init__(
        self,
        cube: str,
        dataplane: Dataplane,
        state: AbstractContextManager[bool],
        wait: Callable[[], None],
        limits: ReadLimits,
    ) -> None:
        """`wait` returns when all programs have ended that were running."""
        self.lock = Turns()
        self.limits = limits
        self._cube = cube
        self._dataplane = dataplane
        self._state = state
        self._wait = wait
        self._items: dict[Direction, list[Item]] = {direction: [] for direction in Direction}
        self._lanes: dict[Account, LoadedPath] = {}
        self._unsettled: set[Direction] = set()
        self._tokens = Tokens(cube)

    def items(self, direction: Direction) -> list[Item]:
        """The metrics of a path, in the order of its configuration."""
        return self._items[direction]

    def replace(self, items: Mapping[Direction, Sequence[Item]]) -> None:
        """Have other metrics in some directions; those of maps that go on know what was known of them."""
        with suppress(KernelError):
            self._drain_departed()
        for departed in [each for each in self._dataplane.departed if each.direction in items]:
            self._dataplane.close_departed(departed)  # what cannot be read is of code that is no more
        before = list(self._accounts())
        for direction, fresh in items.items():
            for account in fresh:
                if isinstance(account, Account):
                    known = [each for each in before if account.is_heir_of(each)]
                    same = [each for each in known if (each.metric.direction, each.name) == (direction, account.name)]
                    account.succeed(same[0] if same else None, known)
            for split in splits_of(fresh):
                for each in splits_of(self._items[direction]):
                    if each.name == split.name and split.rest.is_heir_of(each.rest):
                        split.succeed(each, self._dataplane.lanes(direction))
            events = self.event_metrics()
            self._items[direction] = [
                each.going_on_from(events) if isinstance(each, BoundEvents) else each for each in fresh
            ]
        self._follow()
        self._tokens.forget_all_but(ledger for each in self._accounts() for ledger in each.ledgers)

    def read(
        self, directions: Sequence[Direction], *, drain: bool, since: str | None = None
    ) -> dict[Direction, list[Reading]]:
        """Read every metric of some paths, at one moment; what cannot be read says why.

        Raises:
            TokenForgotten: `since` is not known any more.
            DynmonError: The switch failed; nothing is lost.
        """
        with self.lock:
            items = [each for direction in directions for each in self._items[direction]]
            timestamp = self._moment(items, switches=drain or since is not None, whoever_asks=since is not None)
            if since is None:
                readings = [self._explained(each, timestamp, drain=drain) for each in items]
            else:
                readings = self._windows(items, timestamp, since)
        return {
            direction: [reading for reading in readings if reading.metric.direction is direction]
            for direction in directions
        }

    def read_metric(
        self, direction: Direction, name: str, *, drain: bool, since: str | None = None, page: Page | None = None
    ) -> Reading:
        """Read one metric.

        Raises:
            MetricNotFound: The path has no metric called `name`.
            TokenForgotten: `since` is not known any more.
            SinceWithPages, InvalidCursor, TooMuchToRead: What is asked for cannot be had.
            KernelError: The kernel refused; nothing is lost.
        """
        if since is not None and page:
            raise SinceWithPages
        with self.lock:
            item = self._find(direction, name)
            if isinstance(item, Split) and page:
                raise SplitWithPages(name)
            is_behind_first = page is not None and page.cursor is not None
            switches = (drain and not is_behind_first) or since is not None
            timestamp = self._moment([item], switches=switches, whoever_asks=since is not None)
            if since is not None:
                return self._windows([item], timestamp, since)[0]
            return self._reading(item, timestamp, drain=drain, page=page)

    def exporter(self, *, pops: bool) -> Callable[[BoundMetric], tuple[BoundMetric, Entries | None]]:
        """What scrapes get of each metric, all from one switch; to be used with the lock held.

        Raises:
            DynmonError: The switch failed; nothing is lost.
        """
        exported = [each for each in self._accounts() if each.is_exported_by_switch and (pops or not each.is_queue)]
        self._moment(exported, switches=True)
        accounts = {id(each.metric): each for each in self._shown()}

        def entries(metric: BoundMetric) -> tuple[BoundMetric, Entries | None]:
            account = accounts[id(metric)]
            with account.tally.reading():
                return account.export(self._live(account), pops=pops)

        return entries

    def metrics(self) -> list[BoundMetric]:
        """The metrics of both paths that have values."""
        return [each.metric for each in self._shown()]

    def dropped(self, direction: Direction) -> int:
        """Entries of the metrics of a path that were drained and not kept: there was no room for them."""
        with self.lock:
            return sum(each.dropped for each in self._accounts() if each.metric.direction is direction)

    def tallies(self) -> list[tuple[BoundMetric, Tally, list[SeriesLimit]]]:
        """What reading each metric has come to, and what its limits have let through: of a split one, of each map."""
        return [(each.metric, each.tally, [one.metric.series_limit for one in _shown(each)]) for each in self._values()]

    def event_metrics(self) -> list[BoundEvents]:
        """The metrics of both paths whose maps have records."""
        return [each for items in self._items.values() for each in items if isinstance(each, BoundEvents)]

    def settle(self) -> None:
        """Take over what a switch that did not come to its end has left behind; to be used with the lock held.

        Raises:
            KernelError: The kernel refused; nothing is lost.
        """
        if not self._unsettled:
            return
        with self._state:
            unsettled = self._flipping(each for each in self._unsettled if each in self._dataplane.paths)
        self._settle(unsettled)
        self._unsettled.clear()

    def tidy(self) -> None:
        """Take over what was counted at interfaces that the cube has left, so that their maps and programs go.

        Raises:
            KernelError: The kernel refused; nothing is lost.
        """
        if self._dataplane.departed:
            with self.lock, self._state:
                self._drain_departed()

    def clear(self) -> None:
        """Forget everything: the maps go."""
        self._items = {direction: [] for direction in Direction}
        self._lanes.clear()
        self._tokens.clear()

    def _accounts(self) -> Iterator[Account]:
        """All that there are, also those that have nothing to show."""
        for item in self._values():
            yield from item.all_accounts if isinstance(item, Split) else [item]

    def _shown(self) -> Iterator[Account]:
        return (each for item in self._values() for each in _shown(item))

    def _values(self) -> list[Account | Split]:
        return [each for items in self._items.values() for each in items if not isinstance(each, BoundEvents)]

    def _find(self, direction: Direction, name: str) -> Item:
        found = next((each for each in self._items[direction] if each.name == name), None)
        if found is None:
            raise MetricNotFound(self._cube, direction, name, [each.name for each in self._items[direction]])
        return found

    def _live(self, account: Account) -> BpfMap:
        metric = account.metric
        path = self._lanes.get(account, self._dataplane.paths[metric.direction])
        return path.maps[metric.bpf_map.info.name]

    def _explained(self, item: Item, timestamp: int, *, drain: bool) -> Reading:
        if isinstance(item, BoundEvents):
            return item.reading()
        try:
            return self._reading(item, timestamp, drain=drain)
        except (KernelError, InvalidInputError) as error:
            return Reading(item.name, timestamp, item.metric, None, f"its map could not be read: {error}")

    def _reading(self, item: Item, timestamp: int, *, drain: bool, page: Page | None = None) -> Reading:
        if isinstance(item, BoundEvents):
            return item.reading()
        if isinstance(item, Split):
            parts = tuple(self._reading(each, timestamp, drain=drain) for each in item.accounts)
            return Reading(item.name, timestamp, item.metric, None, split=parts)
        live = self._live(item)
        with item.tally.reading():
            if drain:
                metric, entries, cursor = item.take(live, page)
                return Reading(item.name, timestamp, metric, entries, note_on(entries), cursor)
            metric, seen = item.look(live)
        note = note_on(seen) if seen is not None else NOT_DRAINED.format(kind=item.kind)
        return Reading(item.name, timestamp, metric, seen, note)

    def _windows(self, items: Sequence[Item], timestamp: int, since: str) -> list[Reading]:
        """The windows of several metrics, and one token for all of them."""
        marks = self._tokens.look_up(since).marks if since != BEGINNING else {}
        windows = [self._window(each, timestamp, marks if since != BEGINNING else None) for each in items]
        now_seen = {
            _name_of(each): (each.ledger, each.ledger.mark())
            for item in items
            for each in (item.all_accounts if isinstance(item, Split) else [item])
            if isinstance(each, Account) and each.ledger
        }
        token = self._tokens.issue(now_seen, since or None)
        return [replace(each, since=token) for each in windows]

    def _window(self, item: Item, timestamp: int, marks: Mapping[Name, tuple[Ledger, int]] | None) -> Reading:
        if isinstance(item, BoundEvents):
            return item.reading()
        if isinstance(item, Split):
            return self._windows_of_split(item, timestamp, marks)
        if not item.has_windows:
            return Reading(item.name, timestamp, item.metric, None, NO_WINDOWS.format(kind=item.kind))
        mark = None
        if marks is not None:
            ledger, mark = marks.get(_name_of(item), (None, None))
            if ledger is None or ledger is not item.ledger:
                raise TokenForgotten(self._cube, f"of {item.name!r}")
        with item.tally.reading():
            metric, entries = item.since(self._live(item), mark)
        return Reading(item.name, timestamp, metric, entries)

    def _windows_of_split(
        self, split: Split, timestamp: int, marks: Mapping[Name, tuple[Ledger, int]] | None
    ) -> Reading:
        """A window for each interface; of one that came later than the token, everything."""
        if not split.rest.has_windows:
            return Reading(split.name, timestamp, split.metric, None, NO_WINDOWS.format(kind=split.rest.kind))
        self._window(split.rest, timestamp, marks)  # raises where the token has been forgotten
        seen = {id(ledger): mark for ledger, mark in (marks or {}).values()}
        parts = []
        for each in split.accounts:
            metric, entries = each.since(self._live(each), seen.get(id(each.ledger)))
            parts.append(Reading(each.name, timestamp, metric, entries))
        return Reading(split.name, timestamp, split.metric, None, split=tuple(parts))

    def _moment(self, items: Iterable[Item], *, switches: bool, whoever_asks: bool = False) -> int:
        """Switch the paths of those metrics that read so; the time of it.

        With `whoever_asks`, also where it is another metric of the same map that does.
        """
        directions = {
            each.metric.direction
            for each in items
            if switches and not isinstance(each, BoundEvents)
            if self._swaps(each.metric) and (whoever_asks or each.metric.swaps)
        }
        self.settle()
        if directions:
            return self._switch(self._coupled(directions))
        if any(isinstance(each, Split) for each in self._values()):
            with self._state:
                self._drain_departed()
                self._follow()
        return now()

    def _swaps(self, metric: BoundMetric) -> bool:
        return metric.bpf_map.info.name in self._dataplane.paths[metric.direction].swapping

    def _coupled(self, directions: set[Direction]) -> list[Direction]:
        """The paths that switch together with `directions`."""
        paths = self._dataplane.paths
        swapping = [{path.maps[name].info.id for name in path.swapping} for path in paths.values()]
        is_common = len(swapping) > 1 and bool(set.intersection(*swapping))
        return list(paths) if is_common else sorted(directions)

    def _switch(self, directions: Sequence[Direction]) -> int:
        """Let the other copies run, and take over what the ones before have counted.

        Raises:
            DynmonError: The kernel refused. What some packets counted already is kept for the next time.
        """
        self._unsettled.update(directions)
        with self._state:
            self._drain_departed()  # before their interfaces return
            self._dataplane.switch(directions)
            timestamp = now()
            self._follow()
            paths = self._flipping(directions)
        self._settle(paths)
        self._unsettled.difference_update(directions)
        return timestamp

    def _settle(self, paths: Sequence[LoadedPath]) -> None:
        """Wait until nobody writes to the idle copies, and drain them."""
        if not paths:
            return
        self._wait()
        accounts = by_map(self._accounts())
        for path in paths:
            if path.idle:
                for name in path.swapping:
                    drain(path.idle.maps[name], accounts)

    def _drain_departed(self) -> None:
        """Take over what was counted at interfaces that the cube has left; to be used with both locks held."""
        if not self._dataplane.departed:
            return
        self._wait()
        for departed in list(self._dataplane.departed):
            drain_lane(departed, list(splits_of(self._items[departed.direction])))
            self._dataplane.close_departed(departed)

    def _follow(self) -> None:
        """Know the lanes that there are; to be used with both locks held."""
        self._lanes.clear()
        for direction in Direction:
            if splits := list(splits_of(self._items[direction])):
                lanes = self._dataplane.lanes(direction)
                for split in splits:
                    split.follow(lanes)
                    self._lanes.update({account: lane for lane, account in split.present.items()})

    def _flipping(self, directions: Iterable[Direction]) -> list[LoadedPath]:
        """What flips together of some directions: paths, and their lanes."""
        return [
            each
            for direction in directions
            for each in (self._dataplane.paths[direction], *(lane for _, lane in self._dataplane.lanes(direction)))
        ]


def _shown(item: Account | Split) -> list[Account]:
    return item.accounts if isinstance(item, Split) else [item]


def _name_of(account: Account) -> Name:
    return account.metric.direction, account.name, account.metric.interface

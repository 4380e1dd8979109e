"""A metric that is split per interface: what was counted at each, also where the cube has been and is no more.

Each lane (`dynmon.dataplane.lanes`) has an account. When an interface is left, its maps are drained into the account,
which stays under the interface's name and goes on when one of that name comes. There are not more of these than
`MOST_DEPARTED`: the oldest becomes part of a last one, for all that have gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dynmon.cubes.draining import by_map, drain
from dynmon.dataplane import Departed, LoadedPath
from dynmon.metrics import BoundMetric
from dynmon.metrics.accounts import Account
from dynmon.metrics.tally import Tally
from dynmon.settings import ReadLimits

MOST_DEPARTED = 64
DEPARTED = "departed interfaces"  # no interface can be called so: it has a space


class Split:
    """The accounts of one metric; every method is called with the locks of reads and of the state held."""

    def __init__(self, metric: BoundMetric, path: LoadedPath, limits: ReadLimits) -> None:
        """`path` is what the lanes are of: its map of the metric is empty, as are the maps of those that have gone."""
        self.metric = metric
        self._limits = limits
        self._present: dict[LoadedPath, Account] = {}
        self._gone: dict[str, Account] = {}
        self.rest = Account(replace(metric, interface=DEPARTED), copies(path, metric), limits)
        self._has_rest = False

    @property
    def name(self) -> str:
        """What the metric is read by."""
        return self.metric.config.name

    @property
    def present(self) -> dict[LoadedPath, Account]:
        """The accounts of the lanes that run, or were not drained yet."""
        return self._present

    @property
    def accounts(self) -> list[Account]:
        """Those of the interfaces that the cube is at, in the order of its attachments, and those of the others."""
        return self.all_accounts if self._has_rest else self.all_accounts[:-1]

    @property
    def all_accounts(self) -> list[Account]:
        """The same, with the one for all that have gone also where there are none in it."""
        return [*self._present.values(), *self._gone.values(), self.rest]

    @property
    def tally(self) -> Tally:
        """What reading all its maps has come to."""
        total = Tally()
        for each in self.all_accounts:
            total.add(each.tally)
        return total

    def succeed(self, before: Split, lanes: Sequence[tuple[str, LoadedPath]]) -> None:
        """Go on with what is known of maps that go on, those of `lanes` among them."""
        self.rest.succeed(before.rest, [])
        self._gone, self._has_rest = before._gone, before._has_rest
        for name, lane in lanes:
            account = self._present[lane] = self._new(lane, name)
            for known in before._present.values():
                if account.is_heir_of(known):
                    account.succeed(known, [])

    def follow(self, lanes: Sequence[tuple[str, LoadedPath]]) -> None:
        """Have an account for each of the lanes that there are, by the name that its interface has."""
        self._present = {lane: self.account_of(lane, name) for name, lane in lanes}
        for name, _ in lanes:
            if name in self._gone:  # another one has got the name of one that has gone
                self._fold(name)

    def drained(self, departed: Departed) -> None:
        """Keep the account of a lane whose maps were drained."""
        account, name = self._present.pop(departed.lane), departed.name
        if name in self._gone:
            self._fold(name)
        account.be(replace(self.metric, interface=name))
        self._gone[name] = account
        if len(self._gone) > MOST_DEPARTED:
            self._fold(next(iter(self._gone)))

    def account_of(self, lane: LoadedPath, name: str) -> Account:
        """The account of a lane, whose interface is called `name` now; it goes on with that of one which has gone."""
        account = self._present.get(lane)
        if account is None:
            account = self._present[lane] = self._new(lane, name)
            if before := self._gone.pop(name, None):
                account.succeed(before, [])
        elif account.metric.interface != name:
            account.be(replace(account.metric, interface=name))
        return account

    def _new(self, lane: LoadedPath, name: str) -> Account:
        own = lane.maps[self.metric.bpf_map.info.name]
        return Account(replace(self.metric, bpf_map=own, interface=name), copies(lane, self.metric), self._limits)

    def _fold(self, name: str) -> None:
        self.rest.absorb(self._gone.pop(name))
        self._has_rest = True


def drain_lane(departed: Departed, splits: Sequence[Split]) -> None:
    """Take over what the lane of an interface that the cube has left has counted, when the last packet has passed.

    Raises:
        KernelError: The kernel refused; nothing is lost.
    """
    lane = departed.lane
    accounts = [each.account_of(lane, departed.name) for each in splits]
    found = by_map(accounts)
    for account in accounts:
        account.see(lane.maps[account.metric.bpf_map.info.name])
    for name in lane.split:
        drain(lane.maps[name], found)
        if lane.idle and name in lane.swapping:
            drain(lane.idle.maps[name], found)
    for account in accounts:
        account.see(lane.maps[account.metric.bpf_map.info.name])
    for each in splits:
        each.drained(departed)


def splits_of(items: Sequence[object]) -> Iterator[Split]:
    """Those among the metrics of a path."""
    return (each for each in items if isinstance(each, Split))


def copies(path: LoadedPath, metric: BoundMetric) -> frozenset[int]:
    """The kernel's numbers of the metric's map and, where it swaps, of its copy."""
    name = metric.bpf_map.info.name
    both = [path.loaded, *([path.idle] if path.idle and name in path.swapping else [])]
    return frozenset(each.maps[name].info.id for each in both)

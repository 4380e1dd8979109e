"""Maps that nobody writes to any more, emptied into the accounts of their metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

from dynmon.bpf import BpfMap
from dynmon.metrics.accounts import Account
from dynmon.metrics.extraction import Entries, pop, take
from dynmon.metrics.readings import QUEUES


def by_map(accounts: Iterable[Account]) -> dict[int, list[Account]]:
    """The accounts of each map, by the kernel's number of it."""
    found: dict[int, list[Account]] = {}
    for account in accounts:
        for number in account.map_ids:
            found.setdefault(number, []).append(account)
    return found


def drain(still: BpfMap, accounts: Mapping[int, Sequence[Account]]) -> None:
    """Take everything out of a map that nobody writes to."""
    own, taken = accounts.get(still.info.id, ()), 0

    def keep(entries: Entries) -> None:
        nonlocal taken
        taken += len(entries)
        with ExitStack() as all_of_them:  # whatever becomes of the others
            for each in own:
                all_of_them.callback(each.keep, entries)

    with ExitStack() as tallies:
        for each in own:
            tallies.enter_context(each.tally.timing())
        if still.info.map_type in QUEUES:
            while len(values := pop(still, still.info.max_entries)):
                keep(values)
        else:
            take(still, keep)
    for each in own:
        each.drained(taken)

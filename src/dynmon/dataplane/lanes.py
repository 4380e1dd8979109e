"""The loads of one path that run at one interface each.

What we want: some maps of a path are counted in by interface, and the code knows nothing of it. A path with maps that
are split runs as *lanes*, one for each attachment: the same object loaded once more, on the very maps of the path, but
for those that are split, which are the lane's own. Where maps are read by swapping, a lane has a twin as the path has
one, and they flip together: what swaps and is not split has the same active copy in all of them.

A lane is a path like any other, whose `swapping` are those of its own maps that do. When its interface is left, what it
has counted is still in its maps. So it is not closed but handed over, as `Departed`, to whoever reads: that drains it
when the last packet has passed, and closes it. The lane of a port stays while the port is plugged into nothing.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from dynmon.dataplane.map_memory import check_copies
from dynmon.dataplane.path import Foundry, LoadedPath
from dynmon.models import Direction

TOO_MANY = "those that are split per interface, {{names}}, are made for each of {count} interfaces"
FEWER = "attach it to fewer interfaces, or give {largest!r} fewer entries"


@dataclass(frozen=True, slots=True)
class Departed:
    """The lane of an interface that the cube has left, which was called `name` last."""

    name: str
    direction: Direction
    lane: LoadedPath


def new_lane(foundry: Foundry, path: LoadedPath, before: LoadedPath | None) -> LoadedPath:
    """Load a lane of `path`; on the maps of the lane `before`, where it goes on.

    Raises:
        InjectionError: The kernel refused what it took before, for want of memory for instance.
    """
    own = {name: fd for name, fd in before.descriptors().items() if name in path.split} if before else {}
    with ExitStack() as undo:
        lane = foundry.rebuild(path, path.placement, own, without=path.split)
        undo.callback(lane.close)
        lane.split = path.split
        if path.idle:
            common = {name: fd for name, fd in path.idle_descriptors().items() if name not in path.split}
            foundry.add_twin(lane, path.swapping, common | (before.idle_descriptors() if before else {}))
            lane.swapping = path.swapping & path.split
        undo.pop_all()
    return lane


def check_lanes(foundry: Foundry, path: LoadedPath, count: int) -> None:
    """See to it that a path may have so many lanes.

    Raises:
        LoadError: With all their maps it would take too much memory.
    """
    swapping_too = path.swapping & path.split
    copies = Counter(path.swapping)
    for name in (*path.split, *swapping_too):
        copies[name] += count
    limit = foundry.map_limits.total_bytes
    check_copies(path, list(copies.elements()), limit, TOO_MANY.format(count=count), FEWER)


def goes_on(before: LoadedPath | None, path: LoadedPath) -> bool:
    """Whether `path` counts in the very maps of the path `before`, so that lanes go on in theirs."""
    if before is None or before.split != path.split:
        return False
    return all(before.maps[name].info.id == path.maps[name].info.id for name in path.split)

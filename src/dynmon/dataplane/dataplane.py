"""The code that runs in the kernel for one cube, and the interfaces it runs on.

What we want: new code takes over from old code with no packet unseen and none seen twice, and if anything at all goes
wrong, the old code never stopped. Loading is slow and may fail, so it is over before this module is called: `replace`
gets paths that are in the kernel already. A link is then told to run another program, which is one atomic store in the
kernel: each packet meets the old program or the new one.

What does not work: detaching and attaching again (packets pass unseen in between), and attaching the new program before
detaching the old one (packets are counted by both).

What remains: each direction at each interface is a link, so they switch one after the other. If one fails the others
are taken back; packets of that moment were counted by the new program and are lost with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress

from dynmon.bpf import Link, Program, attach_tc
from dynmon.bpf.program import Runs
from dynmon.dataplane.attachment import Attachment
from dynmon.dataplane.chain import AttachPoint
from dynmon.dataplane.hook_map import OwnProgram
from dynmon.dataplane.lanes import Departed, check_lanes, goes_on, new_lane
from dynmon.dataplane.path import Foundry, LoadedPath
from dynmon.dataplane.xdp_chain import XdpChain
from dynmon.errors import DynmonError
from dynmon.models import CubeType, Direction, Hook
from dynmon.netdev import InterfaceNotFound, Located

XDP_MODES = {CubeType.XDP_SKB: "skb", CubeType.XDP_DRV: "drv"}


class Dataplane:
    """Up to two paths and their links at any number of interfaces; owns both."""

    def __init__(self, name: str, cube_type: CubeType, foundry: Foundry) -> None:
        self.name = name
        self._type = cube_type
        self._foundry = foundry
        self._paths: dict[Direction, LoadedPath] = {}
        self._attachments: list[Attachment] = []
        self._departed: list[Departed] = []
        self._past_runs: dict[Direction, Runs] = {}  # of lanes that have departed

    @property
    def paths(self) -> Mapping[Direction, LoadedPath]:
        """What runs, by direction."""
        return self._paths

    @property
    def attachments(self) -> Sequence[Attachment]:
        """Where it runs, oldest first."""
        return self._attachments

    @property
    def departed(self) -> Sequence[Departed]:
        """The lanes that packets may still be in, or what they counted; they wait to be drained and closed."""
        return self._departed

    def lanes(self, direction: Direction) -> list[tuple[str, LoadedPath]]:
        """The lanes of a path that run, in the order of the attachments, with what each interface is called now."""
        return [(each.last_name(), each.lanes[direction]) for each in self._attachments if direction in each.lanes]

    def close_departed(self, departed: Departed) -> None:
        """Give back the maps and programs of a lane that was drained."""
        self._departed.remove(departed)
        departed.lane.close()

    def link(self, point: AttachPoint, direction: Direction) -> Link | None:
        """The link that holds the program of `direction` at `point`."""
        at = next((each for each in self._attachments if each.point is point), None)
        return at.links.get(direction) if at else None

    def attached(self) -> Iterator[tuple[str, Direction, bool]]:
        """Each place by its name of today, each direction that has code, and whether that runs there.

        It does not where there is no interface now, where the kernel refused, and where somebody else has taken it off.
        """
        for attachment in self._attachments:
            if (name := attachment.current_name()) is None:
                if not attachment.returns:
                    continue  # it is forgotten with the next change
                name = str(attachment.place)
            for direction in self._paths:
                link = attachment.links.get(direction)
                yield name, direction, link is not None and link.is_attached()

    def runs(self, direction: Direction) -> Runs:
        """How often the code of `direction` ran, in both of its copies: while the kernel timed programs."""
        path = self._paths.get(direction)
        lanes = [each.lanes[direction] for each in self._attachments if direction in each.lanes]
        past = self._past_runs.get(direction, Runs())
        return sum((each.runs() for each in ([path, *lanes] if path else [])), past)

    def programs_on(self, located: Located) -> list[OwnProgram]:
        """What runs on this interface; the descriptors belong to the paths."""
        return [
            OwnProgram.of(self.name, self._runs_at(at, direction), link)
            for at in self._attachments
            if at.point and at.point.located == located
            for direction, link in at.links.items()
        ]

    def replace(self, changes: Mapping[Direction, LoadedPath | None]) -> None:
        """Run `changes` from now on; a direction whose path is None runs nothing, others go on as they are.

        The dataplane owns the new paths when this returns. When it raises, nothing has changed and they are still the
        caller's.

        Raises:
            DynmonError: The kernel refused a switch or a new link.
        """
        self.leave_what_is_gone()
        with ExitStack() as undo:
            lanes = self._build_lanes(changes, undo)
            for attachment in self._attachments:
                try:
                    for direction, path in changes.items():
                        if path:
                            self._run_at(attachment, direction, lanes[attachment].get(direction, path), undo)
                except InterfaceNotFound:
                    if attachment.interface_name() is not None:
                        raise
                    # It went away meanwhile: no packet comes there.
            undo.pop_all()
        for direction, path in changes.items():
            self._past_runs.pop(direction, None)
            old = self._paths.pop(direction, None)
            if path:
                self._paths[direction] = path
            else:
                for attachment in self._attachments:
                    if link := attachment.links.pop(direction, None):
                        link.close()
            for attachment in self._attachments:
                if lane := attachment.lanes.pop(direction, None):
                    lane.close()
                if lane := lanes[attachment].get(direction):
                    attachment.lanes[direction] = lane
            if old:
                old.close()

    def switch(self, directions: Iterable[Direction]) -> None:
        """Run the other copy of the paths of `directions` from the next packet on: all of them, or none.

        Packets that are under way may still meet the program of before; wait a grace period before its maps are read.

        Raises:
            DynmonError: The kernel refused a switch.
        """
        with ExitStack() as undo:
            for direction in directions:
                for path, links in self._tracks(direction):
                    switched: list[Link] = []
                    path.flip()
                    undo.callback(self._switch_back, path, switched)
                    for link in links:
                        # Whoever detached the link, or took the interface away, left no packets to switch.
                        with suppress(InterfaceNotFound):
                            link.update(path.program)
                            switched.append(link)
            undo.pop_all()

    def _switch_back(self, path: LoadedPath, switched: Iterable[Link]) -> None:
        """Undo a switch; a link that refuses goes on counting in the other copy, which the next switch drains."""
        path.flip()
        is_back = [_runs(link, path.program) for link in switched]
        in_step = path.swapping != self._paths[path.placement.direction].swapping  # a lane, with what all count in
        if is_back and not any(is_back) and not in_step:
            path.flip()  # the path is what runs

    def _tracks(self, direction: Direction) -> Iterator[tuple[LoadedPath, list[Link]]]:
        """What flips together of a direction, and the links that run it: the path, and its lanes."""
        own = [
            each.links[direction] for each in self._attachments if direction in each.links.keys() - each.lanes.keys()
        ]
        yield self._paths[direction], own
        for each in self._attachments:
            if lane := each.lanes.get(direction):
                yield lane, [each.links[direction]] if direction in each.links else []

    def attach(self, attachment: Attachment, index: int) -> None:
        """Take position `index` in the attachment's chain, and run where that is.

        Raises:
            DynmonError: The kernel refused a link; nothing is attached.
        """
        with ExitStack() as undo:
            attachment.chain.members.insert(index, self)
            undo.callback(attachment.chain.members.remove, self)
            self._run_paths(attachment)
            undo.pop_all()
        if attachment not in self._attachments:  # as one that was awaited is
            self._attachments.append(attachment)

    def move(self, attachment: Attachment, point: AttachPoint | None) -> None:
        """Run at another point from now on, or with None nowhere, at the same place in the chain.

        What the kernel says where it refuses is the attachment's `trouble` then.
        """
        attachment.close_links()
        attachment.point, attachment.trouble = point, ""
        try:
            self._run_paths(attachment)
        except DynmonError as error:
            attachment.point, attachment.trouble = None, str(error)

    def detach(self, attachment: Attachment) -> None:
        """Leave a place; maps and their contents stay."""
        self._attachments.remove(attachment)
        self._leave_chain(attachment)
        self._stop(attachment)

    def leave(self, attachment: Attachment) -> None:
        """Run no more at an interface that went away: wait for another peer, or for its return, or detach."""
        if attachment.chain.is_port:
            self.move(attachment, None)
        elif attachment.returns:
            self._leave_chain(attachment)
            self._stop(attachment)
            attachment.point = None
        else:
            self.detach(attachment)

    def leave_what_is_gone(self) -> None:
        """Leave the interfaces that are not there any more."""
        for attachment in list(self._attachments):
            if attachment.point and attachment.interface_name() is None:
                self.leave(attachment)

    def close(self) -> None:
        """Detach and give everything back; twice is harmless."""
        for attachment in list(self._attachments):
            self.detach(attachment)
        for departed in list(self._departed):
            self.close_departed(departed)
        for path in self._paths.values():
            path.close()
        self._paths.clear()

    def abandon(self) -> None:
        """In a forked child: close its copies of the descriptors, detach nothing."""
        for attachment in self._attachments:
            for link in attachment.links.values():
                link.abandon()
        lanes = [lane for attachment in self._attachments for lane in attachment.lanes.values()]
        # Chains know us, too: without the circle the foundry's sockets are closed with whoever let us go.
        self._attachments.clear()
        for path in (*self._paths.values(), *lanes, *(each.lane for each in self._departed)):
            path.close()

    def _stop(self, attachment: Attachment) -> None:
        """Run there no more; the lanes are left to be drained."""
        for direction, lane in attachment.lanes.items():
            self._past_runs[direction] = self._past_runs.get(direction, Runs()) + lane.runs()
            self._departed.append(Departed(attachment.last_name(), direction, lane))
        attachment.lanes.clear()
        attachment.close_links()

    def _leave_chain(self, attachment: Attachment) -> None:
        if self in attachment.chain.members:
            attachment.chain.members.remove(self)

    def _run_paths(self, attachment: Attachment) -> None:
        """Run what there is, or nothing."""
        with ExitStack() as undo:
            for direction, path in self._paths.items():
                if attachment.point and path.split and direction not in attachment.lanes:
                    there = sum(direction in each.lanes for each in self._attachments)
                    check_lanes(self._foundry, path, there + 1)
                    lane = attachment.lanes[direction] = new_lane(self._foundry, path, None)
                    undo.callback(lane.close)
                    undo.callback(attachment.lanes.pop, direction)
                self._run_at(attachment, direction, self._runs_at(attachment, direction), undo)
            undo.pop_all()

    def _runs_at(self, attachment: Attachment, direction: Direction) -> LoadedPath:
        """The path, or its lane there."""
        return attachment.lanes.get(direction) or self._paths[direction]

    def _build_lanes(
        self, changes: Mapping[Direction, LoadedPath | None], undo: ExitStack
    ) -> dict[Attachment, dict[Direction, LoadedPath]]:
        """The lanes of new paths, for wherever something runs or has run."""
        places = [each for each in self._attachments if each.point or each.lanes]
        lanes: dict[Attachment, dict[Direction, LoadedPath]] = {each: {} for each in self._attachments}
        for direction, path in changes.items():
            if path is None or not path.split:
                continue
            check_lanes(self._foundry, path, len(places))
            is_same = goes_on(self._paths.get(direction), path)
            for each in places:
                lane = new_lane(self._foundry, path, each.lanes.get(direction) if is_same else None)
                undo.callback(lane.close)
                lanes[each][direction] = lane
        return lanes

    def _run_at(self, attachment: Attachment, direction: Direction, path: LoadedPath, undo: ExitStack) -> None:
        point = attachment.point
        if point is None:
            return
        link = attachment.links.get(direction)
        if link and self._update(attachment, link, path):
            undo.callback(link.update, self._runs_at(attachment, direction).program)
            return
        link = attachment.links[direction] = self._new_link(attachment, point, direction, path)
        undo.callback(attachment.links.pop, direction)
        undo.callback(link.close)

    def _update(self, attachment: Attachment, link: Link, path: LoadedPath) -> bool:
        """Let `link` run another program; false when somebody else has detached it, which an administrator can."""
        try:
            link.update(path.program)
        except InterfaceNotFound:
            if attachment.interface_name() is None:
                raise
            link.close()
            return False
        return True

    def _new_link(self, attachment: Attachment, point: AttachPoint, direction: Direction, path: LoadedPath) -> Link:
        name, located = attachment.chain.port, point.located
        if self._type.hook(direction) is Hook.XDP:
            point.xdp = point.xdp or XdpChain(self._foundry, located)
            before = point.successor(self, direction, at_xdp=True)
            return point.xdp.join(self.name, path.program, XDP_MODES[self._type], port=name, before=before)
        return attach_tc(
            path.program,
            located.index,
            direction,
            interface_name=name,
            namespace=located.namespace,
            before=point.successor(self, direction),
        )


def _runs(link: Link, program: Program) -> bool:
    try:
        link.update(program)
    except DynmonError:  # the reason why we switch back is on its way already
        return False
    return True

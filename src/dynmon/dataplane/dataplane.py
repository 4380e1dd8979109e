"""The code that runs in the kernel for one cube, and the interface it runs on.

What we want: new code takes over from old code with no packet unseen and none seen twice, and if anything at all goes
wrong, the old code never stopped. Loading is slow and may fail, so it is over before this module is called: `replace`
gets paths that are in the kernel already. A link is then told to run another program, which is one atomic store in the
kernel: each packet meets the old program or the new one.

What does not work: detaching and attaching again (packets pass unseen in between), and attaching the new program before
detaching the old one (packets are counted by both).

What remains: the two directions are two links, so they switch one after the other. If the second switch fails the first
is taken back; packets of that moment were counted by the new program and are lost with it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from dynmon.bpf import Link, attach_tc, attach_xdp
from dynmon.dataplane.chain import Chain
from dynmon.dataplane.hook_map import OwnProgram
from dynmon.dataplane.path import LoadedPath
from dynmon.errors import DynmonError
from dynmon.models import CubeType, Direction, Hook
from dynmon.netdev import InterfaceNotFound, Located, Place

XDP_MODES = {CubeType.XDP_SKB: "skb", CubeType.XDP_DRV: "drv"}


@dataclass(slots=True)
class Attachment:
    """The interface a cube is on, and the links that hold its programs there.

    No descriptor of a namespace is among it: that would keep the namespace alive. See `dynmon.netdev.namespaces`.
    """

    chain: Chain
    place: Place  # as it was asked for
    located: Located
    links: dict[Direction, Link] = field(default_factory=dict)

    def current_name(self) -> str | None:
        """The port as it was asked for, by the name that the interface has now; None when it is gone."""
        try:
            self.place = self.place.renamed(self.located.name())
        except OSError as error:
            # A namespace that we do not find any more may live on; where a link is still at an interface, it does.
            if error.errno == errno.ENXIO or not any(link.is_attached() for link in self.links.values()):
                return None
        return str(self.place)


class Dataplane:
    """Up to two paths and their links; owns both."""

    def __init__(self, name: str, cube_type: CubeType) -> None:
        self.name = name
        self._type = cube_type
        self._paths: dict[Direction, LoadedPath] = {}
        self._attachment: Attachment | None = None

    @property
    def paths(self) -> Mapping[Direction, LoadedPath]:
        """What runs, by direction."""
        return self._paths

    @property
    def attachment(self) -> Attachment | None:
        """Where it runs, None when it is on no interface."""
        return self._attachment

    def link(self, direction: Direction) -> Link | None:
        """The link that holds the program of `direction`."""
        return self._attachment.links.get(direction) if self._attachment else None

    def programs_on(self, located: Located) -> list[OwnProgram]:
        """What runs on this interface; the descriptors belong to the paths."""
        at = self._attachment
        if at is None or at.located != located:
            return []
        return [OwnProgram.of(self.name, self._paths[direction], link) for direction, link in at.links.items()]

    def replace(self, changes: Mapping[Direction, LoadedPath | None]) -> None:
        """Run `changes` from now on; a direction whose path is None runs nothing, others go on as they are.

        The dataplane owns the new paths when this returns. When it raises, nothing has changed and they are still the
        caller's.

        Raises:
            DynmonError: The kernel refused a switch or a new link.
        """
        if self._attachment and self._attachment.current_name() is None:
            self.detach()
        with ExitStack() as undo:
            for direction, path in changes.items():
                if self._attachment and path:
                    self._run_on_interface(self._attachment, direction, path, undo)
            undo.pop_all()
        for direction, path in changes.items():
            old = self._paths.pop(direction, None)
            if path:
                self._paths[direction] = path
            elif self._attachment and (link := self._attachment.links.pop(direction, None)):
                link.close()
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
                path, link = self._paths[direction], self.link(direction)
                path.flip()
                undo.callback(path.flip)
                if link:
                    # Whoever detached the link, or took the interface away, left no packets to switch.
                    with suppress(InterfaceNotFound):
                        link.update(path.program)
                        undo.callback(self._switch_back, link, path)
            undo.pop_all()

    @staticmethod
    def _switch_back(link: Link, path: LoadedPath) -> None:
        assert path.idle, "it has just been switched"
        try:
            link.update(path.idle.program)
        except DynmonError:  # the reason why is on its way already
            path.flip()  # and back by what follows: the path is what runs

    def attach(self, chain: Chain, place: Place, located: Located, index: int) -> None:
        """Take position `index` in `chain` and run at the interface that was found at `place`.

        Raises:
            DynmonError: The kernel refused a link; nothing is attached.
        """
        attachment = Attachment(chain, place, located)
        with ExitStack() as undo:
            chain.members.insert(index, self)
            undo.callback(chain.members.remove, self)
            for direction, path in self._paths.items():
                self._run_on_interface(attachment, direction, path, undo)
            undo.pop_all()
        self._attachment = attachment

    def detach(self) -> None:
        """Leave the interface; maps and their contents stay. Twice is harmless."""
        if self._attachment is None:
            return
        attachment, self._attachment = self._attachment, None
        attachment.chain.members.remove(self)
        for link in attachment.links.values():
            link.close()

    def close(self) -> None:
        """Detach and give everything back; twice is harmless."""
        self.detach()
        for path in self._paths.values():
            path.close()
        self._paths.clear()

    def abandon(self) -> None:
        """In a forked child: close its copies of the descriptors, detach nothing."""
        for link in self._attachment.links.values() if self._attachment else ():
            link.abandon()
        for path in self._paths.values():
            path.close()

    def _run_on_interface(
        self, attachment: Attachment, direction: Direction, path: LoadedPath, undo: ExitStack
    ) -> None:
        link = attachment.links.get(direction)
        if link and self._update(attachment, link, path):
            undo.callback(link.update, self._paths[direction].program)
            return
        link = attachment.links[direction] = self._new_link(attachment, direction, path)
        undo.callback(attachment.links.pop, direction)
        undo.callback(link.close)

    def _update(self, attachment: Attachment, link: Link, path: LoadedPath) -> bool:
        """Let `link` run another program; false when somebody else has detached it, which an administrator can."""
        try:
            link.update(path.program)
        except InterfaceNotFound:
            if attachment.current_name() is None:
                raise
            link.close()
            return False
        return True

    def _new_link(self, attachment: Attachment, direction: Direction, path: LoadedPath) -> Link:
        name, located = attachment.chain.interface, attachment.located
        if self._type.hook(direction) is Hook.XDP:
            return attach_xdp(
                path.program,
                located.index,
                XDP_MODES[self._type],
                interface_name=name,
                namespace=located.namespace,
            )
        return attach_tc(
            path.program,
            located.index,
            direction,
            interface_name=name,
            namespace=located.namespace,
            before=attachment.chain.successor(self, direction),
        )

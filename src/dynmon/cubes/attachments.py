"""Where one cube is attached, and why."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from dynmon.cubes.errors import AlreadyAttached, BroughtBySelector, CubeNotFound, NotAttached
from dynmon.cubes.turns import Turns
from dynmon.dataplane import Attachment, AttachPoint, Chain, Dataplane
from dynmon.dataplane.hook_map import OwnProgram
from dynmon.models import AttachRequest
from dynmon.netdev import Located, Selector

State = Literal["attached", "detached", "unplugged", "awaited", "refused"]
TAKEN_OFF = "somebody has taken its program off; it runs there again when code is injected"


@dataclass(frozen=True, slots=True)
class AttachmentStatus:
    """What we saw of an attachment.

    It is ``attached``; ``detached`` by somebody else; ``unplugged``, at a cube's port that is plugged into nothing;
    ``awaited``, until its interface returns; or ``refused``, for the `reason`.
    """

    port: str
    state: State
    selector: str = ""
    reason: str = ""
    returns: bool = False


@dataclass(slots=True, eq=False)
class Selection:
    """A selector that the cube is attached to; `refused` are interfaces where it could not be, by their number."""

    selector: Selector
    refused: dict[int, AttachmentStatus] = field(default_factory=dict)


class Attachments:
    """The attachments of a cube; what changes them is called while `placing` is held, and takes `state` behind it."""

    def __init__(self, cube: str, dataplane: Dataplane, placing: Turns, state: threading.RLock) -> None:
        self._cube = cube
        self._dataplane = dataplane
        self._placing = placing
        self._state = state
        self._closed = False
        self._selections: list[Selection] = []

    @property
    def parent(self) -> str:
        """What the cube was attached to first of all that it is at: a port or a selector; "" for nothing."""
        with self._state:
            for each in self._dataplane.attachments:
                if name := each.current_name():
                    return each.selector or name
            return next((each.selector.text for each in self._selections), "")

    @property
    def selections(self) -> list[Selection]:
        """The selectors that the cube is attached to, oldest first, with what became of them."""
        with self._state:
            return list(self._selections)

    @property
    def selectors(self) -> list[str]:
        """The same as they were written."""
        return [each.selector.text for each in self.selections]

    def names(self) -> list[str]:
        """What the cube can be detached from."""
        with self._state:
            ports = [str(each.place) for each in self._dataplane.attachments if not each.selector and _is_known(each)]
            return [*ports, *self.selectors]

    def status(self) -> list[AttachmentStatus]:
        """All attachments, oldest first, and then the interfaces where selectors could not attach."""
        with self._state:
            seen = [_status(each) for each in self._dataplane.attachments if _is_known(each)]
            # Whoever changes them does not hold this lock.
            return [*seen, *(status for each in self._selections for status in list(each.refused.values()))]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that can come or go."""
        with self._state:
            return not self._dataplane.attachments and not self._selections

    def programs_on(self, located: Located) -> list[OwnProgram]:
        """What runs on this interface; to be asked, and used, while no chain changes."""
        with self._state:
            return self._dataplane.programs_on(located)

    def attach(self, attachment: Attachment, request: AttachRequest) -> None:
        """Take the position that `request` asks for in the attachment's chain.

        Raises:
            CubeNotFound: The cube was deleted meanwhile; who found it before must not bring it back to life.
            AlreadyAttached: It is there.
            NotOnChain: The neighbour that was asked for is not.
            DynmonError: The kernel refused; nothing is attached.
        """
        with self._changing():
            for each in list(self._dataplane.attachments):
                if each is attachment or not _is_same(each, attachment):
                    continue
                if each.point and each.interface_name() is None:
                    self._dataplane.leave(each)
                else:
                    raise AlreadyAttached(self._cube, str(each.place), each.selector)
            self._dataplane.attach(attachment, attachment.chain.index_for(request))

    def attach_again(self, attachment: Attachment, point: AttachPoint, request: AttachRequest) -> None:
        """Attach to an interface that has returned and is at `point`; nobody sees it half attached.

        Raises:
            DynmonError: As `attach`; the interface is awaited as before.
        """
        with self._changing(), ExitStack() as undo:
            for name in ("chain", "point", "trouble"):
                undo.callback(setattr, attachment, name, getattr(attachment, name))
            attachment.chain, attachment.point, attachment.trouble = point.at_wire, point, ""
            self.attach(attachment, request)
            undo.pop_all()

    def detach(self, port: str) -> Attachment:
        """Leave the port called `port`, or stop to await it; the maps keep their contents.

        Raises:
            NotAttached: The cube is somewhere else, or nowhere.
            BroughtBySelector: It is there as a selector wants it.
        """
        with self._changing():
            for each in self._dataplane.attachments:
                if _is_known(each) and str(each.place) == port:
                    if each.selector:
                        raise BroughtBySelector(self._cube, port, each.selector)
                    self._dataplane.detach(each)
                    return each
            raise NotAttached(self._cube, port, self.names())

    def take_off(self, attachment: Attachment) -> None:
        """Leave one place."""
        with self._state:
            if attachment in self._dataplane.attachments:
                self._dataplane.detach(attachment)

    def select(self, selector: Selector) -> Selection:
        """Be attached to what `selector` means; nothing is attached by this alone.

        Raises:
            AlreadyAttached: The cube is.
        """
        with self._changing():
            if selector.text in self.selectors:
                raise AlreadyAttached(self._cube, selector.text)
            selection = Selection(selector)
            self._selections.append(selection)
            return selection

    def deselect(self, selector: str) -> bool:
        """Be attached to what `selector` means no more; whether the cube was. Nothing is detached by this alone."""
        with self._state:
            before = len(self._selections)
            self._selections = [each for each in self._selections if each.selector.text != selector]
            return len(self._selections) < before

    def brought_by(self, selector: str) -> list[Attachment]:
        """Where a selector has brought the cube."""
        with self._state:
            return [each for each in self._dataplane.attachments if each.selector == selector]

    def at(self, located: Located) -> Attachment | None:
        """The attachment at an interface itself."""
        with self._state:
            wired = (each for each in self._dataplane.attachments if not each.chain.is_port)
            return next((each for each in wired if each.point and each.point.located == located), None)

    def awaiting(self, name: str) -> list[Attachment]:
        """The attachments that wait for an interface called `name`."""
        with self._state:
            wired = [each for each in self._dataplane.attachments if not each.chain.is_port]
            return [each for each in wired if each.point is None and each.place.interface == name]

    def follow(self, chain: Chain, point: AttachPoint | None) -> None:
        """Run where the port of `chain` is plugged in now, if the cube is on that port."""
        with self._state:
            for each in self._dataplane.attachments:
                if each.chain is not chain or (each.point is point and not each.trouble):
                    continue
                self._dataplane.move(each, None)
                taken = [other for other in self._dataplane.attachments if point and other.point is point]
                if taken:
                    each.trouble = str(AlreadyAttached(self._cube, str(taken[0].place), taken[0].selector))
                else:
                    self._dataplane.move(each, point)

    def leave_port(self, chain: Chain) -> None:
        """Detach from the port of `chain`, which is no more."""
        with self._state:
            for each in [each for each in self._dataplane.attachments if each.chain is chain]:
                self._dataplane.detach(each)

    def leave_interface(self, located: Located, name: str) -> None:
        """Leave an interface that went away; it was called `name`."""
        with self._state:
            for each in list(self._dataplane.attachments):
                if each.point and each.point.located == located:
                    if not each.chain.is_port:
                        each.place = each.place.renamed(name)
                    self._dataplane.leave(each)
            for selection in self._selections:
                selection.refused.pop(located.index, None)

    def has_trouble(self, chain: Chain) -> bool:
        """Whether the kernel refused to let the cube run at the port of `chain`."""
        with self._state:
            return any(each.trouble for each in self._dataplane.attachments if each.chain is chain)

    def close(self) -> None:
        """Be attached to nothing, and never again; the dataplane detaches."""
        with self._state:
            self._closed = True
            self._selections.clear()

    def _changing(self) -> threading.RLock:
        if self._closed:
            raise CubeNotFound(self._cube)
        return self._state


def _is_same(one: Attachment, other: Attachment) -> bool:
    if one.chain.is_port and one.chain is other.chain:
        return True
    return one.point is not None and one.point is other.point


def _is_known(attachment: Attachment) -> bool:
    """Whether there is still anything to say of it; this brings the name up to date."""
    return attachment.current_name() is not None or attachment.returns


def _status(attachment: Attachment) -> AttachmentStatus:
    def seen(state: State, reason: str = "") -> AttachmentStatus:
        return AttachmentStatus(str(attachment.place), state, attachment.selector, reason, attachment.returns)

    if attachment.trouble:
        return seen("refused", attachment.trouble)
    if attachment.interface_name() is None:
        return seen("unplugged" if attachment.chain.is_port else "awaited")
    if not all(link.is_attached() for link in attachment.links.values()):
        return seen("detached", TAKEN_OFF)
    return seen("attached")

"""What becomes of attachments when interfaces come, change and go.

While any cube is attached or waits to be, and while there are switches, a thread hears of the interfaces of our
namespace from the kernel. Nothing is polled. When many things happen at once it looks at each interface once, as it is
by then; when there was no room for all that was to tell, it looks at all of them.

A selector attaches to each interface that it means, one after the other: the kernel takes a grace period for each, and
others change chains in between. What the kernel refuses on one of them stops no other. It is shown, and tried again
when something happens to that interface.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from dynmon.cubes.attachments import AttachmentStatus, Selection
from dynmon.cubes.dynmon import DynmonCube
from dynmon.cubes.errors import AlreadyAttached, NoPlaceInChain, NotAttached
from dynmon.cubes.placing import Placing
from dynmon.dataplane import Attachment
from dynmon.errors import DynmonError, KernelError
from dynmon.models import AttachRequest
from dynmon.netdev import (
    Changes,
    InterfaceNotFound,
    LinkWatch,
    Located,
    NetLink,
    Place,
    PortNotFound,
    Selector,
    locate,
    net_links,
)

PATIENCE_SECONDS = 10.0

_log = logging.getLogger("dynmon.interfaces")


class Following:
    """Attaches to names and selectors, and keeps it so; every method may be called from any thread."""

    def __init__(self, placing: Placing, cubes: Callable[[], Iterable[DynmonCube]]) -> None:
        self._placing = placing
        self._cubes = cubes
        self._thread: threading.Thread | None = None
        self._watch: LinkWatch | None = None
        self._listeners = 0

    def attach(self, cube: DynmonCube, request: AttachRequest) -> None:
        """Attach a cube to a port, or to what a selector means now and from now on.

        Raises:
            NoPlaceInChain: A selector was given a position.
            DynmonError: As `Placing.attach`; of single interfaces of a selector nothing is raised.
        """
        selector = Selector.parse(request.port)
        with self.listening():
            if selector:
                self._select(cube, selector, request)
            else:
                self._placing.attach(cube, request)

    def detach(self, cube: DynmonCube, port: str) -> None:
        """Take a cube off a port, or off what a selector has brought it to.

        Raises:
            NotAttached: It is not there.
            BroughtBySelector: It is there by a selector.
        """
        try:
            with self._placing.lock:
                if not cube.attachments.deselect(port):
                    self._hand_over(cube, self._named(cube, port))
            self._clear(cube, port)
        finally:
            self.settle()
            self._tidy()

    def forget(self, cube: DynmonCube) -> None:
        """Leave all that selectors have brought; for a cube that is about to go."""
        selectors = cube.attachments.selectors
        for each in selectors:
            cube.attachments.deselect(each)
        for each in selectors:
            self._clear(cube, each)

    def settle(self) -> None:
        """Listen as long as there is somebody to whom it matters, and keep no empty attach points."""
        with self._placing.lock:
            self._placing.forget_empty_points()
            if self._listeners or not all(cube.attachments.is_empty for cube in self._cubes()):
                return
            thread, watch, self._thread, self._watch = self._thread, self._watch, None, None
        if watch and thread:
            watch.end()
            # The thread may be waiting for the lock; whoever was sent by the garbage collector may be this thread.
            if not self._placing.lock.is_held and thread is not threading.current_thread():
                thread.join(PATIENCE_SECONDS)

    def follow(self, changes: Changes, links: Mapping[int, NetLink]) -> None:
        """Let attachments be what they should be, now that interfaces have changed; `links` are those there are."""
        for index, link in changes.gone.items():
            self._placing.interface_gone(index, link.name)
        moved_masters = changes.touched | changes.gone.keys()
        ports = {index for index, link in links.items() if link.master in moved_masters}
        for present in (links[index] for index in changes.touched | ports if index in links):
            self._placing.interface_changed(present.index, present.name)
            for cube in self._cubes():
                self._follow_one(cube, present, links)
        self.settle()
        self._tidy()

    def _clear(self, cube: DynmonCube, selector: str) -> None:
        for each in cube.attachments.brought_by(selector):
            with self._placing.lock:
                cube.attachments.take_off(each)
                self._hand_over(cube, each)

    def _named(self, cube: DynmonCube, port: str) -> Attachment:
        try:
            return cube.attachments.detach(port)
        except NotAttached:
            if self._placing.cabling.find(port) is None:
                locate(Place.parse(port))  # an interface that does not exist is the better explanation
            raise

    def _select(self, cube: DynmonCube, selector: Selector, request: AttachRequest) -> None:
        if request.before or request.after or request.position == "first":
            raise NoPlaceInChain(selector.text)
        with self._placing.lock:
            selection = cube.attachments.select(selector)
        # Twice: what was renamed while the first were attached was told to the thread when it was not attached yet.
        for _ in range(2):
            links = net_links()
            for link in links.values():
                self._apply(cube, selection, link, links)

    def _hand_over(self, cube: DynmonCube, left: Attachment) -> None:
        """What the cube has left may be meant by a selector of it."""
        selections = cube.attachments.selections
        if not selections or left.point is None or left.point.located.namespace:
            return
        links = net_links()
        link = links.get(left.point.located.index)
        if link:
            for selection in selections:
                self._apply(cube, selection, link, links)

    def _apply(self, cube: DynmonCube, selection: Selection, link: NetLink, links: Mapping[int, NetLink]) -> None:
        """Let a cube be at an interface if, and only if, one of its selectors means it."""
        located, selector = Located(link.index, None), selection.selector
        with self._placing.lock:
            if selection not in cube.attachments.selections:
                return
            attachment = cube.attachments.at(located)
            is_meant = selector.matches(link, links)
            if attachment and attachment.selector == selector.text and not is_meant:
                cube.attachments.take_off(attachment)
                self._hand_over(cube, attachment)
            elif is_meant and not attachment:
                self._bring(cube, selection, link)
            if attachment or not is_meant:
                selection.refused.pop(link.index, None)

    def _bring(self, cube: DynmonCube, selection: Selection, link: NetLink) -> None:
        text = selection.selector.text
        request = AttachRequest(cube=cube.name, port=link.name)
        try:
            self._placing.attach_there(cube, Place(link.name), Located(link.index, None), request, text)
            selection.refused.pop(link.index, None)
        except (InterfaceNotFound, AlreadyAttached):
            selection.refused.pop(link.index, None)  # gone meanwhile, or there by the port of a cube
        except DynmonError as error:
            selection.refused[link.index] = AttachmentStatus(link.name, "refused", text, str(error))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of what happens in this block; when something is attached in the end, also behind it."""
        with self._placing.lock:
            if self._watch is None:
                self._watch = watch = LinkWatch()
                self._thread = threading.Thread(
                    target=_run, args=(watch, weakref.ref(self)), name="dynmon-links", daemon=True
                )
                self._thread.start()
            self._listeners += 1
        try:
            yield
        finally:
            with self._placing.lock:
                self._listeners -= 1
            self.settle()
            self._tidy()

    def _tidy(self) -> None:
        """Let cubes give back what ran where they are no more; while a chain is held the next one to come does."""
        if self._placing.lock.is_held:
            return
        for cube in self._cubes():
            try:
                cube.tidy()
            except KernelError as error:
                _log.warning("%s: what it counted where it is no more could not be read yet: %s", cube.name, error)

    def _follow_one(self, cube: DynmonCube, link: NetLink, links: Mapping[int, NetLink]) -> None:
        with self._placing.lock:
            for attachment in cube.attachments.awaiting(link.name):
                self._attach_again(cube, attachment)
        for selection in cube.attachments.selections:
            self._apply(cube, selection, link, links)

    def _attach_again(self, cube: DynmonCube, attachment: Attachment) -> None:
        try:
            self._placing.attach_again(cube, attachment)
        except (InterfaceNotFound, PortNotFound):
            return  # gone again, or no port of that master yet
        except DynmonError as error:
            attachment.trouble = str(error)


def _run(watch: LinkWatch, following: weakref.ref[Following]) -> None:
    """Hear until nobody wants to.

    A forked child has what this function refers to for ever, but not the thread: while it waits, that is no cube.
    """
    is_wanted = True
    while is_wanted:
        try:
            changes, whom = watch.wait(), following()
            is_wanted = changes is not None and whom is not None
            if changes and whom:
                whom.follow(changes, watch.links)
        except Exception:  # the next change must be heard all the same
            _log.exception("cannot follow what happened to the interfaces")
        finally:
            whom = None
    watch.close()

"""The chains of cubes at interfaces and ports, and the one lock that guards them.

A cube attaches to an interface, or to the port of a switch. Each has a chain. Where a port is plugged into an
interface, both chains are at the same hooks of the kernel, that of the interface nearer the wire; where the port is
unplugged, its chain is nowhere, and the cubes in it wait. So what a port is plugged into and what is attached change
under one lock: `lock` is that of the cabling, too. It comes behind a cube's own changes and reads, and before the lock
of a cube's state, so who holds it may ask any cube to come and go.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from dynmon.cubes.cabling import Cabling, Port
from dynmon.cubes.dynmon import DynmonCube
from dynmon.cubes.errors import NothingToAwait
from dynmon.cubes.turns import Turns
from dynmon.dataplane import Attachment, AttachPoint
from dynmon.dataplane.hook_map import HookEntry, OwnProgram, hook_map
from dynmon.models import AttachRequest, Direction
from dynmon.netdev import Located, Place, interface_state, locate


@dataclass(frozen=True, slots=True)
class Lineup:
    """The cubes that packets meet at a port, by their names; `members` has index 0 first.

    On an interface, index 0 is nearest the wire. On the port of a cube it is nearest the cube, `inside`, and the other
    end is `outside`, its peer; on an interface both are "".
    """

    members: Sequence[str]
    inside: str = ""
    outside: str = ""


class Placing:
    """Owns the attach points; every method may be called from any thread."""

    def __init__(self, cubes: Callable[[], Iterable[DynmonCube]]) -> None:
        """`cubes` gives all cubes that can be attached."""
        self.lock = Turns()
        self.cabling = Cabling(self.lock, weakref.proxy(self))
        self._cubes = cubes
        # Not by name: an interface may be renamed while cubes are attached to it, and found by several names.
        self._points: dict[Located, AttachPoint] = {}

    def attach(self, cube: DynmonCube, request: AttachRequest) -> None:
        """Attach a cube to one port.

        Raises:
            InvalidPort: No port can be called so.
            CubeNotFound, InterfaceNotFound, PortNotFound: One of the two does not exist.
            NamespaceNotFound, NamespaceForbidden: The interface's namespace does not, or not for us.
            AlreadyAttached: The cube is there already.
            NotOnChain: The neighbour that was asked for is not at the port.
        """
        place = Place.parse(request.port)
        with self.lock:
            port = self.cabling.find(request.port)
            if request.on_return and (port or place.namespace):
                raise NothingToAwait(request.port)
            if port is None:
                self.attach_there(cube, place, locate(place), request)
                return
            self._attach(cube, Attachment(port.chain, place, self._point_of(port)), request)

    def attach_there(
        self, cube: DynmonCube, place: Place, located: Located, request: AttachRequest, selector: str = ""
    ) -> None:
        """Attach a cube to an interface that was found; `selector` is what has found it.

        Raises:
            DynmonError: As `attach`.
        """
        with self.lock:
            point = self._point(located, str(place))
            returns = request.on_return is not None
            self._attach(cube, Attachment(point.at_wire, place, point, selector, returns), request)

    def attach_again(self, cube: DynmonCube, attachment: Attachment) -> None:
        """Attach a cube to an interface that has returned, at the end of the chain.

        Raises:
            DynmonError: As `attach`.
        """
        with self.lock:
            port = str(attachment.place)
            point = self._point(locate(attachment.place), port)
            try:
                cube.attachments.attach_again(attachment, point, AttachRequest(cube=cube.name, port=port))
            except BaseException:
                self.forget_empty_points()
                raise

    def lineup(self, port: str) -> Lineup:
        """The cubes on the port or interface called `port`.

        Raises:
            InvalidPort, InterfaceNotFound, PortNotFound, NamespaceNotFound, NamespaceForbidden: There is none.
        """
        place = Place.parse(port)
        with self.lock:
            found = self.cabling.find(port)
            if found:
                return Lineup([member.name for member in found.chain.members], found.cube, found.peer)
            point = self._points.get(locate(place))
            return Lineup([member.name for member in point.at_wire.members] if point else [])

    def hooks(self, port: str) -> dict[Direction, list[HookEntry]]:
        """Everybody on the hooks of an interface, or of the one that a port is plugged into, in running order.

        Raises:
            InvalidPort, InterfaceNotFound, PortNotFound, NamespaceNotFound, NamespaceForbidden: There is none.
            KernelError: The kernel would not say.
        """
        place = Place.parse(port)
        with ExitStack() as kept:
            with self.lock:
                found = self.cabling.find(port)
                if found and not found.plug:
                    return {way: [] for way in Direction}
                located = Located(found.plug.interface_index, None) if found and found.plug else locate(place)
                own = [each for cube in self._cubes() for each in cube.attachments.programs_on(located)]
                end = None if located.namespace else self.cabling.at_interface(located.index)
                if end and end.plug:
                    own.append(OwnProgram.of_switch(end.cube, end.plug))
                own = [each.kept(kept) for each in own]
            return hook_map(located, port, own)

    def moved(self, port: Port) -> None:
        """Take the cubes on a port to where it is plugged in now."""
        with self.lock:
            for each in self._points.values():
                if each.at_port is port.chain:
                    each.at_port = each.end = None
            point = self._point_of(port)
            for cube in self._cubes():
                cube.attachments.follow(port.chain, point)
            self.forget_empty_points()

    def removed(self, port: Port) -> None:
        """Detach the cubes that were on a port."""
        with self.lock:
            for cube in self._cubes():
                cube.attachments.leave_port(port.chain)

    def interface_gone(self, index: int, name: str) -> None:
        """Leave an interface of our namespace that went away, which was called `name` last."""
        located = Located(index, None)
        with self.lock:
            for cube in self._cubes():
                cube.attachments.leave_interface(located, name)
            self.cabling.interface_gone(index, name)
            self._points.pop(located, None)

    def interface_changed(self, index: int, name: str) -> None:
        """Plug it in where it is awaited, and try again what the kernel refused at the port that is plugged in here."""
        with self.lock:
            self.cabling.interface_present(index, name)
            port = self.cabling.at_interface(index)
            if port and any(cube.attachments.has_trouble(port.chain) for cube in self._cubes()):
                self.moved(port)

    def forget_empty_points(self) -> None:
        """Keep the points where somebody is."""
        self._points = {
            located: point
            for located, point in self._points.items()
            if point.at_wire.members or (point.at_port and point.at_port.members)
        }

    def _attach(self, cube: DynmonCube, attachment: Attachment, request: AttachRequest) -> None:
        try:
            cube.attachments.attach(attachment, request)
        except BaseException:
            self.forget_empty_points()
            raise

    def _point(self, located: Located, name: str) -> AttachPoint:
        """What is ours at an interface, with what is plugged in there."""
        point = self._points.setdefault(located, AttachPoint(located, name))
        port = None if located.namespace else self.cabling.at_interface(located.index)
        if port and port.plug:
            point.at_port, point.end = port.chain, port.plug.link
        return point

    def _point_of(self, port: Port) -> AttachPoint | None:
        """Where a port is plugged in; None for nowhere, or where there is no interface any more."""
        plug = port.plug
        if plug is None or interface_state(plug.interface_index) is None:
            return None
        return self._point(Located(plug.interface_index, None), port.peer)

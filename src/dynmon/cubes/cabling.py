"""What the ports of cubes are plugged into: interfaces, and each other.

The peer of a port is a name. An interface of that name is plugged in at once, and again when it went away and one of
that name comes. A port, `cube:port`, is plugged in when it names this one as its peer too. Since switches send to
interfaces, a veth pair of ours is the cable between two ports: each port has an interface of its own at which programs
can be attached, whatever its peer is.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import ExitStack
from typing import Protocol

from dynmon.bpf.cable import Cable
from dynmon.cubes.port_errors import HasPeer, InterfaceInUse, NotAPort, NotConnected, UnusablePeer
from dynmon.cubes.turns import Turns
from dynmon.dataplane import Chain
from dynmon.dataplane.switch import Plug, Switch
from dynmon.errors import DynmonError
from dynmon.netdev import PortNotFound, interface_index, interface_state

UP, DOWN = "UP", "DOWN"

_log = logging.getLogger("dynmon.interfaces")


class Port:
    """A port of a switch, and what it is to be plugged into."""

    def __init__(self, cube: str, name: str, number: int, switch: Switch) -> None:
        self.cube = cube
        self.name = name
        self.number = number
        self.uuid = str(uuid.uuid4())
        self.switch = switch
        self.cable: Cable | None = None
        self.chain = Chain(self.full_name, is_port=True)
        self._peer = ""

    @property
    def full_name(self) -> str:
        """The port as others name it."""
        return f"{self.cube}:{self.name}"

    @property
    def plug(self) -> Plug | None:
        """The interface that packets come from and go to, and the link of the switch's program there.

        What enters by the port passes the interface's tc ingress, and is seen by programs before that link; what leaves
        by it passes the interface's tc egress. None where nothing is plugged in.
        """
        return self.switch.plugs.get(self.number)

    @property
    def peer(self) -> str:
        """The interface or port that it is to be plugged into, an interface by its name of today; "" for nothing."""
        plug = self.plug
        state = interface_state(plug.interface_index) if plug and not self.cable else None
        return state.name if state else self._peer

    @peer.setter
    def peer(self, name: str) -> None:
        self._peer = name

    @property
    def status(self) -> str:
        """UP when the peer is there, is up and has a carrier."""
        plug = self.plug
        state = interface_state(plug.interface_index) if plug else None
        return UP if state and state.is_running else DOWN


class Follower(Protocol):
    """Who takes the cubes on a port to where it is plugged in."""

    def moved(self, port: Port) -> None:
        """The port was plugged into something else, or into nothing."""

    def removed(self, port: Port) -> None:
        """There is no such port any more."""


class Cabling:
    """All ports of all cubes by their full names; every method may be called from any thread."""

    def __init__(self, lock: Turns, follower: Follower) -> None:
        """`follower` is told with the lock held."""
        self.lock = lock
        self._follower = follower
        self._ports: dict[str, Port] = {}

    def find(self, full_name: str) -> Port | None:
        """The port called `cube:port`."""
        with self.lock:
            return self._ports.get(full_name)

    def names(self) -> list[str]:
        """The full names of all ports, oldest first."""
        with self.lock:
            return list(self._ports)

    def at_interface(self, index: int) -> Port | None:
        """The port that the interface is plugged into."""
        with self.lock:
            taken = ((port, port.plug) for port in self._ports.values())
            return next((port for port, plug in taken if plug and plug.interface_index == index), None)

    def interface_gone(self, index: int, name: str) -> None:
        """Unplug the port of an interface that went away; one of its last name, `name`, is awaited."""
        with self.lock:
            port = self.at_interface(index)
            if port:
                if not port.cable:
                    port.peer = name
                self._pull(port)

    def interface_present(self, index: int, name: str) -> None:
        """Plug an interface into the port that awaits one of its name."""
        with self.lock:
            awaiting = (port for port in self._ports.values() if not port.plug and port.peer == name)
            port = None if self.at_interface(index) else next(awaiting, None)
            if port:
                try:
                    self._plug_into_interface(port, name)
                except DynmonError as error:
                    _log.warning("port %s: %s", port.full_name, error)

    def add(self, port: Port, peer: str) -> None:
        """Take in a new port, plugged into `peer`.

        Raises:
            DynmonError: As `set_peer`; the port is not taken in.
        """
        with self.lock:
            self._ports[port.full_name] = port
            try:
                self.set_peer(port, peer)
            except BaseException:
                del self._ports[port.full_name]
                raise

    def remove(self, port: Port) -> None:
        """Unplug a port and forget it; a port that named it as its peer still does, and is down."""
        with self.lock:
            self._pull(port)
            self._ports.pop(port.full_name, None)
            self._follower.removed(port)

    def set_peer(self, port: Port, peer: str) -> None:
        """Plug `port` into `peer` in place of what it is plugged into; "" unplugs it.

        Raises:
            InterfaceNotFound: There is no such interface.
            InterfaceInUse: It is the peer of another port.
            UnusablePeer: It cannot be one.
            DynmonError: The kernel refused; the port is plugged in as it was.
        """
        with self.lock:
            if ":" in peer:
                self._plug_into_port(port, peer)
            elif peer:
                self._plug_into_interface(port, peer)
            else:
                self._pull(port)
            port.peer = peer

    def connect(self, one: str, other: str) -> None:
        """Let two ends be each other's peer: ports, or a port and an interface.

        Raises:
            NotAPort: Neither is a port of a cube.
            PortNotFound: One looks like a port of a cube, and there is none.
            HasPeer: A port has a peer already.
            DynmonError: As `set_peer`; nothing has changed.
        """
        with self.lock, ExitStack() as undo:
            ends = [(self._end(one), other), (self._end(other), one)]
            ports = [(port, peer) for port, peer in ends if port]
            if not ports:
                raise NotAPort(one, other)
            for port, _ in ports:
                if port.peer:
                    raise HasPeer(port.full_name, port.peer)
            for port, peer in ports:
                undo.callback(self.set_peer, port, "")
                self.set_peer(port, peer)
            undo.pop_all()

    def disconnect(self, one: str, other: str) -> None:
        """Part two ends.

        Raises:
            NotConnected: They are not each other's peer.
        """
        with self.lock:
            ends = [(self._ports.get(one), other), (self._ports.get(other), one)]
            ports = [(port, peer) for port, peer in ends if port]
            if not ports or any(port.peer != peer for port, peer in ports):
                raise NotConnected(one, other)
            for port, _ in ports:
                self.set_peer(port, "")

    def _end(self, name: str) -> Port | None:
        port = self._ports.get(name)
        if port is None and ":" in name:
            raise PortNotFound(name, "no cube has such a port, and there is no such interface")
        return port

    def _plug_into_interface(self, port: Port, name: str) -> None:
        index = interface_index(name)
        plug = port.plug
        if plug and plug.interface_index == index:
            return
        taken = self.at_interface(index)
        if taken:
            raise InterfaceInUse(name, taken.full_name)
        state = interface_state(index)
        if state and state.is_loopback:
            raise UnusablePeer(port.full_name, name, "it is the loopback")
        if state and not state.is_ethernet:
            raise UnusablePeer(port.full_name, name, "it does not carry Ethernet frames")
        self._plug(port, index, name)
        self._drop_cable(port)

    def _plug_into_port(self, port: Port, peer: str) -> None:
        if peer.partition(":")[0] == port.cube:
            raise UnusablePeer(port.full_name, peer, "packets between two ports of one switch would never end")
        if port.peer == peer and port.cable:
            return
        other = self._ports.get(peer)
        if not other or other.peer != port.full_name:
            self._pull(port)
            return
        with ExitStack() as undo:
            cable = Cable()
            undo.callback(cable.close)
            self._drop_cable(port)
            for each, end in zip((port, other), cable.ends, strict=True):
                self._plug(each, *end)
                undo.callback(self._unplug, each)
            undo.pop_all()
        port.cable = other.cable = cable

    def _plug(self, port: Port, index: int, name: str) -> None:
        port.switch.plug(port.number, index, name)
        self._follower.moved(port)

    def _unplug(self, port: Port) -> None:
        port.switch.unplug(port.number)
        self._follower.moved(port)

    def _pull(self, port: Port) -> None:
        self._unplug(port)
        self._drop_cable(port)

    def _drop_cable(self, port: Port) -> None:
        """Take away the cable of a port, if it has one: the other end is without it, too."""
        cable = port.cable
        if cable is None:
            return
        for each in self._ports.values():
            if each.cable is cable:
                each.cable = None
                if each is not port:
                    self._unplug(each)
        cable.close()

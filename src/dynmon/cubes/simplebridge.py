"""A simplebridge cube: a learning switch with named ports."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from dynmon.cubes.cabling import Cabling, Port
from dynmon.cubes.errors import CubeNotFound
from dynmon.cubes.port_errors import AddressUnknown, NoSuchPort, PortExists, TooManyPorts
from dynmon.dataplane import Foundry
from dynmon.dataplane.switch import MAX_PORTS, Switch
from dynmon.models import AttachRequest, BridgeConfig, CubeType, LogLevel
from dynmon.models.simplebridge import check_port_name, parse_address


@dataclass(frozen=True, slots=True)
class FdbEntry:
    """Where an address was last seen."""

    address: str
    port: str
    age_seconds: int


class SimpleBridge:
    """A standard cube that switches; every method may be called from any thread."""

    service_name = "simplebridge"
    type = CubeType.TC

    def __init__(
        self,
        name: str,
        config: BridgeConfig,
        foundry: Foundry,
        cabling: Cabling,
        attach: Callable[[AttachRequest], None],
        listening: AbstractContextManager[None],
    ) -> None:
        """Make the cube with the ports of `config`, and `attach` what is to be on them.

        While it is there, `listening` keeps its ports plugged in.

        Raises:
            PortExists, TooManyPorts, DynmonError: A port cannot be made; nothing is left behind.
        """
        self.name = name
        self.uuid = str(uuid.uuid4())
        self.loglevel: LogLevel = config.loglevel
        self._cabling = cabling
        self._attach = attach
        self._ports: dict[str, Port] = {}
        self._closed = False
        self._switch = Switch(foundry, config.fdb.aging_time)
        self._listening = ExitStack()
        with ExitStack() as undo:
            undo.callback(self.close)
            self._listening.enter_context(listening)
            for port in config.ports:
                self.add_port(port.name or "", port.peer, port.tcubes)
            undo.pop_all()

    @property
    def ports(self) -> list[Port]:
        """The ports, oldest first."""
        with self._cabling.lock:
            return list(self._ports.values())

    def port(self, name: str) -> Port:
        """The port called `name`.

        Raises:
            NoSuchPort: There is none.
        """
        with self._cabling.lock:
            if name not in self._ports:
                raise NoSuchPort(self.name, name, list(self._ports))
            return self._ports[name]

    def add_port(self, name: str, peer: str = "", tcubes: Iterable[str] = ()) -> None:
        """Make a port, plugged into `peer`, with the cubes of these names on it, the first nearest the switch.

        Raises:
            InvalidPortName: It cannot be called so.
            PortExists: One is called so already.
            TooManyPorts: There are as many as there can be.
            DynmonError: It cannot be plugged in there, or a cube cannot be attached; it is not made.
        """
        check_port_name(name)
        with self._changing():
            if name in self._ports:
                raise PortExists(self.name, name)
            used = {port.number for port in self._ports.values()}
            number = next((each for each in range(MAX_PORTS) if each not in used), None)
            if number is None:
                raise TooManyPorts(self.name, MAX_PORTS)
            port = Port(self.name, name, number, self._switch)
            with ExitStack() as undo:
                self._cabling.add(port, peer)
                undo.callback(self._cabling.remove, port)
                for tcube in tcubes:
                    self._attach(AttachRequest(cube=tcube, port=port.full_name, position="last"))
                undo.pop_all()
            self._ports[name] = port

    def remove_port(self, name: str) -> None:
        """Unplug a port and forget it.

        Raises:
            NoSuchPort: There is none.
        """
        with self._changing():
            self._cabling.remove(self.port(name))
            del self._ports[name]

    def set_peer(self, name: str, peer: str) -> None:
        """Plug a port into something else, or with "" into nothing.

        Raises:
            NoSuchPort: There is no such port.
            DynmonError: It cannot be plugged in there, and is as it was.
        """
        with self._changing():
            self._cabling.set_peer(self.port(name), peer)

    @property
    def aging_seconds(self) -> int:
        """How long after its last packet an address is known."""
        return self._switch.aging_seconds

    @aging_seconds.setter
    def aging_seconds(self, seconds: int) -> None:
        with self._changing():
            self._switch.aging_seconds = seconds

    def fdb(self) -> list[FdbEntry]:
        """The addresses that are known, the latest seen first."""
        with self._changing():
            names = {port.number: port.name for port in self._ports.values()}
            return [
                FdbEntry(station.address.hex(":"), names[station.port], int(station.age_seconds))
                for station in self._switch.stations()
                if station.port in names
            ]

    def learn(self, address: str, port: str) -> None:
        """Take an address as just seen at a port.

        Raises:
            InvalidAddress: It is not that of a station.
            NoSuchPort: There is no such port.
        """
        packed = parse_address(address)
        with self._changing():
            self._switch.learn(packed, self.port(port).number)

    def forget(self, address: str) -> None:
        """Let an address be unknown.

        Raises:
            InvalidAddress: It is not that of a station.
            AddressUnknown: It is already.
        """
        packed = parse_address(address)
        with self._changing():
            if packed not in {station.address for station in self._switch.stations()}:
                raise AddressUnknown(self.name, address)
            self._switch.forget(packed)

    def flush(self) -> None:
        """Let all addresses be unknown."""
        with self._changing():
            self._switch.flush()

    def close(self) -> None:
        """Unplug all ports and give everything back to the kernel; twice is harmless."""
        with self._cabling.lock:
            self._closed = True
            for port in self._ports.values():
                self._cabling.remove(port)
            self._ports.clear()
            self._switch.close()
        self._listening.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep everybody else out.

        Raises:
            CubeNotFound: The cube was deleted meanwhile.
        """
        with self._cabling.lock:
            if self._closed:
                raise CubeNotFound(self.name)
            yield

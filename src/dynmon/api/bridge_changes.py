"""What POST, PUT, PATCH and DELETE ask of a simplebridge: each takes names out of the URL and the body."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from dynmon.api.bodies import LINK_KEYS, UnexpectedBody, settable
from dynmon.api.effects import OK, Outcome, Report
from dynmon.cubes import CubeRegistry
from dynmon.cubes.port_errors import NoSuchPort
from dynmon.errors import ConflictError, NotFoundError
from dynmon.models import (
    BridgeChange,
    BridgeConfig,
    ConnectRequest,
    FdbConfig,
    FdbEntryConfig,
    PortChange,
    PortConfig,
    validate_document,
)

CREATED = 201
NO_CONTENT = 204
# What GET adds to a document and nobody can set.
BRIDGE_KEYS = LINK_KEYS | {"uuid"}
PORT_KEYS = LINK_KEYS | {"uuid", "status"}
FDB_KEYS = LINK_KEYS | {"entry"}


class OtherName(ConflictError):
    """The body names something else than the URL."""

    def __init__(self, what: str, name: str, given: str) -> None:
        super().__init__(f"the body is about {what} {given!r}, but the URL about {name!r}")


@dataclass(frozen=True, slots=True)
class BridgeChanges:
    """The changes that a client can ask for."""

    registry: CubeRegistry

    def create(self, name: str, body: Any) -> Outcome:
        """POST of a cube: make it with its ports, or conflict with the one there is."""
        config = validate_document(BridgeConfig, _bridge_keys(body), f"cube {name!r}")
        self.registry.create_bridge(name, config)
        return CREATED

    def put(self, name: str, body: Any) -> Outcome:
        """PUT of a cube: as POST, or as PATCH where there is one."""
        try:
            self.registry.bridge(name)
        except NotFoundError:
            return self.create(name, body)
        return self.patch(name, body)

    def patch(self, name: str, body: Any) -> Outcome:
        """PATCH of a cube: its log level and its aging time."""
        cube = self.registry.bridge(name)
        change = validate_document(BridgeChange, _bridge_keys(body), f"change of cube {name!r}")
        if change.loglevel:
            cube.loglevel = change.loglevel
        if change.fdb:
            cube.aging_seconds = change.fdb.aging_time
        return OK

    def delete(self, name: str) -> Outcome:
        """DELETE of a cube."""
        self.registry.delete(self.registry.bridge(name).name)
        return OK

    def set_loglevel(self, name: str, body: Any) -> Outcome:
        """PATCH of the log level: a bare JSON string."""
        return self.patch(name, {"loglevel": body})

    def add_ports(self, name: str, body: Any) -> Outcome:
        """POST of the list of ports: an array of ports, all or none, or one of them."""
        cube = self.registry.bridge(name)
        given = body if isinstance(body, list) else [body]
        ports = [validate_document(PortConfig, settable(each, PORT_KEYS), "port") for each in given]
        with ExitStack() as undo:
            for port in ports:
                if port.name is None:
                    raise UnexpectedBody('a port with its name, such as {"name": "port1", "peer": "veth1"}')
                cube.add_port(port.name, port.peer, port.tcubes)
                undo.callback(cube.remove_port, port.name)
            undo.pop_all()
        return CREATED

    def add_port(self, name: str, port: str, body: Any) -> Outcome:
        """POST of a port: make it, or conflict with the one there is."""
        cube = self.registry.bridge(name)
        config = validate_document(PortConfig, settable(body, PORT_KEYS), f"port {port!r}")
        if config.name not in (None, port):
            raise OtherName("port", port, str(config.name))
        cube.add_port(port, config.peer, config.tcubes)
        return CREATED

    def put_port(self, name: str, port: str, body: Any) -> Outcome:
        """PUT of a port: as POST, or as PATCH where there is one."""
        try:
            self.registry.bridge(name).port(port)
        except NoSuchPort:
            return self.add_port(name, port, body)
        return self.patch_port(name, port, body)

    def patch_port(self, name: str, port: str, body: Any) -> Outcome:
        """PATCH of a port: plug it into something else."""
        cube = self.registry.bridge(name)
        change = validate_document(PortChange, settable(body, PORT_KEYS | {"name", "tcubes"}), f"port {port!r}")
        if change.peer is not None:
            cube.set_peer(port, change.peer)
        return OK

    def set_peer(self, name: str, port: str, body: Any) -> Outcome:
        """PATCH of the peer: a bare JSON string; "" unplugs the port."""
        cube = self.registry.bridge(name)
        if not isinstance(body, str):
            raise UnexpectedBody("a JSON string: an interface, CUBE:PORT, or nothing")
        cube.set_peer(port, body)
        return OK

    def remove_port(self, name: str, port: str) -> Outcome:
        """DELETE of a port."""
        self.registry.bridge(name).remove_port(port)
        return NO_CONTENT

    def patch_fdb(self, name: str, body: Any) -> Outcome:
        """PATCH of the table of addresses: its aging time."""
        cube = self.registry.bridge(name)
        given = settable(body, FDB_KEYS)
        config = validate_document(FdbConfig, given, "fdb")
        if given:
            cube.aging_seconds = config.aging_time
        return OK

    def set_aging_time(self, name: str, body: Any) -> Outcome:
        """PATCH of the aging time: a bare number."""
        return self.patch_fdb(name, {"aging-time": body})

    def add_entry(self, name: str, address: str, body: Any) -> Outcome:
        """POST of an address: take it as just seen at the port of the body."""
        cube = self.registry.bridge(name)
        config = validate_document(FdbEntryConfig, settable(body, LINK_KEYS), f"entry {address!r}")
        cube.learn(address, config.port)
        return CREATED

    def remove_entry(self, name: str, address: str) -> Outcome:
        """DELETE of an address."""
        self.registry.bridge(name).forget(address)
        return NO_CONTENT

    def flush(self, name: str, body: Any) -> Outcome:
        """POST of the flush: let all addresses be unknown."""
        self.registry.bridge(name).flush()
        return Report(CREATED, {"flushed": True})

    def connect(self, body: Any) -> int:
        """POST of connect."""
        wanted = validate_document(ConnectRequest, body, "connect")
        self.registry.cabling.connect(wanted.peer1, wanted.peer2)
        return OK

    def disconnect(self, body: Any) -> int:
        """POST of disconnect."""
        wanted = validate_document(ConnectRequest, body, "disconnect")
        self.registry.cabling.disconnect(wanted.peer1, wanted.peer2)
        return OK


def _bridge_keys(body: Any) -> dict[str, Any]:
    """The object without what a GET has added, in it and in what it has inside."""
    given = settable(body, BRIDGE_KEYS)
    if isinstance(given.get("ports"), list):
        given["ports"] = [settable(port, PORT_KEYS) for port in given["ports"]]
    if isinstance(given.get("fdb"), dict):
        given["fdb"] = settable(given["fdb"], FDB_KEYS)
    return given

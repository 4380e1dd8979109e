"""The resources of a simplebridge cube, in one declaration."""

from __future__ import annotations

from typing import Any

from dynmon.api.schemas import Answer
from dynmon.api.tree import Access, Action, Container, Entry, Leaf, ListOf, Visit
from dynmon.cubes import SimpleBridge
from dynmon.cubes.cabling import Port
from dynmon.models import CubeType, LogLevel

SIMPLEBRIDGE = "simplebridge"


class PeerOfPort(Answer):
    """A port in a list of cubes."""

    name: str
    peer: str | None = None


class BridgeSummary(Answer):
    """A simplebridge without its table of addresses."""

    name: str
    uuid: str
    service_name: str
    type: CubeType
    loglevel: LogLevel
    ports: list[PeerOfPort]
    shadow: bool
    span: bool


class BridgePort(Answer):
    """A port; it is UP when its peer is there, is up and has a carrier."""

    name: str
    uuid: str
    status: str
    peer: str
    tcubes: list[str]


class FdbRow(Answer):
    """Where an address was last seen, and how many seconds ago."""

    address: str
    port: str
    age: int


class Fdb(Answer):
    """The addresses that are known."""

    aging_time: int
    entry: list[FdbRow]


class Bridge(BridgeSummary):
    """A whole simplebridge."""

    ports: list[BridgePort]  # type: ignore[assignment]
    fdb: Fdb


class Flushed(Answer):
    """What a flush answers."""

    flushed: bool


def bridge_summary(cube: SimpleBridge) -> dict[str, Any]:
    """What lists say about a simplebridge."""
    ports = [{"name": port.name, **({"peer": port.peer} if port.peer else {})} for port in cube.ports]
    return _facts(cube, ports)


def _facts(cube: SimpleBridge, ports: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": cube.name,
        "uuid": cube.uuid,
        "service-name": cube.service_name,
        "type": cube.type.value,
        "loglevel": cube.loglevel.value,
        "ports": ports,
        "shadow": False,
        "span": False,
    }


def _whole(visit: Visit) -> dict[str, Any]:
    cube: SimpleBridge = visit.cube
    return {**_facts(cube, [_port(port) for port in cube.ports]), "fdb": _fdb(visit)}


def _port(port: Port) -> dict[str, Any]:
    tcubes = [member.name for member in port.chain.members]
    return {"name": port.name, "uuid": port.uuid, "status": port.status, "peer": port.peer, "tcubes": tcubes}


def _fdb(visit: Visit) -> dict[str, Any]:
    return {"aging-time": visit.cube.aging_seconds, "entry": _entries(visit)}


def _entries(visit: Visit) -> list[dict[str, Any]]:
    cube: SimpleBridge = visit.cube
    return [{"address": each.address, "port": each.port, "age": each.age_seconds} for each in cube.fdb()]


def _fact(name: str, description: str, example: str = "", **more: Any) -> Leaf:
    return Leaf(name=name, description=description, example=example, **more)


_PORT_KEY = _fact("name", "Name of the port", "port1", linked=False)
_PORT = Entry(
    name="ports",
    description="One port",
    parameter="port",
    access=Access.READ_WRITE,
    key=_PORT_KEY,
    members=(
        _PORT_KEY,
        _fact("uuid", "Identity of the port", "0b9b6e2c-5f0e-4b8e-9a3c-2f5d1c7a4e10"),
        _fact("status", "Whether the peer is there, up and with a carrier", "UP", values=("UP", "DOWN")),
        _fact("peer", "What it is plugged into: an interface, or a port CUBE:PORT", "veth1", access=Access.READ_WRITE),
        _fact(
            "tcubes",
            "Dynmon cubes on the port, the first nearest the switch",
            access=Access.INIT_ONLY,
            linked=False,
            schema=list[str],
        ),
    ),
    read=lambda visit: _port(visit.cube.port(visit.keys[0])),
    schema=BridgePort,
)
_ENTRY_KEY = _fact("address", "Address of a station", "02:00:00:00:00:01", linked=False)
_ENTRY = Entry(
    name="entry",
    description="Where one address was last seen",
    parameter="address",
    access=Access.READ_WRITE,
    key=_ENTRY_KEY,
    members=(
        _ENTRY_KEY,
        _fact("port", "The port where it was seen", "port1", access=Access.INIT_ONLY),
        _fact("age", "Seconds since it was seen", "17", simpletype="unsigned", schema=int),
    ),
    schema=FdbRow,
)
_FDB = Container(
    name="fdb",
    description="The addresses that are known, and for how long",
    access=Access.READ_WRITE,
    members=(
        _fact(
            "aging-time",
            "Seconds after its last packet for which an address is known",
            "300",
            access=Access.READ_WRITE,
            simpletype="unsigned",
            schema=int,
        ),
        ListOf(
            name="entry",
            description="The addresses that are known",
            access=Access.READ_WRITE,
            entry=_ENTRY,
            keys=lambda visit: [each.address for each in visit.cube.fdb()],
            read=_entries,
            schema=list[FdbRow],
        ),
        Action(name="flush", description="Forget all addresses", access=Access.READ_WRITE),
    ),
    read=_fdb,
    schema=Fdb,
)
_KEY = _fact("name", "Name of the simplebridge cube", "br1", linked=False, read=lambda visit: visit.cube.name)
# The order is that of `_links`; GET has its own, in _whole().
BRIDGE = Entry(
    name=SIMPLEBRIDGE,
    description="A switch that learns",
    parameter="name",
    access=Access.READ_WRITE,
    key=_KEY,
    members=(
        _KEY,
        _fact("uuid", "Identity of the cube; a new one each time it is created"),
        _fact("type", "Kernel hook that receives the packets", "TC", access=Access.INIT_ONLY, values=("TC",)),
        _fact("service-name", "Kind of cube", SIMPLEBRIDGE, access=Access.INIT_ONLY),
        _fact(
            "loglevel",
            "How much the cube says; a switch says nothing",
            LogLevel.INFO.value,
            access=Access.READ_WRITE,
            values=tuple(level.value for level in LogLevel),
            schema=LogLevel,
        ),
        ListOf(
            name="ports",
            description="The ports",
            access=Access.READ_WRITE,
            entry=_PORT,
            keys=lambda visit: [port.name for port in visit.cube.ports],
            read=lambda visit: [_port(port) for port in visit.cube.ports],
            schema=list[BridgePort],
        ),
        _fact("shadow", "Always false", "false", simpletype="boolean", linked=False, schema=bool),
        _fact("span", "Always false", "false", simpletype="boolean", linked=False, schema=bool),
        _FDB,
    ),
    read=_whole,
    schema=Bridge,
)

"""The bodies about simplebridge cubes, their ports and their table of addresses."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dynmon.errors import InvalidInputError
from dynmon.models.attachments import Name
from dynmon.models.base import CubeType, Document, LogLevel

PORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
ADDRESS = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")
DEFAULT_AGING_SECONDS = 300
MOST_TCUBES = 63  # the kernel takes no more programs on a hook
MOST_AGING_SECONDS = 1_000_000  # as of IEEE 802.1D


class InvalidPortName(InvalidInputError):
    """A name that cannot be part of a URL, a command line and `cube:port`."""

    def __init__(self, name: str) -> None:
        reason = "must be 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit"
        super().__init__(f"port name {name!r} {reason}")
        self.name = name


class InvalidAddress(InvalidInputError):
    """Not the address of a station."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"address {text!r} {reason}")
        self.text = text


def check_port_name(name: str) -> str:
    """Return `name` when a port may have it.

    Raises:
        InvalidPortName: It may not.
    """
    if not PORT_NAME.fullmatch(name):
        raise InvalidPortName(name)
    return name


def parse_address(text: str) -> bytes:
    """The six bytes of the Ethernet address of one station.

    Raises:
        InvalidAddress: It is none, or that of a group.
    """
    if not ADDRESS.fullmatch(text):
        raise InvalidAddress(text, "must be six bytes, such as 02:00:00:00:00:01")
    address = bytes.fromhex(text.replace(":", "").replace("-", ""))
    if address[0] & 1:
        raise InvalidAddress(text, "is that of a group, which is at no port")
    return address


def _is_simplebridge(service_name: str) -> str:
    if service_name != "simplebridge":
        raise ValueError(f"must be 'simplebridge', not {service_name!r}")
    return service_name


def _is_tc(cube_type: CubeType) -> CubeType:
    if cube_type is not CubeType.TC:
        raise ValueError(f"must be TC for a simplebridge, not {cube_type.value}")
    return cube_type


def _is_port_name(name: str) -> str:
    try:
        return check_port_name(name)
    except InvalidPortName as error:
        raise ValueError(str(error)) from error


AgingSeconds = Annotated[int, Field(strict=True, ge=1, le=MOST_AGING_SECONDS)]
Peer = Annotated[str, Field(max_length=256)]


class PortConfig(Document):
    """A port, and the interface or the port of another cube that it is plugged into; "" for none.

    `tcubes` are dynmon cubes to attach to it, the first nearest the switch.
    """

    name: Annotated[Name, AfterValidator(_is_port_name)] | None = None
    peer: Peer = ""
    tcubes: Annotated[tuple[Name, ...], Field(max_length=MOST_TCUBES)] = ()


class FdbEntryConfig(Document):
    """Where an address is."""

    address: str | None = None
    port: Name


class FdbConfig(Document):
    """How long an address is known after its last packet."""

    aging_time: AgingSeconds = DEFAULT_AGING_SECONDS


class BridgeConfig(Document):
    """A simplebridge cube as it is asked for; every part is optional."""

    name: str | None = None
    service_name: Annotated[str, AfterValidator(_is_simplebridge)] = "simplebridge"
    type: Annotated[CubeType, AfterValidator(_is_tc)] = CubeType.TC
    loglevel: LogLevel = LogLevel.INFO
    shadow: Literal[False] = False
    span: Literal[False] = False
    ports: tuple[PortConfig, ...] = ()
    fdb: FdbConfig = FdbConfig()


class BridgeChange(Document):
    """What PATCH of a simplebridge may carry."""

    loglevel: LogLevel | None = None
    fdb: FdbConfig | None = None


class PortChange(Document):
    """What PATCH of a port may carry."""

    peer: Peer | None = None


class ConnectRequest(Document):
    """Two ends to join or to part: a port of a cube, `cube:port`, and another one or an interface."""

    peer1: Name = Field(alias="peer1")  # not peer-1
    peer2: Name = Field(alias="peer2")

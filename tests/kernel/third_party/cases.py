"""A program of somebody else's, what it is given, which frames it sees, and what its maps must say afterwards."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import packets as p
from tests.packets import ACK, SYN, ethernet, ipv4, ipv6, tcp, udp

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A metric and what it must show: as JSON through `view`, as samples by their own label (``""``: none)."""

    config: dict[str, Any]
    value: Any
    view: Callable[[Any], Any] = lambda value: value
    samples: dict[str, float] | None = None


@dataclass(frozen=True)
class Case:
    """A program, how it is injected, what is sent and what is shown."""

    file: str
    shown: dict[str, Shown]
    frames: list[bytes]
    path: dict[str, Any] = field(default_factory=dict)
    direction: str = "ingress"
    cube_type: str = "TC"
    note: str = ""

    def __str__(self) -> str:
        return f"{self.file.removesuffix('.c')}{'-' + self.note if self.note else ''}"

    @property
    def source(self) -> str:
        return (FOLDER / self.file).read_text()


def of_map(name: str, value: Any, view=lambda value: value, samples=None, **more: Any) -> Shown:
    return Shown({"map-name": name, **more}, value, view, samples)


def of_variable(name: str, value: Any, samples=None, **more: Any) -> Shown:
    return Shown({"variable": name, **more}, value, samples=samples)


def added(values: list[Any]) -> Any:
    """The sum of values of any shape, member by member."""
    first = values[0]
    if isinstance(first, dict):
        return {name: added([value[name] for value in values]) for name in first}
    return [added(list(column)) for column in zip(*values, strict=True)] if isinstance(first, list) else sum(values)


def is_nothing(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return not value if parts is None else all(map(is_nothing, parts))


def over_cpus(reading: list[Any]) -> dict[Any, Any]:
    """A per-CPU map by key, its values added up, without the entries that are zero."""
    sums = {_hashable(entry["key"]): added(entry["value"]) for entry in reading}
    return {key: value for key, value in sums.items() if not is_nothing(value)}


def by_key(reading: list[Any]) -> dict[Any, Any]:
    """A hash by key; structs are the tuples of their members."""
    return {_hashable(entry["key"]): entry["value"] for entry in reading}


def only(*names: str) -> Callable[[Any], dict[Any, Any]]:
    """A hash by key with those members of its values that do not depend on the time."""
    return lambda reading: {
        key: tuple(_hashable(value[name]) for name in names) for key, value in by_key(reading).items()
    }


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(map(_hashable, value.values()))
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def number(address: str) -> int:
    """An IPv4 address as the number that its bytes are in memory."""
    return int.from_bytes(ipaddress.ip_address(address).packed, "little")


def swapped(port: int) -> int:
    """A port in network order as this machine reads it."""
    return int.from_bytes(port.to_bytes(2, "big"), "little")


def echo(sequence: int, *, reply: bool = False, identifier: int = 77) -> p.Payload:
    message = struct.pack("!BBHHH", 0 if reply else 8, 0, 0, identifier, sequence)
    return p.Payload(message[:2] + struct.pack("!H", p.internet_checksum(message)) + message[4:], p.ICMP)


def size(*frames: bytes) -> int:
    return sum(map(len, frames))


MIXED = [ethernet(ipv4(udp(b"x" * 30))), ethernet(ipv6(tcp(SYN))), ethernet(p.arp())]
UDP_FRAME, TCP_FRAME = ethernet(ipv4(udp(b"u" * 20))), ethernet(ipv4(tcp(ACK, b"t" * 7)))
UDP6_FRAME = ethernet(ipv6(udp(b"six")))

"""A learning switch in the kernel: a program where each port receives, and the maps that all of them share.

The peer of a port is an interface. The port's program runs behind everything else that is at its tc ingress now, takes
every packet and redirects it: to the interface of the port where its destination was last seen, or copies of it to
those of all other ports. What leaves by a port is sent by its interface like any other packet, through the programs at
its tc egress.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dynmon.bpf import BpfMap, Link, LoadedObject, LoadRequest, Program, ProgramType
from dynmon.bpf.tc import attach_tc
from dynmon.dataplane.path import Foundry
from dynmon.models import Direction, Hook
from dynmon.netdev import Promiscuity

SOURCE = Path(__file__).with_name("switch.bpf.c")
PROGRAM = "switch_port"
MAX_PORTS = 128
CLOCK_MONOTONIC_COARSE = 6  # the clock of the data path, from linux/time.h; the fine one is some ticks ahead
NS_PER_SECOND = 1_000_000_000
NUMBER = struct.Struct("=I")
SETTINGS = struct.Struct("=QI4x")
STATION = struct.Struct("=QI4x")
ADDRESS_PADDING = bytes(2)
NO_INTERFACE = 0


@dataclass(frozen=True, slots=True)
class Station:
    """Where an address was last seen, and how long ago."""

    address: bytes
    port: int
    age_seconds: float


@dataclass(slots=True)
class Plug:
    """A port's own part: its program at the interface behind it; `link` is what others may come before."""

    interface_index: int
    program: Program
    link: Link
    _kept: ExitStack

    def close(self) -> None:
        """Take the program off; an interface that went away has done so itself."""
        self._kept.close()


class Switch:
    """Owns the maps and the plugs of one switch; not for more than one thread at a time."""

    def __init__(self, foundry: Foundry, aging_seconds: int) -> None:
        """Make a switch without ports.

        Raises:
            InjectionError: The kernel refuses the program.
        """
        self._foundry = foundry
        self._artifact = foundry.compiler.compile(SOURCE.read_text(), Direction.INGRESS, Hook.TC)
        self._plugs: dict[int, Plug] = {}
        self._aging_seconds = aging_seconds
        self._first = self._load(0, {})  # never runs: it is how the maps are made
        self._write_settings()

    @property
    def plugs(self) -> Mapping[int, Plug]:
        """What is plugged in, by the number of the port."""
        return self._plugs

    @property
    def aging_seconds(self) -> int:
        """How long after its last packet an address is known."""
        return self._aging_seconds

    @aging_seconds.setter
    def aging_seconds(self, seconds: int) -> None:
        self._aging_seconds = seconds
        self._write_settings()

    def plug(self, port: int, interface_index: int, interface_name: str) -> None:
        """Let `port` receive from an interface and send by it, in place of the one it has.

        Raises:
            InterfaceNotFound: It went away meanwhile.
            DynmonError: The kernel refused; nothing has changed.
        """
        with ExitStack() as kept:
            kept.enter_context(Promiscuity(interface_index, interface_name))
            maps = {name: each.fd for name, each in self._first.maps.items()}
            loaded = kept.enter_context(self._load(port, maps))
            link = attach_tc(loaded.program, interface_index, Direction.INGRESS, interface_name=interface_name)
            kept.callback(link.close)
            old = self._plugs.get(port)
            self._plugs[port] = Plug(interface_index, loaded.program, link, kept.pop_all())
            if old:
                old.close()
                self._forget_port(port)
        self._write_settings()
        self._interfaces.update(NUMBER.pack(port), NUMBER.pack(interface_index))

    def unplug(self, port: int) -> None:
        """Let `port` be without an interface; what was seen there is forgotten. Twice is harmless."""
        if port not in self._plugs:
            return
        self._interfaces.update(NUMBER.pack(port), NUMBER.pack(NO_INTERFACE))
        self._plugs.pop(port).close()
        self._write_settings()
        self._forget_port(port)

    def stations(self) -> list[Station]:
        """The addresses that are known, the latest seen first."""
        now = _now()
        known = [
            # Packets go on: one may have been seen since.
            Station(key[:6], port, max(0, now - seen_ns) / NS_PER_SECOND)
            for key, seen_ns, port in self._entries()
            if now - seen_ns < self._aging_seconds * NS_PER_SECOND
        ]
        return sorted(known, key=lambda station: station.age_seconds)

    def learn(self, address: bytes, port: int) -> None:
        """Take `address` as just seen at `port`."""
        self._stations.update(address + ADDRESS_PADDING, STATION.pack(_now(), port))

    def forget(self, address: bytes) -> None:
        """Let `address` be unknown; twice is harmless."""
        self._stations.delete(address + ADDRESS_PADDING)

    def flush(self) -> None:
        """Let all addresses be unknown."""
        for key, _, _ in self._entries():
            self._stations.delete(key)

    def close(self) -> None:
        """Take all programs off the interfaces, and give the maps back; twice is harmless."""
        for port in list(self._plugs):
            self.unplug(port)
        self._first.close()

    @property
    def _stations(self) -> BpfMap:
        return self._first.maps["stations"]

    @property
    def _interfaces(self) -> BpfMap:
        return self._first.maps["interfaces"]

    def _forget_port(self, number: int) -> None:
        for key, _, port in self._entries():
            if port == number:
                self._stations.delete(key)

    def _entries(self) -> Iterator[tuple[bytes, int, int]]:
        """Key, time and port of all entries; those that come meanwhile may be among them or not."""
        keys: list[bytes] = []
        key = self._stations.next_key(None)
        # A key that was deleted under our feet lets the kernel begin anew.
        while key is not None and len(keys) < 2 * self._stations.info.max_entries:
            keys.append(key)
            key = self._stations.next_key(key)
        for each in dict.fromkeys(keys):
            if value := self._stations.lookup(each):
                yield each, *STATION.unpack(value)

    def _write_settings(self) -> None:
        ports = max(self._plugs, default=-1) + 1
        packed = SETTINGS.pack(self._aging_seconds * NS_PER_SECOND, ports)
        self._first.maps["settings"].update(NUMBER.pack(0), packed)

    def _load(self, port: int, maps: Mapping[str, int]) -> LoadedObject:
        request = LoadRequest(
            object=self._artifact.object,
            program=PROGRAM,
            program_type=ProgramType.SCHED_CLS,
            file="switch",
            memory_bytes=self._foundry.map_limits.total_bytes,
            constants={"this_port": port},
            reuse=maps,
        )
        return self._foundry.loader.load(request)


def _now() -> int:
    """What the data path takes for the time, in nanoseconds."""
    return time.clock_gettime_ns(CLOCK_MONOTONIC_COARSE)

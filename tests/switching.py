"""Hosts around a switch: each sends frames, and knows to the last one what it received."""

from __future__ import annotations

import itertools
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from tests.support import Veth, network_namespace, run, wait_until

EVERYBODY = b"\xff" * 6
ETH_P_ALL = 0x0003
OUTGOING = 4  # PACKET_OUTGOING
SOL_PACKET = 263
PACKET_AUXDATA = 8
# struct tpacket_auxdata: the status, three lengths and offsets, the tag and its protocol.
AUXDATA = struct.Struct("=I12xHH")
VLAN_VALID = 0x10
PATIENCE_SECONDS = 5.0
_marks = itertools.count()
_numbers = itertools.count(os.getpid() % 10_000 * 100)


@dataclass(frozen=True)
class Host:
    """The far end of a veth pair, whose near end is for a switch to take."""

    veth: Veth
    mac: bytes
    door: socket.socket

    @property
    def interface(self) -> str:
        """The near end."""
        return self.veth.host

    def send(self, to: bytes, *, source: bytes | None = None, data: bytes = b"", kind: int = 0x88B5) -> bytes:
        """Send a frame, and give it."""
        frame = (to + (source or self.mac) + kind.to_bytes(2, "big") + data).ljust(60, b"\0")
        self.door.send(frame)
        return frame

    def until(self, mark: bytes) -> list[bytes]:
        """What was received before `mark`, which is no part of it."""
        frames = []
        while (frame := self._next()) != mark:
            frames.append(frame)
        return frames

    def _next(self) -> bytes:
        while True:
            frame, (auxiliary,), _, about = self.door.recvmsg(1 << 16, 64)
            if about[2] == OUTGOING:
                continue
            status, tag, protocol = AUXDATA.unpack(auxiliary[2][: AUXDATA.size])
            # The kernel takes the outer tag out of a frame before anybody sees it.
            outer = protocol.to_bytes(2, "big") + tag.to_bytes(2, "big") if status & VLAN_VALID else b""
            return frame[:12] + outer + frame[12:]


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """As many hosts as `count`, silent unless the test sends; their far ends are in one namespace."""
    first = next(_numbers)
    veths = [Veth(f"sh{first}-{each}", f"sp{first}-{each}", f"dynmon-hosts-{first}") for each in range(count)]
    quiet = ("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    # What one CPU sends arrives in the order it was sent.
    cpus = os.sched_getaffinity(0)
    with ExitStack() as parts:
        os.sched_setaffinity(0, {min(cpus)})
        parts.callback(os.sched_setaffinity, 0, cpus)
        run("ip", "netns", "add", veths[0].namespace)
        parts.callback(run, "ip", "netns", "del", veths[0].namespace)
        run(*quiet)
        run("ip", "netns", "exec", veths[0].namespace, *quiet)
        _batch([f"link add {each.host} type veth peer name {each.peer} netns {each.namespace}" for each in veths])
        _batch([f"link set {veth.peer} up arp off" for veth in veths], "-netns", veths[0].namespace)
        _batch([f"link set {veth.host} up arp off" for veth in veths])
        wait_until(lambda: run("ip", "link").count("state UP") >= count, "all interfaces to be up")
        with network_namespace(f"/run/netns/{veths[0].namespace}"):
            doors = [parts.enter_context(_door(veth.peer)) for veth in veths]
        yield [Host(veth, bytes([2, 0, 0, 0, 0, each]), doors[each]) for each, veth in enumerate(veths)]


def _batch(lines: Sequence[str], *flags: str) -> None:
    run("ip", *flags, "-batch", "-", input="\n".join(lines))


def _door(interface: str) -> closing[socket.socket]:
    door = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    door.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    door.settimeout(PATIENCE_SECONDS)
    door.bind((interface, ETH_P_ALL))
    return closing(door)


def received(sender: Host, others: Sequence[Host]) -> list[list[bytes]]:
    """What each of `others` received since they were last asked; `sender` sends a mark to everybody to know."""
    mark = sender.send(EVERYBODY, data=b"mark %d" % next(_marks))
    return [other.until(mark) for other in others]

"""Send around a million packets in a second through an interface, and know to the last one how many it saw.

A `Generator` is a program of ours that clones packets to where a veth pair sends or receives, run by test runs: from
there on a clone goes the way of any packet. When one does not get through (the receiver's queue is full), the kernel
tells the program, which counts those that did; so what was sent has been seen. A `PacketSocket` is a real sender, whose
system call tells the same. A `Witness` counts at the same hook, in a program of its own: it says when the last packet
is through, and that nothing else was on the wire.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import Protocol

from dynmon.bpf import BpfMap, GracePeriod, LoadedObject, Loader, LoadRequest, ProgramType, attach_tc
from dynmon.models import Direction
from tests.kernel.bpf.objects import TC_COUNTER, compile_c
from tests.support import Veth, network_namespace, wait_until

FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
BURST = 1024
ONLY_KEY = bytes(4)
MEMORY_BYTES = 1 << 20

CLONER = """
const volatile __u32 target = 1;
const volatile __u32 flags = 1;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("tc") int dynmon_ingress(struct __sk_buff *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&packets, &key);

	if (count && !bpf_clone_redirect(ctx, target, flags))
		(*count)++;
	return 0;
}
"""
SENT, RECEIVED = 0, 1  # flags of bpf_clone_redirect: to where the interface sends, or BPF_F_INGRESS

_libc = ctypes.CDLL(None, use_errno=True)


class Sender(Protocol):
    """Sends a burst at a time."""

    def send(self, count: int) -> int:
        """Try to send `count` packets; returns how many got through."""


class Generator:
    """Clones packets to an interface; used in a thread that is in the interface's namespace."""

    def __init__(self, loader: Loader, interface_index: int, flags: int) -> None:
        constants = {"target": interface_index, "flags": flags}
        self._loaded = _load(loader, CLONER, constants)
        self._seen = 0

    def send(self, count: int) -> int:
        self._loaded.program.test_run(FRAME, count)
        before, self._seen = self._seen, _count(self._loaded.maps["packets"])
        return self._seen - before

    def close(self) -> None:
        """Unload the program."""
        self._loaded.close()


class PacketSocket:
    """A socket that sends a burst with one system call."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind((interface, 0))
        self._frame = ctypes.create_string_buffer(FRAME, len(FRAME))
        self._vector = _Vector(ctypes.addressof(self._frame), len(FRAME))
        self._messages = (_Message * BURST)()
        for message in self._messages:
            message.vector, message.vector_length = ctypes.addressof(self._vector), 1

    def send(self, count: int) -> int:
        # What the kernel says is less than `count` from the first packet on that did not get through.
        sent = _libc.sendmmsg(self._socket.fileno(), self._messages, count, 0)
        if sent < 0 and ctypes.get_errno() != errno.ENOBUFS:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return max(int(sent), 0)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class _Vector(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.c_void_p),
        ("vector_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent_bytes", ctypes.c_uint),
    ]


class Witness:
    """Counts all packets of one direction, behind whatever else is on the hook when it comes."""

    def __init__(self, loader: Loader, interface: str, direction: Direction) -> None:
        self._loaded = _load(loader, TC_COUNTER, {})
        index = socket.if_nametoindex(interface)
        self._link = attach_tc(self._loaded.program, index, direction, interface_name=interface)

    def packets(self) -> int:
        """All packets so far."""
        return _count(self._loaded.maps["packets"])

    def close(self) -> None:
        """Go away."""
        self._link.close()
        self._loaded.close()


class Flood:
    """Packets as fast as all senders can, each from a CPU of its own, for the length of a block."""

    def __init__(self, senders: Sequence[Sender], namespace: str | None) -> None:
        self._stop = threading.Event()
        self._namespace = namespace
        self._counts = [0] * len(senders)
        self._failures: list[BaseException] = []
        cpus = sorted(os.sched_getaffinity(0))
        self._threads = [
            threading.Thread(target=self._send, args=(number, sender, cpus[number % len(cpus)]))
            for number, sender in enumerate(senders)
        ]

    @property
    def packets(self) -> int:
        """How many got through so far; exact when the block has ended."""
        return sum(self._counts)

    def __enter__(self) -> Flood:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _send(self, number: int, sender: Sender, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread
        try:
            with network_namespace(self._namespace) if self._namespace else nullcontext():
                while not self._stop.is_set():
                    self._counts[number] += sender.send(BURST)
        except BaseException as failure:
            self._failures.append(failure)


class Wire:
    """Traffic in one direction over the host's interface of a veth pair, from a generator and a packet socket."""

    def __init__(self, parts: ExitStack, loader: Loader, veth: Veth, direction: Direction, *, is_generic: bool) -> None:
        """`is_generic` is for generic XDP, which passes over what a program has redirected to the sending end."""
        self._namespace = f"/run/netns/{veth.namespace}" if direction is Direction.INGRESS and not is_generic else None
        host = socket.if_nametoindex(veth.host)
        self._witness = parts.enter_context(closing(Witness(loader, veth.host, direction)))
        self._grace = parts.enter_context(GracePeriod())
        if direction is Direction.EGRESS:
            door, target, flags = PacketSocket(veth.host), host, SENT
        else:
            with network_namespace(f"/run/netns/{veth.namespace}"):
                door, peer = PacketSocket(veth.peer), socket.if_nametoindex(veth.peer)
            target, flags = (host, RECEIVED) if is_generic else (peer, SENT)
        parts.enter_context(closing(door))
        generator = parts.enter_context(closing(Generator(loader, target, flags)))
        self._senders = (generator, door)

    @contextmanager
    def flood(self) -> Iterator[Flood]:
        """Send for the length of the block; when it has ended, every packet has been through every program."""
        before = self._witness.packets()
        with Flood(self._senders, self._namespace) as flood:
            yield flood
        wait_until(
            lambda: self._witness.packets() - before >= flood.packets,
            f"{flood.packets} packets, of which {self._witness.packets() - before} came",
        )
        self._grace.wait()  # what runs behind the witness
        assert flood.packets == self._witness.packets() - before


@contextmanager
def wire(loader: Loader, veth: Veth, direction: Direction, *, is_generic: bool = False) -> Iterator[Wire]:
    """A wire for the length of a block."""
    with ExitStack() as parts:
        yield Wire(parts, loader, veth, direction, is_generic=is_generic)


def _load(loader: Loader, source: str, constants: Mapping[str, int]) -> LoadedObject:
    request = LoadRequest(
        object=compile_c(source),
        program="dynmon_ingress",
        program_type=ProgramType.SCHED_CLS,
        file="traffic",
        constants=constants,
        memory_bytes=MEMORY_BYTES,
    )
    return loader.load(request)


def _count(bpf_map: BpfMap) -> int:
    """The only value of an array, over all CPUs."""
    values = bpf_map.lookup(ONLY_KEY) or b""
    return sum(struct.unpack(f"<{len(values) // 8}Q", values))

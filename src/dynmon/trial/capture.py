"""Packets out of capture files: pcap and pcapng, in either byte order, gzipped or not, as Ethernet frames.

A capture comes from anywhere, so no length in it is believed: what it claims is compared with what is there, and no
more than one packet or block is ever held in memory, whatever a few gzipped bytes unpack to.

Written here because there is no library that is well kept, free to combine and bounded on hostile input: scapy is
GPL-2.0-only and takes a second to import.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from dynmon.errors import InvalidInputError
from dynmon.trial.link_types import FRAMERS, Framer, link_type_name

MAX_PACKET_BYTES = 256 << 10  # libpcap's own limit (MAXIMUM_SNAPLEN)
MAX_BLOCK_BYTES = 16 << 20  # Wireshark's
MAX_INTERFACES = 1 << 16
# Blocks without a packet are skipped, but a few gzipped kilobytes can hold hours of them.
MAX_IDLE_BLOCKS = 100_000

GZIP_MAGIC = b"\x1f\x8b"
PCAP_MAGICS = (0xA1B2C3D4, 0xA1B23C4D)  # times in micro- and in nanoseconds
SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
BYTE_ORDER_MAGIC = 0x1A2B3C4D
BYTE_ORDERS = ("<", ">")
# What the third word of a pcap header says besides the link type, such as the length of a frame check sequence.
LINK_TYPE_BITS = 0xFFFF

INTERFACE_BLOCK, OBSOLETE_PACKET_BLOCK, SIMPLE_PACKET_BLOCK, ENHANCED_PACKET_BLOCK = 1, 2, 3, 6


class CaptureError(InvalidInputError):
    """A capture that cannot be read: `offset` is the byte where that shows, in the unpacked file."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"the capture cannot be read: {reason}")
        self.reason = reason
        self.offset = offset

    def fields(self) -> Mapping[str, Any]:
        return {"stage": "capture", "reason": self.reason, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as an Ethernet frame; `number` counts from one, `wire_length` is what the frame had on the wire.

    `frame` is empty when the capture has less of the packet than its link-layer header.
    """

    number: int
    frame: bytes
    wire_length: int
    link_type: int

    @property
    def is_cut(self) -> bool:
        """Whether the capture has only the beginning of the packet."""
        return len(self.frame) < self.wire_length


def packets(capture: bytes | BinaryIO) -> Iterator[Packet]:
    """The packets of a pcap or pcapng file, one after the other, read as far as they are asked for.

    Raises:
        CaptureError: It is neither, it is damaged, or its packets are of a kind that cannot be made Ethernet frames.
            Packets before the damage have been given by then.
    """
    raw: Any = io.BytesIO(capture) if isinstance(capture, bytes) else capture
    peekable = io.BufferedReader(raw)
    is_packed = peekable.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
    stream = _Stream(gzip.GzipFile(fileobj=peekable) if is_packed else peekable)
    magic = stream.up_to(4)
    if magic == SECTION_MAGIC:
        yield from _PcapNg(stream).packets()
        return
    for byte_order in BYTE_ORDERS:
        if len(magic) == 4 and struct.unpack(byte_order + "I", magic)[0] in PCAP_MAGICS:
            yield from _pcap_packets(stream, byte_order)
            return
    begins = f"it begins with {magic.hex(' ')}" if magic else "it is empty"
    raise CaptureError(f"it is neither pcap nor pcapng: {begins}", 0)


class _Stream:
    """Bytes in their order, and how many of them are behind us."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.offset = 0

    def up_to(self, size: int) -> bytes:
        """The next `size` bytes, or those that are left."""
        try:
            found: bytes = self._source.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CaptureError(f"it is not valid gzip after byte {self.offset}: {error}", self.offset) from error
        except OSError as error:
            raise CaptureError(f"reading fails after byte {self.offset}: {error.strerror}", self.offset) from error
        self.offset += len(found)
        return found

    def exactly(self, size: int, what: Callable[[], str], start: int) -> bytes:
        """The next `size` bytes of `what`, which begins at byte `start`."""
        found = self.up_to(size)
        if len(found) < size:
            raise CaptureError(f"{what()} at byte {start} claims {size} bytes, {len(found)} are left", start)
        return found

    def header(self, layout: struct.Struct, what: Callable[[], str]) -> tuple[int, ...] | None:
        """The numbers of the next header; None where the file ends before it."""
        start = self.offset
        found = self.up_to(layout.size)
        if found and len(found) < layout.size:
            raise CaptureError(f"the file ends within the header of {what()} at byte {start}", start)
        return layout.unpack(found) if found else None


def _pcap_packets(stream: _Stream, byte_order: str) -> Iterator[Packet]:
    words = stream.header(struct.Struct(byte_order + "HHiIII"), lambda: "the file")
    if words is None:
        raise CaptureError("the file ends within its header", stream.offset)
    link_type = words[-1] & LINK_TYPE_BITS
    framer = _framer(link_type, "it", 0)
    record = struct.Struct(byte_order + "IIII")
    number = 0

    def this() -> str:
        return f"packet {number}"

    while True:
        number += 1
        start = stream.offset
        fields = stream.header(record, this)
        if fields is None:
            return
        captured, original = fields[2:]
        _check_size(captured, number, start)
        data = stream.exactly(captured, this, start)
        yield _packet(number, data, original, link_type, framer)


@dataclass(slots=True)
class _Interface:
    """Where packets were captured; `framer` is looked up when the first one comes, if ever."""

    link_type: int
    snap_length: int


@dataclass(slots=True)
class _PcapNg:
    """Walks through the blocks of a pcapng file, whose first four bytes have been read."""

    stream: _Stream
    byte_order: str = "<"
    interfaces: list[_Interface] = field(default_factory=list)
    number: int = 0
    idle_blocks: int = 0

    def packets(self) -> Iterator[Packet]:
        self._section(0)
        while True:
            start = self.stream.offset
            kind_bytes = self.stream.up_to(4)
            if not kind_bytes:
                return
            if kind_bytes == SECTION_MAGIC:
                self._section(start)
                continue
            if len(kind_bytes) < 4:
                raise CaptureError(f"the file ends within the header of a block at byte {start}", start)
            kind = self._word(kind_bytes)
            body = self._body(start, kind)
            if kind == INTERFACE_BLOCK:
                self._add_interface(body, start)
            elif kind in PACKET_BLOCKS:
                self.number += 1
                self.idle_blocks = 0
                yield PACKET_BLOCKS[kind](self, body, start)

    def _section(self, start: int) -> None:
        """A section header: from here on numbers have its byte order, and there are no interfaces yet."""
        head = self.stream.exactly(8, lambda: "a section header", start)
        orders = [order for order in BYTE_ORDERS if struct.unpack(order + "I", head[4:])[0] == BYTE_ORDER_MAGIC]
        if not orders:
            raise CaptureError(f"the section header at byte {start} has no byte order magic", start)
        self.byte_order = orders[0]
        self.interfaces = []
        self._body(start, None, self._word(head[:4]), already=4)

    def _body(self, start: int, kind: int | None, total: int | None = None, already: int = 0) -> bytes:
        """What is between the two lengths of a block, less the `already` bytes of it that have been read."""
        if total is None:
            total = self._word(self.stream.exactly(4, lambda: "a block", start))
        self.idle_blocks += 1
        if self.idle_blocks > MAX_IDLE_BLOCKS:
            raise CaptureError(f"there are {MAX_IDLE_BLOCKS} blocks in a row without a packet", start)
        if total % 4 or not 12 + already <= total <= MAX_BLOCK_BYTES:
            raise CaptureError(f"{self._name(kind)} at byte {start} claims the impossible size {total}", start)
        rest = total - 8 - already
        body = self.stream.exactly(rest, lambda: self._name(kind), start)
        if self._word(body[-4:]) != total:
            raise CaptureError(f"{self._name(kind)} at byte {start} has two different lengths", start)
        return body[:-4]

    def _name(self, kind: int | None) -> str:
        if kind is None:
            return "the section header"
        return f"packet {self.number + 1}" if kind in PACKET_BLOCKS else "the block"

    def _add_interface(self, body: bytes, start: int) -> None:
        if len(body) < 8:
            raise CaptureError(f"the interface block at byte {start} is too short", start)
        if len(self.interfaces) == MAX_INTERFACES:
            raise CaptureError(f"there are more than {MAX_INTERFACES} interfaces", start)
        link_type, _, snap_length = struct.unpack_from(self.byte_order + "HHI", body)
        self.interfaces.append(_Interface(link_type, snap_length))

    def _enhanced(self, body: bytes, start: int) -> Packet:
        index, _, _, captured, original = self._fields("IIIII", body, start)
        return self._captured(index, captured, original, body[20:], start)

    def _obsolete(self, body: bytes, start: int) -> Packet:
        index, _, _, _, captured, original = self._fields("HHIIII", body, start)
        return self._captured(index, captured, original, body[20:], start)

    def _simple(self, body: bytes, start: int) -> Packet:
        (original,) = self._fields("I", body, start)
        limit = self.interfaces[0].snap_length if self.interfaces else 0
        captured = min(original, limit) if limit else original
        return self._captured(0, captured, original, body[4:], start)

    def _captured(self, index: int, captured: int, original: int, room: bytes, start: int) -> Packet:
        if index >= len(self.interfaces):
            there = len(self.interfaces)
            reason = f"packet {self.number} at byte {start} is of interface {index}, but there are {there}"
            raise CaptureError(reason, start)
        _check_size(captured, self.number, start)
        if captured > len(room):
            reason = f"packet {self.number} at byte {start} claims {captured} bytes, {len(room)} are in its block"
            raise CaptureError(reason, start)
        link_type = self.interfaces[index].link_type
        framer = _framer(link_type, f"packet {self.number} at byte {start}", start)
        return _packet(self.number, room[:captured], original, link_type, framer)

    def _fields(self, layout: str, body: bytes, start: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self.byte_order + layout, body)
        except struct.error as error:
            raise CaptureError(f"packet {self.number} at byte {start} has a block too short for it", start) from error

    def _word(self, raw: bytes) -> int:
        (number,) = struct.unpack(self.byte_order + "I", raw)
        return int(number)


PACKET_BLOCKS: dict[int, Callable[[_PcapNg, bytes, int], Packet]] = {
    OBSOLETE_PACKET_BLOCK: _PcapNg._obsolete,
    SIMPLE_PACKET_BLOCK: _PcapNg._simple,
    ENHANCED_PACKET_BLOCK: _PcapNg._enhanced,
}


def _check_size(captured: int, number: int, start: int) -> None:
    if captured > MAX_PACKET_BYTES:
        limit = f"more than the {MAX_PACKET_BYTES} that a packet can have"
        raise CaptureError(f"packet {number} at byte {start} claims {captured} bytes, {limit}", start)


def _framer(link_type: int, subject: str, offset: int) -> Framer:
    if link_type not in FRAMERS:
        understood = ", ".join(dict.fromkeys(map(link_type_name, FRAMERS)))
        reason = f"{subject} has packets of link type {link_type} ({link_type_name(link_type)}); understood are: "
        raise CaptureError(reason + understood, offset)
    return FRAMERS[link_type]


def _packet(number: int, data: bytes, original: int, link_type: int, framer: Framer) -> Packet:
    frame = framer(data)
    # Some writers give an original length below the captured one.
    return Packet(number, frame, max(original, len(data)) - len(data) + len(frame), link_type)

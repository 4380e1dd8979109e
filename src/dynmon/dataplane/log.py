"""What running programs say: `pcn_log` lines and packets sent to the controller, from one ring buffer for the daemon.

Programs write records to the ring buffer `dynmon_log`, which the loader puts in place of the object's own map of that
name. One thread waits for it and hands each record to the logger of its cube. A program never waits: when the buffer is
full the record is lost and the packet goes on.
"""

from __future__ import annotations

import logging
import os
import select
import struct
import threading
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from dynmon.bpf import RingBuffer
from dynmon.dataplane.log_format import format_log
from dynmon.models import Direction, LogLevel

LOG_MAP = "dynmon_log"
BUFFER_BYTES = 1 << 20
RECORDS_AT_ONCE = 1024

# kind, cube id, direction, level, time (ns since boot), four arguments, argument count, bytes that follow
HEADER = struct.Struct("<IIIIQ4QII")
DIRECTIONS = (Direction.INGRESS, Direction.EGRESS)
TRACE = 5
PYTHON_LEVELS = {
    LogLevel.TRACE: TRACE,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERR: logging.ERROR,
    LogLevel.CRITICAL: logging.CRITICAL,
}
logging.addLevelName(TRACE, "TRACE")

_log = logging.getLogger(__name__)


class RecordKind(IntEnum):
    """What a record in the ring buffer is."""

    LOG = 0
    PACKET = 1


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record as the program wrote it."""

    kind: RecordKind
    cube_id: int
    direction: Direction
    level: LogLevel
    time_ns: int
    arguments: tuple[int, ...]
    payload: bytes

    @property
    def text(self) -> str:
        """The line a person reads."""
        if self.kind is RecordKind.LOG:
            return format_log(self.payload.split(b"\0", 1)[0].decode("utf-8", "replace"), self.arguments)
        reason, packet_len, low, high = self.arguments
        words = (low & 0xFFFFFFFF, low >> 32, high & 0xFFFFFFFF)
        return (
            f"packet of {packet_len} bytes to the controller, reason {reason}, metadata {words}: {self.payload.hex()}"
        )


def parse_record(data: bytes) -> LogRecord | None:
    """The record in `data`; None when it is not one (its program can write any bytes it likes)."""
    if len(data) < HEADER.size:
        return None
    kind, cube_id, direction, level, time_ns, *arguments, count, payload_bytes = HEADER.unpack_from(data)
    levels = list(LogLevel)
    if kind not in list(RecordKind) or direction >= len(DIRECTIONS) or level >= len(levels) or count > len(arguments):
        return None
    return LogRecord(
        kind=RecordKind(kind),
        cube_id=cube_id,
        direction=DIRECTIONS[direction],
        level=levels[level] if kind == RecordKind.LOG else LogLevel.DEBUG,
        time_ns=time_ns,
        arguments=tuple(arguments[:count]),
        payload=data[HEADER.size : HEADER.size + payload_bytes],
    )


class LogTarget(Protocol):
    """Where programs write their records."""

    @property
    def map_fd(self) -> int:
        """The descriptor of a ring buffer's map."""


class ProgramLog:
    """Carries what programs say to Python's logging, as ``dynmon.cube.NAME``."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._buffer = RingBuffer.create(BUFFER_BYTES, LOG_MAP)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="program-log", daemon=True)
        self._thread.start()

    @property
    def map_fd(self) -> int:
        """The descriptor of the ring buffer's map, to be put into the objects that log."""
        return self._buffer.fd

    def register(self, cube_id: int, name: str) -> None:
        """Log what cube `cube_id` says under `name`."""
        self._names[cube_id] = name

    def forget(self, cube_id: int) -> None:
        """Drop what a deleted cube still has to say."""
        self._names.pop(cube_id, None)

    def close(self) -> None:
        """Stop the thread and give the buffer back; twice is harmless."""
        if not self._thread.is_alive():
            return
        os.write(self._stop_write, b"x")
        self._thread.join()
        self._buffer.close()
        os.close(self._stop_read)
        os.close(self._stop_write)

    def __enter__(self) -> ProgramLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        # poll, not select: a descriptor may be above FD_SETSIZE.
        waiter = select.poll()
        waiter.register(self._buffer.fd, select.POLLIN)
        waiter.register(self._stop_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiter.poll()}
            if self._stop_read in ready:
                return
            self._buffer.drain(self._handle, RECORDS_AT_ONCE)

    def _handle(self, data: bytes) -> None:
        record = parse_record(data)
        if record is None:
            _log.debug("record of %d bytes in the log buffer is not one of ours", len(data))
            return
        name = self._names.get(record.cube_id)
        if name is not None and record.level in PYTHON_LEVELS:
            logger = logging.getLogger(f"dynmon.cube.{name}")
            logger.log(PYTHON_LEVELS[record.level], "%s: %s", record.direction, record.text)

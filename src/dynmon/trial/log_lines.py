"""What code says while it is tried: its records go into a ring buffer of the trial's own, not into the daemon's log."""

from __future__ import annotations

from dataclasses import dataclass

from dynmon.bpf import RingBuffer
from dynmon.dataplane.log import BUFFER_BYTES, LOG_MAP, RECORDS_AT_ONCE, parse_record


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, and the number of the packet for which the code said it."""

    packet: int
    level: str
    text: str


class LogLines:
    """Stands where a program log does and keeps the first `limit` lines; owns the buffer."""

    def __init__(self, limit: int) -> None:
        self.lines: list[LogLine] = []
        self.left_out = 0
        self._limit = limit
        self._buffer = RingBuffer.create(BUFFER_BYTES, LOG_MAP)

    @property
    def map_fd(self) -> int:
        """The descriptor of the ring buffer's map."""
        return self._buffer.fd

    def collect(self, packet: int) -> None:
        """Take what was said about `packet`, which just ran."""

        def take(data: bytes) -> None:
            record = parse_record(data)
            if record is None:
                return
            if len(self.lines) < self._limit:
                self.lines.append(LogLine(packet, record.level.value, record.text))
            else:
                self.left_out += 1

        while self._buffer.drain(take, RECORDS_AT_ONCE) == RECORDS_AT_ONCE:
            continue

    def close(self) -> None:
        """Give the buffer back; twice is harmless."""
        self._buffer.close()

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

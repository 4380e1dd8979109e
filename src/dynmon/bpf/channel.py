"""Messages between the daemon and its loader: a JSON object, a blob, and descriptors, over a Unix stream socket.

A descriptor travels as SCM_RIGHTS, 250 with one byte (the kernel's limit is 253). Neither side trusts the other's
numbers: what is announced is bounded before room is made for it.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

PREFIX = struct.Struct("<III")  # JSON bytes, blob bytes, descriptors
MAX_JSON = 64 << 20
MAX_BLOB = 64 << 20
MAX_DESCRIPTORS = 8192
CHUNK = 250


class Deadline:
    """A moment by which everything must be done; each wait gets what is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def limit(self, channel: socket.socket) -> None:
        """Let the next operation on `channel` wait no longer than until the deadline."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)


def send_message(
    channel: socket.socket, head: dict[str, Any], blob: bytes, fds: Sequence[int], deadline: Deadline
) -> None:
    """Send one message; the descriptors stay the sender's.

    Raises:
        TimeoutError: The other side did not take it in time.
        OSError: The other side is gone.
    """
    text = json.dumps(head).encode()
    deadline.limit(channel)
    channel.sendall(PREFIX.pack(len(text), len(blob), len(fds)))
    for start in range(0, len(fds), CHUNK):
        deadline.limit(channel)
        socket.send_fds(channel, [b"f"], list(fds[start : start + CHUNK]))
    for part in filter(None, (text, blob)):
        deadline.limit(channel)
        channel.sendall(part)


def receive_message(channel: socket.socket, deadline: Deadline) -> tuple[dict[str, Any], bytes, list[int]]:
    """Receive one message; the descriptors are now the receiver's.

    Raises:
        EOFError: The other side ended before its message did.
        TimeoutError: It did not come in time.
        ValueError: It is not one of our messages.
    """
    text_bytes, blob_bytes, count = PREFIX.unpack(_receive(channel, PREFIX.size, deadline))
    if text_bytes > MAX_JSON or blob_bytes > MAX_BLOB or count > MAX_DESCRIPTORS:
        raise ValueError("the message is too large")
    fds: list[int] = []
    try:
        while len(fds) < count:
            fds += _receive_descriptors(channel, deadline)
        head = json.loads(_receive(channel, text_bytes, deadline))
        if len(fds) != count or not isinstance(head, dict):
            raise ValueError("the message is malformed")
        return head, _receive(channel, blob_bytes, deadline), fds
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise


def _receive(channel: socket.socket, size: int, deadline: Deadline) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        deadline.limit(channel)
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _receive_descriptors(channel: socket.socket, deadline: Deadline) -> list[int]:
    deadline.limit(channel)
    room = socket.CMSG_SPACE(CHUNK * array.array("i").itemsize)
    # Without CLOEXEC every child of the daemon would hold the maps and programs alive.
    part, ancillary, flags, _ = channel.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) // fds.itemsize * fds.itemsize])
    if not part or not fds or flags & socket.MSG_CTRUNC:
        for fd in fds:
            os.close(fd)
        if not part:
            raise EOFError
        raise ValueError("descriptors were lost on the way: too many are open")
    return list(fds)

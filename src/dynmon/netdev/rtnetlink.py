"""Ask the kernel over rtnetlink and get messages and their attributes as they came."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator

REQUEST, ACKNOWLEDGE, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
NESTED_FLAGS = 0x3FFF  # what of an attribute's type is its number

HEADER = struct.Struct("=IHHII")
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
ATTRIBUTE = struct.Struct("=HH")
ROOM = 1 << 16


def ask(kind: int, flags: int, body: bytes) -> list[bytes]:
    """The bodies of all answers to one request.

    Raises:
        OSError: What the kernel said.
    """
    answers: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as door:
        door.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
        while True:
            for number, content in messages(door.recv(ROOM)):
                if number in (DONE, ERROR):
                    code = -int.from_bytes(content[:4], sys.byteorder, signed=True) if content else 0
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers
                answers.append(content)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages that came together: the kind and the body of each."""
    while data:
        length, kind, _, _, _ = HEADER.unpack_from(data)
        yield kind, data[HEADER.size : length]
        data = data[length + 3 & ~3 :]


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in `data` by their number; of those with the same number the last."""
    found, offset = {}, 0
    while offset + ATTRIBUTE.size <= len(data):
        length, number = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size:
            break
        found[number & NESTED_FLAGS] = data[offset + ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3
    return found

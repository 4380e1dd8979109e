"""Ask the kernel over rtnetlink and get the attributes as they came.

For filters of other software: pyroute2 leaves out what it does not know of them (chains, some flags), and that is what
we want to know.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator

GET_LINK = 18
GET_FILTER = 46
REQUEST, ACKNOWLEDGE, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
NESTED_FLAGS = 0x3FFF  # what of an attribute's type is its number

HEADER = struct.Struct("=IHHII")
LINK = struct.Struct("=BxHiII")
FILTER = struct.Struct("=BxxxiIII")
ATTRIBUTE = struct.Struct("=HH")
ROOM = 1 << 16


def link_attributes(interface_index: int) -> dict[int, bytes]:
    """The attributes (``IFLA_…``) of an interface.

    Raises:
        OSError: ENODEV when it is gone.
    """
    (answer,) = _ask(GET_LINK, ACKNOWLEDGE, LINK.pack(0, 0, interface_index, 0, 0))
    return attributes(answer[LINK.size :])


def filters(interface_index: int, parent: int) -> Iterator[tuple[int, int, dict[int, bytes]]]:
    """Each filter at `parent`, in the kernel's order: its handle, priority and protocol, and attributes (``TCA_…``).

    Raises:
        OSError: ENODEV when the interface is gone.
    """
    for answer in _ask(GET_FILTER, DUMP, FILTER.pack(0, interface_index, 0, parent, 0)):
        _, _, handle, _, info = FILTER.unpack_from(answer)
        yield handle, info, attributes(answer[FILTER.size :])


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


def _ask(kind: int, flags: int, body: bytes) -> list[bytes]:
    answers: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as door:
        door.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
        while True:
            data = door.recv(ROOM)
            while data:
                length, number, _, _, _ = HEADER.unpack_from(data)
                content, data = data[HEADER.size : length], data[length + 3 & ~3 :]
                if number in (DONE, ERROR):
                    code = -int.from_bytes(content[:4], sys.byteorder, signed=True) if content else 0
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers
                answers.append(content)

"""`pcn_log` text, from the words a program sent."""

from __future__ import annotations

import socket

import pytest

from dynmon.dataplane.log import HEADER, parse_record
from dynmon.dataplane.log_format import format_log
from dynmon.models import Direction, LogLevel

MINUS_ONE = 2**64 - 1


@pytest.mark.parametrize(
    ("template", "arguments", "text"),
    [
        ("plain", (), "plain"),
        ("%d packets", (7,), "7 packets"),
        ("%d", (MINUS_ONE,), "-1"),
        ("%u", (MINUS_ONE,), str(2**32 - 1)),
        ("%lu %llu", (MINUS_ONE, 5), f"{MINUS_ONE} 5"),
        ("%lld", (MINUS_ONE,), "-1"),
        ("%hhd %hu", (0xFF, 0x1FFFF), "-1 65535"),
        ("%x %X %#x %08x", (255, 255, 255, 255), "ff FF 0xff 000000ff"),
        ("%5d|%-5d|", (1, 2), "    1|2    |"),
        ("%.3d", (7,), "007"),
        ("%c%c", (0x68, 0x69), "hi"),
        ("%p", (0x10,), "0x10"),
        ("100%%", (), "100%"),
        ("%I", (int.from_bytes(socket.inet_aton("192.0.2.7"), "little"),), "192.0.2.7"),
        ("%M", (int.from_bytes(bytes.fromhex("020304050607"), "little"),), "02:03:04:05:06:07"),
        ("%P", (socket.htons(8080),), "8080"),
        ("%d %d", (1,), "1 %d"),
        ("%d %s %z", (1,), "1 %s %z"),
        ("%", (), "%"),
    ],
)
def test_formats(template, arguments, text):
    assert text == format_log(template, arguments)


def record(*, kind=0, cube=3, direction=1, level=2, arguments=(1, 2, 0, 0), count=2, payload=b"%d-%d\0\0"):
    return HEADER.pack(kind, cube, direction, level, 99, *arguments, count, len(payload)) + payload


def test_a_record_is_parsed():
    found = parse_record(record())

    assert (3, Direction.EGRESS, LogLevel.INFO, 99) == (found.cube_id, found.direction, found.level, found.time_ns)
    assert "1-2" == found.text


def test_a_packet_for_the_controller_is_logged_at_debug():
    found = parse_record(record(kind=1, arguments=(7, 60, 1 | 2 << 32, 3), count=4, payload=b"\xab\xcd"))

    assert LogLevel.DEBUG is found.level
    assert "packet of 60 bytes to the controller, reason 7, metadata (1, 2, 3): abcd" == found.text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * (HEADER.size - 1),
        record(kind=9),
        record(direction=2),
        record(level=99),
        record(count=5),
    ],
)
def test_what_is_not_a_record_is_told_apart(data):
    """A program may write any bytes to the buffer; the daemon must not trip over them."""
    assert parse_record(data) is None

"""Rows of bytes become text as the parts of a plan say."""

from __future__ import annotations

import socket
import struct

import numpy as np
import pytest

from dynmon.rendering import (
    BitField,
    Choice,
    Float,
    Form,
    Hexadecimal,
    Integer,
    Ipv4,
    Ipv6,
    Literal,
    Mac,
    Pick,
    Prefix,
    Repeat,
    Scaled,
    Text,
    render,
    render_chunks,
)


def rows_of(*rows: bytes):
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)


@pytest.mark.parametrize(
    ("part", "row", "expected"),
    [
        (Literal(b"a{"), b"x", b"a{"),
        (Integer(1, 1), b"\xff\xfe", b"254"),
        (Integer(0, 1, is_signed=True), b"\xfe", b"-2"),
        (Integer(0, 2, is_big_endian=True), b"\x01\x02", b"258"),
        (Integer(0, 3, is_signed=True), b"\xff\xff\xff", b"-1"),
        (Integer(0, 8), b"\xff" * 8, b"18446744073709551615"),
        (Integer(0, 8, is_signed=True), b"\0" * 7 + b"\x80", b"-9223372036854775808"),
        (Integer(0, 16), b"\xff" * 16, b"340282366920938463463374607431768211455"),
        (Integer(0, 16, is_signed=True), b"\0" * 15 + b"\x80", b"-170141183460469231731687303715884105728"),
        (Integer(0, 16, is_big_endian=True), b"\0" * 14 + b"\x01\0", b"256"),
        (BitField(0, 1, 2, 3), b"\x14", b"5"),
        (BitField(0, 1, 2, 3, is_signed=True), b"\x14", b"-3"),
        (BitField(0, 9, 4, 64), b"\xf0" + b"\xff" * 7 + b"\x0f", b"18446744073709551615"),
        (BitField(0, 17, 7, 128, is_signed=True), b"\x80" + b"\xff" * 15 + b"\x7f", b"-1"),
        (Float(0, 8, Form.JSON), struct.pack("<d", 0.1), b"0.1"),
        (Float(0, 4, Form.JSON), struct.pack("<f", 0.1), b"0.10000000149011612"),
        (Float(0, 2, Form.JSON), struct.pack("<e", 1e-7), b"1.1920928955078125e-07"),
        (Float(0, 8, Form.JSON), struct.pack("<d", 1e16), b"1e+16"),
        (Float(0, 8, Form.JSON), struct.pack("<d", float("nan")), b"null"),
        (Float(0, 8, Form.EXPOSITION), struct.pack("<d", 3.0), b"3"),
        (Float(0, 8, Form.EXPOSITION), struct.pack("<d", 1234567.0), b"1.234567e+06"),
        (Float(0, 8, Form.EXPOSITION), struct.pack("<d", float("nan")), b"NaN"),
        (Float(0, 8, Form.EXPOSITION), struct.pack("<d", float("-inf")), b"-Inf"),
        (Float(0, 8, Form.EXPOSITION), struct.pack("<d", -0.0), b"-0"),
        (Scaled(Integer(0, 8), 1e-9, Form.EXPOSITION), struct.pack("<Q", 1_500_000_000), b"1.5"),
        (Ipv4(0), b"\x0a\0\0\xff", b"10.0.0.255"),
        (Ipv6(0), socket.inet_pton(socket.AF_INET6, "2001:db8::1:0:0:1"), b"2001:db8::1:0:0:1"),
        (Ipv6(0), bytes(10) + b"\xff\xff\x01\x02\x03\x04", b"::ffff:1.2.3.4"),
        (Prefix(0, 4), b"\x0c\0\0\0\x0a\xff\xff\xff", b"10.240.0.0/12"),
        (Prefix(0, 16), b"\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, "2001:db8:1::1"), b"2001:db8::/32"),
        (Mac(0), b"\x02\0\0\0\0\xab", b"02:00:00:00:00:ab"),
        (Hexadecimal(1, 2), b"\0\xab\x01", b"ab01"),
        (Text(0, 8, Form.EXPOSITION), b'a"\\\n\tb\0c', b'a\\"\\\\\\n\tb'),
        (Text(0, 6, Form.JSON), b'"\\\n\t\x01\x7f', b'\\"\\\\\\n\\t\\u0001\x7f'),
        (Text(0, 5, Form.JSON), b"\xe2\x82x\xff\0", "\ufffdx\ufffd".encode()),
        (Choice(Integer(0, 4), {6: b"tcp"}, Integer(0, 4)), b"\x06\0\0\0", b"tcp"),
        (Choice(Integer(0, 1, is_signed=True), {-1: b"none"}, Literal(b"some")), b"\xff", b"none"),
        (Choice(Integer(0, 4), {6: b"tcp"}, Integer(0, 4)), b"\x07\0\0\0", b"7"),
        (Pick(0, [b"a", b"b"]), b"\x01\0\0\0", b"b"),
        (Repeat(1, (Integer(1, 1), Literal(b"!")), 3, 2), b"\0\0\x01\0\x02\0\x03", b"1!,2!,3!"),
        (Repeat(0, (Integer(0, 1),), 0, 1), b"", b""),
    ],
)
def test_a_part_writes_its_piece(part, row, expected):
    """One row, one part, one piece."""
    assert expected == render([part], rows_of(row))
    assert len(expected) <= part.longest
    assert part.extent <= len(row)


def test_lines_are_parts_one_after_the_other():
    """Each row makes a line, in the order of the rows."""
    line = [Literal(b'x{ip="'), Ipv4(0), Literal(b'"} '), Integer(4, 2), Literal(b"\n")]

    assert b'x{ip="1.2.3.4"} 5\nx{ip="1.2.3.5"} 6\n' == render(line, rows_of(b"\1\2\3\4\5\0", b"\1\2\3\5\6\0"))


def test_chunks_put_together_are_the_whole():
    """However many rows a chunk has."""
    rows = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    line = [Integer(0, 1), Literal(b"\n")]

    assert [256 // 100 + 1] == [len(list(render_chunks(line, rows, 100)))]
    assert render(line, rows) == b"".join(render_chunks(line, rows, 100))


def test_short_rows_are_refused():
    """No part reads beyond its row."""
    with pytest.raises(ValueError, match="rows of 3 bytes have not the 4 that the parts need"):
        render([Ipv4(0)], rows_of(b"\1\2\3"))


def test_a_pick_of_no_text_is_refused():
    """An index that is too high."""
    with pytest.raises(IndexError):
        render([Pick(0, [b"a"])], rows_of(b"\1\0\0\0"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Integer(0, 9),
        lambda: BitField(0, 1, 4, 5),
        lambda: Float(0, 3, Form.JSON),
        lambda: Scaled(Integer(0, 16), 2.0, Form.JSON),
        lambda: Prefix(0, 6),
        lambda: Choice(Integer(0, 16), {}, Literal(b"")),
    ],
)
def test_impossible_parts_are_refused(make):
    """Where they are made."""
    with pytest.raises(ValueError):
        make()

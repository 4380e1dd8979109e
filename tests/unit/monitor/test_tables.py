"""A C type and bytes in memory → numpy, field by field."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from dynmon.btf import Hexadecimal, plan_for
from dynmon.monitor import column
from tests.unit.btf.builder import BOOL, SIGNED, BtfBuilder


def columns_of(build, type_id, *values):
    """The column of `values`, each behind which there is more memory."""
    rows = np.array([np.frombuffer(value + b"\xee\xee", np.uint8) for value in values])
    return column(plan_for(build.btf(), type_id), rows)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("signed", [0, SIGNED])
def test_integers_keep_their_size_and_sign(size, signed):
    build = BtfBuilder()
    number = build.integer("number", size, signed)

    found = columns_of(build, number, b"\xff" * size, b"\1" + bytes(size - 1))

    assert f"{'i' if signed else 'u'}{size}" == found.dtype.str[1:]
    assert [-1 if signed else 256**size - 1, 1] == found.tolist()


def test_128_bits_are_two_words():
    """numpy has no such number; the upper half of a signed one has the sign."""
    build = BtfBuilder()
    unsigned, signed = build.integer("u128", 16), build.integer("s128", 16, SIGNED)
    memory = struct.pack("<Qq", 7, -1)

    assert [(7, 2**64 - 1)] == columns_of(build, unsigned, memory).tolist()
    assert [(7, -1)] == columns_of(build, signed, memory).tolist()
    assert ("low", "high") == columns_of(build, signed, memory).dtype.names


def test_bool_enum_pointer_and_floats():
    build = BtfBuilder()
    u8, flag = build.integer("u8", 1), build.integer("_Bool", 1, BOOL)
    verdict = build.enum("verdict", 4, [("PASS", 0), ("DROP", 1)])
    holder = build.structure(
        "s",
        32,
        [
            ("flag", flag, 0),
            ("verdict", verdict, 32),
            ("next", build.pointer(u8), 64),
            ("ratio", build.floating("double", 8), 128),
            ("part", build.floating("float", 4), 192),
        ],
    )

    found = columns_of(build, holder, struct.pack("<B3xIQdf4x", 2, 1, 1 << 63, 0.5, 0.25))

    assert [(True, 1, 1 << 63, 0.5, 0.25)] == found.tolist()
    assert ["|b1", "<u4", "<u8", "<f8", "<f4"] == [found.dtype[name].str for name in found.dtype.names]


def test_packed_members_are_found_and_padding_is_left_out():
    """Offsets are the struct's, those of the array are not: a wide member may start at any byte."""
    build = BtfBuilder()
    u8, u64 = build.integer("u8", 1), build.integer("u64", 8)
    packed = build.structure("packed", 9, [("a", u8, 0), ("b", u64, 8)])
    padded = build.structure("padded", 16, [("a", u8, 0), ("b", u64, 64)])

    for holder, padding in ((packed, b""), (padded, b"\xff" * 7)):
        found = columns_of(build, holder, b"\1" + padding + struct.pack("<Q", 1 << 40))
        assert [(1, 1 << 40)] == found.tolist()
        assert 9 == found.dtype.itemsize


def test_structs_and_arrays_nest():
    build = BtfBuilder()
    u16 = build.integer("u16", 2)
    pair = build.structure("pair", 4, [("x", u16, 0), ("y", u16, 16)])
    holder = build.structure("s", 24, [("pairs", build.array(build.array(pair, 2), 3), 0)])

    found = columns_of(build, holder, struct.pack("<12H", *range(12)), struct.pack("<12H", *range(12, 24)))

    assert (2, 3, 2) == found["pairs"].shape
    assert [[[1, 3], [5, 7], [9, 11]], [[13, 15], [17, 19], [21, 23]]] == found["pairs"]["y"].tolist()


def test_an_array_of_char_is_text_and_one_of_bytes_is_not():
    build = BtfBuilder()
    char, u8 = build.integer("char", 1, SIGNED), build.integer("unsigned char", 1)
    holder = build.structure("s", 8, [("name", build.array(char, 4), 0), ("mac", build.array(u8, 4), 32)])

    found = columns_of(build, holder, b"eth\0\1\2\3\4")

    assert "|S4" == found.dtype["name"].str
    assert [(b"eth", [1, 2, 3, 4])] == [(row["name"], row["mac"].tolist()) for row in found]


def test_bit_fields_are_numbers_of_their_own():
    """Beside one another, across bytes, signed and not: no shifts and masks for the reader."""
    build = BtfBuilder()
    u32, s32 = build.integer("u32", 4), build.integer("s32", 4, SIGNED)
    holder = build.structure("s", 4, [("low", u32, 0, 4), ("wide", u32, 4, 20), ("sign", s32, 24, 8)])

    found = columns_of(build, holder, struct.pack("<I", 0xA | 0xBCDEF << 4 | 0xFF << 24))

    assert [(0xA, 0xBCDEF, -1)] == found.tolist()


def test_members_of_a_union_stand_side_by_side():
    build = BtfBuilder()
    u32, u8 = build.integer("u32", 4), build.integer("u8", 1)
    either = build.union("u", 4, [("word", u32, 0), ("bytes", build.array(u8, 4), 0)])

    found = columns_of(build, either, b"\1\2\0\0")

    assert [513] == found["word"].tolist()
    assert [[1, 2, 0, 0]] == found["bytes"].tolist()


def test_bytes_of_unknown_type_stay_bytes():
    found = column(Hexadecimal(3), np.frombuffer(b"\1\2\3\xee", np.uint8).reshape(1, 4))

    assert "|V3" == found.dtype.str
    assert [b"\1\2\3"] == [bytes(each) for each in found]


def test_no_rows_have_the_same_dtype_as_many():
    """A map that is empty now looks like one that is not."""
    build = BtfBuilder()
    u16, u32 = build.integer("u16", 2), build.integer("u32", 4)
    holder = build.structure("s", 12, [("ports", build.array(u16, 4), 0), ("low", u32, 64, 4)])
    plan = plan_for(build.btf(), holder)

    none, one = (column(plan, np.zeros((count, 12), np.uint8)) for count in (0, 1))

    assert (0,) == none.shape
    assert one.dtype == none.dtype


def test_an_array_of_nothing_has_no_elements():
    build = BtfBuilder()
    u32 = build.integer("u32", 4)
    holder = build.structure("s", 4, [("count", u32, 0), ("rest", build.array(u32, 0), 32)])

    found = columns_of(build, holder, b"\5\0\0\0")

    assert [5] == found["count"].tolist()
    assert (1, 0) == found["rest"].shape

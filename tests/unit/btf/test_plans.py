"""A type's plan says what the bytes mean, for every kind of type that C has."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynmon.btf import GlobalVariable, UndecodableType, plan_for
from tests.unit.btf.builder import BOOL, CHAR, SIGNED, BtfBuilder


def rows_of(*values, size=None):
    size = max(map(len, values)) if size is None else size
    return np.frombuffer(b"".join(value.ljust(size, b"\0") for value in values), np.uint8).reshape(len(values), size)


def decode(build, type_id, *values):
    plan = plan_for(build.btf(), type_id)
    assert all(len(value) >= plan.size for value in values)
    return plan.decode(rows_of(*values))


@given(size=st.sampled_from([1, 2, 4, 8, 16]), signed=st.booleans(), data=st.data())
def test_integers_of_every_size_are_exact(size, signed, data):
    values = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=5))
    build = BtfBuilder()
    number = build.integer("n", size, SIGNED if signed else 0)

    assert decode(build, number, *values) == [int.from_bytes(v, "little", signed=signed) for v in values]


@given(bits=st.integers(1, 128), offset=st.integers(0, 200), signed=st.booleans(), old=st.booleans(), data=st.data())
def test_bit_fields_are_exact_in_both_encodings(bits, offset, signed, old, data):
    """Any width at any bit, with the width at the member or in a type of its own."""
    encoding = SIGNED if signed else 0
    size = (offset + bits + 7) // 8
    build = BtfBuilder()
    if old:
        holder = build.structure("s", size, [("f", build.integer("n", 16, encoding, bits=bits), offset)])
    else:
        holder = build.structure("s", size, [("f", build.integer("n", 16, encoding), offset, bits)])
    raw = data.draw(st.binary(min_size=size, max_size=size))

    expected = int.from_bytes(raw, "little") >> offset & (1 << bits) - 1
    if signed and expected >> bits - 1:
        expected -= 1 << bits

    assert decode(build, holder, raw) == [{"f": expected}]


def test_an_integer_of_few_bits_inside_its_bytes():
    """Old BTF can also say in the integer itself where its bits start."""
    build = BtfBuilder()
    inner = build.integer("n", 4, bits=3, offset=2)
    holder = build.structure("s", 4, [("f", inner, 8)])

    assert decode(build, holder, struct.pack("<I", 0b10100 << 8)) == [{"f": 0b101}]


def test_char_is_a_signed_number():
    build = BtfBuilder()
    assert decode(build, build.integer("char", 1, CHAR), b"\xff", b"A") == [-1, 65]


def test_bool_is_true_for_anything_but_zero():
    build = BtfBuilder()
    boolean = build.integer("_Bool", 1, BOOL)
    flags = build.structure("s", 1, [("a", boolean, 0, 1), ("b", boolean, 1, 1)])

    assert decode(build, boolean, b"\0", b"\1", b"\x80") == [False, True, True]
    assert decode(build, flags, b"\2") == [{"a": False, "b": True}]


@pytest.mark.parametrize(("form", "size"), [("<e", 2), ("<f", 4), ("<d", 8)])
def test_floats_are_widened_and_what_json_lacks_is_null(form, size):
    build = BtfBuilder()
    number = build.floating("float", size)
    values = [0.5, -0.0, math.inf, -math.inf, math.nan]

    decoded = decode(build, number, *[struct.pack(form, value) for value in values])

    assert decoded == [0.5, 0.0, None, None, None]
    assert math.copysign(1, decoded[1]) == -1


def test_a_float_is_widened_not_rounded():
    build = BtfBuilder()
    assert decode(build, build.floating("float", 4), struct.pack("<f", 0.1)) == [0.10000000149011612]


def test_enums_have_names_and_unknown_values_stay_numbers():
    build = BtfBuilder()
    plain = build.enum("e", 4, [("A", 0), ("B", 7), ("ALIAS", 7)])
    negative = build.enum("n", 4, [("MINUS", -1), ("ONE", 1)])
    flagged = build.enum("f", 1, [("MINUS", -1)], signed=True)
    wide = build.enum64("w", 8, [("HUGE", 1 << 63)])
    signed_wide = build.enum64("sw", 8, [("LOW", -(1 << 63))], signed=True)

    assert decode(build, plain, b"\7\0\0\0", b"\0\0\0\0", b"\xff" * 4) == ["B", "A", 0xFFFFFFFF]
    assert decode(build, negative, b"\xff" * 4, b"\xfe" + b"\xff" * 3) == ["MINUS", -2]
    assert decode(build, flagged, b"\xff", b"\x80") == ["MINUS", -128]
    assert decode(build, wide, bytes(7) + b"\x80", b"\1" + bytes(7)) == ["HUGE", 1]
    assert decode(build, signed_wide, bytes(7) + b"\x80", b"\xff" * 8) == ["LOW", -1]


def test_an_enum_in_a_bit_field_has_the_names_that_fit():
    build = BtfBuilder()
    enum = build.enum("e", 4, [("TWO", 2), ("SIX", 6)])
    holder = build.structure("s", 4, [("low", enum, 0, 2), ("high", enum, 3, 3)])

    assert decode(build, holder, bytes([2 | 6 << 3, 0, 0, 0])) == [{"low": "TWO", "high": "SIX"}]


def test_aliases_are_looked_through():
    build = BtfBuilder()
    u16 = build.integer("unsigned short", 2)
    for kind in (8, 9, 10, 11, 18):
        u16 = build.add(kind, "name" if kind in (8, 18) else "", u16)

    assert decode(build, u16, b"\1\2") == [513]


def test_pointers_are_numbers():
    build = BtfBuilder()
    assert decode(build, build.pointer(0), b"\xff" * 8) == [2**64 - 1]
    assert not plan_for(build.btf(), 1).is_number


def test_a_struct_keeps_its_order_and_skips_padding():
    build = BtfBuilder()
    u8, u32 = build.integer("u8", 1), build.integer("u32", 4)
    holder = build.structure("s", 8, [("z", u8, 0), ("a", u32, 32)])

    decoded = decode(build, holder, b"\1\xff\xff\xff\2\0\0\0")

    assert [list(value.items()) for value in decoded] == [[("z", 1), ("a", 2)]]


def test_unaligned_members_of_a_packed_struct():
    build = BtfBuilder()
    u8, u64 = build.integer("u8", 1), build.integer("u64", 8)
    holder = build.structure("s", 9, [("a", u8, 0), ("b", u64, 8)])

    assert decode(build, holder, b"\1" + struct.pack("<Q", 1 << 40)) == [{"a": 1, "b": 1 << 40}]


def test_a_union_shows_every_member():
    build = BtfBuilder()
    u32, u8 = build.integer("u32", 4), build.integer("u8", 1)
    either = build.union("u", 4, [("word", u32, 0), ("bytes", build.array(u8, 4), 0)])

    assert decode(build, either, b"\1\2\0\0") == [{"word": 513, "bytes": [1, 2, 0, 0]}]


def test_anonymous_members_belong_to_what_they_stand_in():
    """Two anonymous members, one in the other, and the bit-field inside keep their places."""
    build = BtfBuilder()
    u8, u32 = build.integer("u8", 1), build.integer("u32", 4)
    inner = build.structure("", 4, [("deep", u32, 4, 8)])
    either = build.union("", 4, [("word", u32, 0), ("", inner, 0)])
    holder = build.structure("s", 12, [("a", u8, 0), ("", either, 32), ("z", u32, 64)])

    assert decode(build, holder, b"\1\0\0\0" + b"\xf0\x0f\0\0" + b"\2\0\0\0") == [
        {"a": 1, "word": 0xFF0, "deep": 0xFF, "z": 2}
    ]


def test_empty_structs_and_flexible_arrays():
    build = BtfBuilder()
    u32 = build.integer("u32", 4)
    empty = build.structure("empty", 0, [])
    holder = build.structure("s", 4, [("n", u32, 0), ("none", empty, 32), ("rest", build.array(u32, 0), 32)])
    several = build.array(empty, 3)

    assert decode(build, holder, b"\5\0\0\0", b"\6\0\0\0") == [
        {"n": 5, "none": {}, "rest": []},
        {"n": 6, "none": {}, "rest": []},
    ]
    assert plan_for(build.btf(), several).decode(np.zeros((2, 0), np.uint8)) == [[{}] * 3] * 2


def test_arrays_in_any_dimension():
    build = BtfBuilder()
    s16 = build.integer("short", 2, SIGNED)
    matrix = build.array(build.array(s16, 3), 2)
    points = build.array(build.structure("p", 4, [("x", s16, 0), ("y", s16, 16)]), 2)

    assert decode(build, matrix, struct.pack("<6h", 1, 2, 3, -4, 5, 6)) == [[[1, 2, 3], [-4, 5, 6]]]
    assert decode(build, points, struct.pack("<4h", 1, 2, 3, 4)) == [[{"x": 1, "y": 2}, {"x": 3, "y": 4}]]


def test_arrays_of_bytes_and_chars_are_numbers():
    build = BtfBuilder()
    mac = build.array(build.integer("u8", 1), 6)
    text = build.array(build.integer("char", 1, SIGNED), 4)

    assert decode(build, mac, b"\0\xff\2\0\4\5") == [[0, 255, 2, 0, 4, 5]]
    assert decode(build, text, b"ab\0\xff") == [[97, 98, 0, -1]]


def test_no_rows_are_no_values():
    build = BtfBuilder()
    u32 = build.integer("u32", 4)
    holder = build.structure("s", 32, [("a", build.array(u32, 3), 0), ("wide", build.integer("u128", 16), 128)])

    assert plan_for(build.btf(), holder).decode(np.zeros((0, 32), np.uint8)) == []


def test_numbers_for_a_sample():
    """What JSON shows by name or as null is a number where numbers are wanted."""
    build = BtfBuilder()
    enum = build.enum("e", 4, [("SEVEN", 7)])
    boolean = build.integer("_Bool", 1, BOOL)
    double = build.floating("double", 8)
    record = build.structure("s", 4, [("e", enum, 0)])
    btf = build.btf()

    assert plan_for(btf, enum).numbers(rows_of(b"\7\0\0\0")) == [7]
    assert plan_for(btf, boolean).numbers(rows_of(b"\7", b"\0")) == [1, 0]
    assert plan_for(btf, double).numbers(rows_of(struct.pack("<d", math.inf))) == [math.inf]
    assert [plan_for(btf, kind).is_number for kind in (enum, boolean, double, record)] == [True, True, True, False]
    with pytest.raises(TypeError):
        plan_for(btf, record).numbers(rows_of(b"\7\0\0\0"))


def test_a_section_is_a_record_of_its_variables():
    build = BtfBuilder()
    u32 = build.integer("u32", 4)
    pair = build.array(u32, 2)
    section = build.section(".bss", [build.variable("pkts", u32), build.variable("bytes", pair)])

    value = struct.pack("<I28xII24x", 7, 8, 9)

    assert decode(build, section, value) == [{"pkts": 7, "bytes": [8, 9]}]
    assert list(build.btf().variables.values()) == [
        GlobalVariable("pkts", ".bss", 0, 32, u32),
        GlobalVariable("bytes", ".bss", 32, 32, pair),
    ]


def test_only_sections_with_values_have_global_variables():
    build = BtfBuilder()
    u32 = build.integer("u32", 4)
    for section in (".maps", "license", ".data.custom", ".rodata", ".bssx"):
        build.section(section, [build.variable(f"in {section}", u32)])

    assert ["in .data.custom", "in .rodata"] == list(build.btf().variables)


def itself(build):
    return build.structure("s", 8, [("again", 1, 0)])


def doubling(build):
    last = build.integer("u8", 1)
    for _ in range(40):
        last = build.union("u", 1, [("a", last, 0), ("b", last, 0)])
    return last


def doubling_anonymously(build):
    last = build.union("", 1, [("x", build.integer("u8", 1), 0)])
    for _ in range(40):
        last = build.union("", 1, [("", last, 0), ("", last, 0)])
    return last


def deep(build):
    last = build.integer("u8", 1)
    for _ in range(100):
        last = build.array(last, 1)
    return last


def unopened(build):
    """A section as the compiler leaves it."""
    variable = build.variable("v", build.integer("u32", 4))
    return build.add(15, ".bss", 0, 1, tail=struct.pack("<III", variable, 0, 4))


REFUSED = {
    "before libbpf has opened the object": unopened,
    "variable 'v' lies outside": lambda build: build.section(
        ".bss", [build.variable("v", build.array(build.integer("u64", 8), 5))]
    ),
    "entries that are not variables": lambda build: build.section(".bss", [build.integer("u64", 8)]),
    "void has no values": lambda build: 0,
    "no such type": lambda build: 99,
    "declared but not defined": lambda build: build.add(7, "later"),
    "a function has no values": lambda build: build.add(13),
    "it has no values": lambda build: build.variable("v", build.integer("u8", 1)),
    "contains itself": itself,
    "nested more than": deep,
    "lies outside": lambda build: build.structure("s", 2, [("a", build.integer("u32", 4), 0)]),
    "more than 1048576 parts": lambda build: build.array(build.structure("s", 0, []), 2**32 - 1),
    "starts within a byte": lambda build: build.structure("s", 9, [("p", build.pointer(0), 3)]),
    "cannot be a bit-field": lambda build: build.structure("s", 9, [("p", build.pointer(0), 3, 4)]),
    "12 bytes has no equal": lambda build: build.floating("long double", 12),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_values_is_refused_with_the_reason(reason):
    build = BtfBuilder()
    type_id = REFUSED[reason](build)

    with pytest.raises(UndecodableType, match=reason):
        plan_for(build.btf(), type_id)


@pytest.mark.parametrize(("bomb", "reason"), [(doubling, "1048576 parts"), (doubling_anonymously, "65536 members")])
def test_small_types_do_not_unfold_into_millions_of_values(bomb, reason):
    build = BtfBuilder()
    type_id = bomb(build)

    with pytest.raises(UndecodableType, match=f"more than {reason}"):
        plan_for(build.btf(), type_id)

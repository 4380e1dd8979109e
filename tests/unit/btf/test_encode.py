"""What a plan decodes can be encoded again, and what does not fit is refused with its place."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynmon.btf import UnencodableValue, encode, encode_untyped, plan_for
from dynmon.btf.encode import encode_by_plan
from dynmon.btf.plans import Bits, Boolean, Field, Integer, Record
from tests.unit.btf.builder import BOOL, SIGNED, BtfBuilder


def random_type(build, chance, depth=0):
    """A type of any kind, with its size."""
    kind = chance.choice(["int", "bool", "enum", "float", "pointer"] + ["array", "struct", "union"] * (depth < 3))
    if kind == "array":
        element, size = random_type(build, chance, depth + 1)
        count = chance.randint(0, 3)
        return build.array(element, count), size * count
    if kind in ("struct", "union"):
        return random_composite(build, chance, depth, is_union=kind == "union")
    size = chance.choice(
        {"int": [1, 2, 4, 8, 16], "bool": [1], "pointer": [8], "float": [2, 4, 8], "enum": [1, 4]}[kind]
    )
    match kind:
        case "int":
            return build.integer("n", size, chance.choice([0, SIGNED])), size
        case "bool":
            return build.integer("_Bool", 1, BOOL), 1
        case "enum":
            return build.enum("e", size, [("RED", 0), ("GREEN", 1), ("ALSO_GREEN", 1), ("BLUE", 7)]), size
        case "float":
            return build.floating("f", size), size
    return build.pointer(0), 8


def random_composite(build, chance, depth, *, is_union):
    members, end = [], 0
    u32 = build.integer("u32", 4, chance.choice([0, SIGNED]))
    for number in range(chance.randint(0, 4)):
        start = 0 if is_union else end + chance.choice([0, 0, 3])
        if chance.random() < 0.3:
            bits, at = chance.randint(1, 31), 8 * start + chance.randint(0, 7)
            members.append((f"m{number}", u32, at, bits))
            end = max(end, (at + bits + 7) // 8)
            continue
        type_id, size = random_type(build, chance, depth + 1)
        members.append((f"m{number}", type_id, 8 * start, 0))
        end = max(end, start + size)
    make = build.union if is_union else build.structure
    return make("s", end, members), end


@given(seed=st.integers(0, 2**64), data=st.data())
def test_what_a_read_gave_can_be_given_back(seed, data):
    """Of any type and any bytes; what a read then gives is the same."""
    build = BtfBuilder()
    type_id, size = random_type(build, random.Random(seed))
    btf = build.btf()
    plan = plan_for(btf, type_id)
    raw = data.draw(st.one_of(st.binary(min_size=size, max_size=size), st.just(b"\1" * size)))
    (value,) = plan.decode(rows(raw))

    again = encode(btf, type_id, value)

    assert size == len(again)
    assert [value] == plan.decode(rows(again))


def rows(raw):
    return np.frombuffer(raw, np.uint8).reshape(1, len(raw))


def flow(build):
    u8, u16, u32 = build.integer("u8", 1), build.integer("u16", 2), build.integer("u32", 4)
    text = build.array(build.integer("char", 1, SIGNED), 4)
    members = [
        ("saddr", build.typedef("__be32", u32), 0),
        ("ports", build.array(u16, 2), 32),
        ("name", text, 64),
        ("mac", build.array(u8, 6), 96),
        ("color", build.enum("color", 1, [("RED", 0), ("BLUE", 7)]), 144),
    ]
    return build.structure("flow", 20, members)


def flow_bytes(value):
    build = BtfBuilder()
    type_id = flow(build)
    return encode(build.btf(), type_id, value)


def test_members_that_are_not_mentioned_are_zero_and_short_lists_are_filled():
    assert bytes(20) == flow_bytes({})
    assert bytes(4) + b"\1\0" + bytes(14) == flow_bytes({"ports": [1]})


def test_text_and_addresses_in_their_usual_spelling():
    value = {"saddr": "10.0.0.1", "name": "ab", "mac": "02:00:00:00:00:ff", "color": "BLUE"}

    assert b"\x0a\0\0\1" + bytes(4) + b"ab\0\0" + b"\2\0\0\0\0\xff" + b"\7\0" == flow_bytes(value)
    assert b"\2\0\0\0\0\xff" == flow_bytes({"mac": "0200000000ff"})[12:18]
    assert b"abcd" == flow_bytes({"name": "abcd"})[8:12]


def test_numbers_may_be_decimal_or_hexadecimal_text():
    assert b"\xff\xff\0\0\0\1\0\2" == flow_bytes({"saddr": "0xFFFF", "ports": ["256", "0x200"]})[:8]


def test_an_ipv6_address_for_sixteen_bytes():
    build = BtfBuilder()
    address = build.array(build.integer("u8", 1), 16)

    assert b"\x20\1\x0d\xb8" + bytes(11) + b"\1" == encode(build.btf(), address, "2001:db8::1")


def test_an_enum_takes_both_names_of_a_number_and_numbers_without_one():
    build = BtfBuilder()
    enum = build.enum("e", 4, [("A", 7), ("ALIAS", 7)])

    assert [7, 7, 9] == [encode(build.btf(), enum, value)[0] for value in ("A", "ALIAS", 9)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "expected an object with saddr, ports, name, mac, color, not 7"),
        ({"dport": 1}, 'has no member "dport"; its members: saddr, ports, name, mac, color'),
        ({"saddr": -1}, "saddr: expected a number from 0 to 4294967295, not -1"),
        ({"saddr": True}, "saddr: expected a number from 0 to 4294967295, not true"),
        ({"saddr": None}, "saddr: expected a number from 0 to 4294967295, not null"),
        ({"saddr": 10**5000}, "saddr: expected a number from 0 to 4294967295, not a number with thousands of digits"),
        ({"color": "\ud800"}, 'color: expected RED, BLUE or a number, not "?"'),
        ({"saddr": "10.0.0"}, 'saddr: expected a number from 0 to 4294967295, not "10.0.0"'),
        ({"ports": [1, 70000]}, "ports[1]: expected a number from 0 to 65535, not 70000"),
        ({"ports": [1, 2, 3]}, "ports: expected 2 values at most, not 3"),
        ({"ports": "12"}, 'ports: expected a list of 2 values, not "12"'),
        ({"name": "abcde"}, 'name: expected text of 4 bytes at most, not "abcde"'),
        ({"name": [200]}, "name[0]: expected a number from -128 to 127, not 200"),
        ({"color": "PINK"}, 'color: expected RED, BLUE or a number, not "PINK"'),
        (
            {"mac": "02:00"},
            'mac: expected a list of 6 numbers, 12 hexadecimal digits or a MAC address, not "02:00"',
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(value, message):
    with pytest.raises(UnencodableValue) as refusal:
        flow_bytes(value)

    assert message == str(refusal.value)
    assert message.removeprefix(f"{refusal.value.path}: ") == refusal.value.reason


def test_members_of_a_union_may_agree_but_not_contradict():
    build = BtfBuilder()
    u32, u8 = build.integer("u32", 4), build.integer("u8", 1)
    either = build.union("", 4, [("word", u32, 0), ("bytes", build.array(u8, 4), 0)])
    holder = build.structure("s", 8, [("a", u32, 0), ("", either, 32)])

    assert bytes(4) + b"\1\2\0\0" == encode(build.btf(), holder, {"word": 513})
    assert bytes(4) + b"\1\2\0\0" == encode(build.btf(), holder, {"bytes": [1, 2], "word": 513})
    with pytest.raises(UnencodableValue, match=r"bytes\[1\]: contradicts another member"):
        encode(build.btf(), holder, {"word": 513, "bytes": [1, 3]})


def test_a_truth_takes_a_bit_that_other_members_of_its_union_leave():
    low = Field("low", 0, Bits(1, 0, 3, is_signed=False), "u8")
    whole = Field("whole", 0, Integer(1, is_signed=False), "u8")
    truth = Field("truth", 0, Boolean(1, Integer(1, is_signed=False)), "bool")
    partly, wholly = Record(1, (low, truth)), Record(1, (whole, truth))
    written = encode_by_plan(partly, {"low": 0, "truth": True})
    assert partly.decode(np.frombuffer(written, np.uint8).reshape(1, 1)) == [{"low": 0, "truth": True}]
    with pytest.raises(UnencodableValue, match="truth: contradicts another member of its union"):
        encode_by_plan(wholly, {"whole": 0, "truth": True})


def test_a_number_that_the_float_cannot_hold_is_refused():
    build = BtfBuilder()
    single = build.floating("float", 4)

    with pytest.raises(UnencodableValue, match="too large"):
        encode(build.btf(), single, 1e39)
    assert math.inf == np.frombuffer(encode(build.btf(), single, math.inf), "<f4")[0]


def test_null_is_no_finite_number():
    """Beside what other members of its union say, unless they make it one."""
    build = BtfBuilder()
    single, u32, u16 = build.floating("float", 4), build.integer("u32", 4), build.integer("u16", 2)
    either = build.union("either", 4, [("number", single, 0), ("word", u32, 0), ("half", u16, 0)])

    assert math.isnan(np.frombuffer(encode(build.btf(), single, None), "<f4")[0])
    assert b"\0\0\x80\x7f" == encode(build.btf(), either, {"number": None, "word": 0x7F800000, "half": 0})
    assert b"\5\0\xff\xff" == encode(build.btf(), either, {"number": None, "half": 5})
    with pytest.raises(UnencodableValue, match="number: contradicts another member of its union"):
        encode(build.btf(), either, {"number": None, "word": 1})


def test_bytes_of_unknown_type_are_digits_or_a_number():
    assert b"\x0a\0\0\1" == encode_untyped(4, "0a000001")
    assert b"\1\2\0" == encode_untyped(3, 513)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0a", 'expected 8 hexadecimal digits, not "0a"'),
        ("0a 00 00", 'expected 8 hexadecimal digits, not "0a 00 00"'),
        (2**32, "expected a number from 0 to 4294967295, not 4294967296"),
        ([1], "expected 8 hexadecimal digits or a number, not [1] (its type is not known)"),
    ],
)
def test_bytes_of_unknown_type_that_do_not_fit(value, message):
    with pytest.raises(UnencodableValue) as refusal:
        encode_untyped(4, value)

    assert message == str(refusal.value)

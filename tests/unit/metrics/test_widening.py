"""Values of several reads become one: numbers grow to 64 bits, each part by its rule."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynmon.btf import Hexadecimal, Integer, Record, Repeated, plan_for
from dynmon.btf.plans import Address, Bits, Boolean, Enumeration, Field, Floating
from dynmon.metrics.widening import UnknownField, Widened
from dynmon.models import Merge
from tests.unit.btf.builder import BtfBuilder

U8, U16, U32, U64, U128 = (Integer(size, is_signed=False) for size in (1, 2, 4, 8, 16))
S32 = Integer(4, is_signed=True)
CHAR = Integer(1, is_signed=True, is_char=True)
STATE = Enumeration(4, S32, {0: "CLOSED", 1: "OPEN"}, {"CLOSED": 0, "OPEN": 1})


def array(element, count):
    return Repeated(element.size * count, element, count, leaves=element.leaves * count)


def record(*parts, size=None):
    """Members one behind the other, unless they say where they are: (name, plan, type name, offset)."""
    fields, end = [], 0
    for name, plan, *rest in parts:
        type_name, offset = [*rest, *["", end][len(rest) :]]
        fields.append(Field(name, offset, plan, type_name))
        end = max(end, offset + plan.size)
    return Record(end if size is None else size, tuple(fields), leaves=max(1, sum(part.plan.leaves for part in fields)))


def rows(*values):
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)


def combined(plan, *values, type_name="", **rules):
    """What becomes of values that were read one after the other."""
    widened = Widened.of(plan, type_name, rules_of(rules))
    result = widened.widen(rows(values[0]))
    for value in values[1:]:
        result = widened.combine(result, widened.widen(rows(value)))
    (only,) = widened.plan.decode(result)
    return only


def difference(plan, now, then, **rules):
    widened = Widened.of(plan, "", rules_of(rules))
    (only,) = widened.plan.decode(widened.difference(widened.widen(rows(now)), widened.widen(rows(then))))
    return only


def rules_of(rules):
    return {name.replace("__", ".").replace("whole", ""): Merge(rule) for name, rule in rules.items()}


@given(size=st.sampled_from([1, 2, 4, 8, 16]), signed=st.booleans(), data=st.data())
def test_integers_of_every_size_add_up_beyond_their_own_width(size, signed, data):
    values = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=5))
    bits = 128 if size == 16 else 64
    numbers = [int.from_bytes(value, "little", signed=signed) for value in values]
    total = sum(numbers) % (1 << bits)
    if signed and total >> bits - 1:
        total -= 1 << bits

    plan = Integer(size, signed)
    assert total == combined(plan, *values)
    assert max(numbers) == combined(plan, *values, whole="max")
    assert min([number for number in numbers if number] or [0]) == combined(plan, *values, whole="min")
    assert numbers[-1] == combined(plan, *values, whole="last")


@given(bits=st.integers(1, 128), shift=st.integers(0, 70), signed=st.booleans(), data=st.data())
def test_bit_fields_become_whole_numbers(bits, shift, signed, data):
    size = (shift + bits + 7) // 8
    plan = Bits(size, shift, bits, signed)
    value = data.draw(st.binary(min_size=size, max_size=size))

    assert plan.decode(rows(value)) == [combined(plan, value)]


def test_many_rows_are_merged_each_with_its_own():
    widened = Widened.of(record(("packets", U32), ("peak", U16)), "", {"peak": Merge.MAX})
    numbers = np.arange(5000, dtype=np.uint32)
    raw = np.zeros(5000, [("packets", "<u4"), ("peak", "<u2")])
    raw["packets"], raw["peak"] = numbers, numbers
    reverse = raw[::-1].copy()
    older, newer = (widened.widen(some.view(np.uint8).reshape(5000, 6)) for some in (raw, reverse))

    merged = widened.plan.decode(widened.combine(older, newer))

    assert [{"packets": 4999, "peak": max(index, 4999 - index)} for index in range(5000)] == merged


def test_what_nobody_adds_is_the_newest():
    plan = record(
        ("count", U32, "u32"),
        ("comm", array(CHAR, 4), "char[4]"),
        ("mac", array(U8, 6), "u8[6]"),
        ("source", U32, "__be32"),
        ("address", array(U32, 4), "const __be32[4]"),
        ("port", Integer(2, is_signed=False, is_big_endian=True), "be16"),
        ("state", STATE, "enum state"),
        ("seen", Boolean(1, U8), "bool"),
        ("letter", CHAR, "char"),
        ("socket", Address(8), "struct sock *"),
        ("rest", Hexadecimal(3), ""),
    )
    first = struct.pack("<I4s6sI16sHi?cQ3s", 7, b"old", b"\1" * 6, 1, b"\2" * 16, 3, 0, True, b"a", 5, b"abc")
    last = struct.pack("<I4s6sI16sHi?cQ3s", 9, b"new", b"\3" * 6, 4, b"\0" * 16, 5, 1, False, b"b", 6, b"def")
    (expected,) = plan.decode(rows(last))

    assert {**expected, "count": 16} == combined(plan, first, last)


def test_floating_point_adds_up_as_double():
    half, single = Floating(2), Floating(4)

    assert 131008.0 == combined(half, struct.pack("<e", 65504.0), struct.pack("<e", 65504.0))
    assert 0.75 == combined(single, struct.pack("<f", 0.5), struct.pack("<f", 0.25))
    assert -0.5 == combined(single, struct.pack("<f", -0.5), struct.pack("<f", 0.0), whole="min")


def test_rules_reach_through_structs_and_arrays():
    inner = record(("x", U16), ("y", U16))
    plan = record(("inner", inner), ("slots", array(inner, 2)), ("matrix", array(array(U16, 2), 2)))
    older, newer = struct.pack("<10H", *range(10)), struct.pack("<10H", *range(9, -1, -1))

    assert {
        "inner": {"x": 0 + 9, "y": 8},
        "slots": [{"x": 7, "y": 6}, {"x": 5, "y": 5}],
        "matrix": [[9, 9], [9, 9]],
    } == combined(plan, older, newer, inner__y="max", slots="max", slots__x="last")


def test_minimum_takes_zero_for_not_set():
    plan = record(("least", S32))

    assert {"least": -3} == combined(plan, *(struct.pack("<i", n) for n in (0, 5, -3, 0)), least="min")
    assert 1 << 64 == combined(U128, bytes(16), (1 << 64).to_bytes(16, "little"), bytes(16), whole="min")


def test_extremes_of_enums_and_booleans_stay_what_they_are_and_sums_are_numbers():
    is_open, is_closed = struct.pack("<i", 1), struct.pack("<i", 0)

    assert "OPEN" == combined(STATE, is_open, is_closed, whole="max")
    assert 2 == combined(STATE, is_open, is_closed, is_open, whole="sum")
    assert combined(Boolean(1, U8), b"\7", b"\0", whole="max") is True
    assert 2 == combined(Boolean(1, U8), b"\7", b"\0", b"\1", whole="sum")


def test_network_byte_order_is_added_in_the_machines():
    port = Integer(2, is_signed=False, is_big_endian=True)

    assert 0x0300 == combined(port, b"\1\0", b"\2\0", whole="sum")


def test_members_of_a_union_stay_together_and_their_neighbours_add_up():
    plan = record(
        ("packets", U32, "u32", 0), ("v4", U32, "u32", 4), ("v6", array(U32, 2), "u32[2]", 4), ("bytes", U32, "u32", 12)
    )
    older, newer = struct.pack("<4I", 1, 2, 3, 4), struct.pack("<4I", 5, 6, 7, 8)

    assert {"packets": 6, "v4": 6, "v6": [6, 7], "bytes": 12} == combined(plan, older, newer)
    with pytest.raises(UnknownField, match=r"'v4' cannot have the rule 'sum': it shares its bytes"):
        combined(plan, older, newer, v4="sum")


def test_bit_fields_of_one_byte_are_no_union():
    plan = record(("low", Bits(1, 0, 4, False), "u8", 0), ("high", Bits(1, 4, 4, False), "u8", 0))

    assert {"low": 30, "high": 16} == combined(plan, b"\x8f", b"\x8f")


def test_a_type_that_the_compiler_described():
    build = BtfBuilder()
    u32 = build.integer("unsigned int", 4)
    outer = build.structure("flow", 12, [("packets", u32, 0), ("bytes", u32, 64)])

    assert {"packets": 1 << 32, "bytes": 4} == combined(
        plan_for(build.btf(), outer),
        struct.pack("<III", (1 << 32) - 1, 99, 1),
        struct.pack("<III", 1, 99, 3),
    )


def test_values_without_bytes_have_none():
    nothing = record(("none", array(U32, 0)))

    widened = Widened.of(nothing, "", {})
    assert (2, 0) == widened.combine(widened.widen(np.zeros((2, 0), np.uint8)), np.zeros((2, 0), np.uint8)).shape
    assert (0, 8) == Widened.of(U32, "", {}).widen(np.zeros((0, 4), np.uint8)).shape


@pytest.mark.parametrize(
    ("plan", "now", "then", "expected"),
    [
        (U32, 5, (1 << 32) - 16, 21),  # went round
        (U32, 1000, 400, 600),
        (U64, 7, 1 << 40, 7),  # was set back: deleted and made again
        (U64, (1 << 64) - 1, 0, (1 << 64) - 1),
        (U128, 1 << 64, 1, (1 << 64) - 1),
        (U128, 3, 1 << 70, 3),
        (S32, -5, 10, -15),
        (S32, -(1 << 31), (1 << 31) - 1, 1),
        (Integer(16, is_signed=True), -(1 << 70), 1, -(1 << 70) - 1),
        (Bits(1, 0, 4, False), 1, 15, 2),
    ],
)
def test_what_was_added_between_two_looks(plan, now, then, expected):
    signed = now < 0
    values = [number.to_bytes(plan.size, "little", signed=signed) for number in (now, then)]

    assert expected == difference(plan, *values)


def test_a_difference_leaves_alone_what_does_not_add_up():
    plan = record(("packets", U64), ("last_seen", U64), ("peak", U64), ("load", Floating(8)))
    then, now = struct.pack("<3Qd", 5, 10, 20, 0.5), struct.pack("<3Qd", 8, 11, 19, 0.25)

    assert {"packets": 3, "last_seen": 11, "peak": 19, "load": -0.25} == (
        difference(plan, now, then, last_seen="last", peak="max")
    )


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"inner.z": Merge.SUM}, "the value has no field 'inner.z'; it has: inner, inner.x, comm, socket"),
        ({"comm": Merge.SUM}, "field 'comm' cannot have the rule 'sum': it is text; the rule 'last' is possible"),
        ({"socket": Merge.MAX}, "field 'socket' cannot have the rule 'max': pointers are not numbers"),
        ({"": Merge.MIN}, "field 'comm' cannot have the rule 'min'"),
    ],
)
def test_rules_that_have_no_meaning_are_refused(rules, reason):
    plan = record(("inner", record(("x", U32))), ("comm", array(CHAR, 4)), ("socket", Address(8)))

    with pytest.raises(UnknownField) as refusal:
        Widened.of(plan, "struct flow", rules)

    assert reason in refusal.value.reason
    assert ("did you mean 'inner.x'?" if "inner.z" in rules else "") == refusal.value.hint


def test_a_scalar_has_no_fields():
    with pytest.raises(UnknownField, match="the value has no field 'x'; it has no fields"):
        Widened.of(U32, "u32", {"x": Merge.SUM})

"""What the parts of a type write is what decoding its values and encoding them as JSON gives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynmon.btf import plans as btf
from dynmon.btf.prefixes import Prefix
from dynmon.metrics.json_parts import MOST_PARTS, NotInParts, value_parts
from dynmon.rendering import render

names = st.text(st.sampled_from('ab"\\\n\x01é🐝\ud800'), min_size=1, max_size=3)
integers = st.one_of(
    st.builds(btf.Integer, st.sampled_from([1, 2, 4, 8, 16]), st.booleans()),
    st.builds(btf.Integer, st.sampled_from([2, 4, 8]), st.booleans(), is_big_endian=st.just(True)),
)


@st.composite
def bit_fields(draw, most_bits=128):
    """With the bytes that the planner gives them."""
    shift, bits = draw(st.integers(0, 40)), draw(st.integers(1, most_bits))
    return btf.Bits((shift + bits + 7) // 8, shift, bits, draw(st.booleans()))


words = st.builds(btf.Integer, st.sampled_from([1, 2, 4, 8]), st.booleans()) | bit_fields(64)
scalars = st.one_of(
    integers,
    bit_fields(),
    words.map(lambda number: btf.Boolean(number.size, number)),
    st.tuples(words, st.dictionaries(st.integers(-3, 3), names)).map(
        lambda drawn: btf.Enumeration(drawn[0].size, drawn[0], drawn[1], {})
    ),
    st.builds(btf.Floating, st.sampled_from([2, 4, 8])),
    st.builds(btf.Address, st.just(8)),
    st.builds(btf.MapId, st.just(4)),
    st.builds(btf.Hexadecimal, st.integers(0, 9)),
    st.sampled_from([8, 20]).map(lambda size: Prefix(size, btf.Hexadecimal(size))),
)


def arrays(elements):
    return st.tuples(elements, st.integers(0, 3)).map(
        lambda drawn: btf.Repeated(drawn[0].size * drawn[1], drawn[0], drawn[1])
    )


def records(members):
    """Their members anywhere, one over the other, some of one name."""
    fields = st.lists(st.builds(btf.Field, names, st.integers(0, 9), members, st.just("")), max_size=4)
    return fields.map(
        lambda parts: btf.Record(max((part.offset + part.plan.size for part in parts), default=0), tuple(parts))
    )


plans = st.recursive(scalars, lambda inner: arrays(inner) | records(inner), max_leaves=8)


@given(st.data())
@settings(max_examples=400)
def test_any_type(data):
    """Numbers of any kind, arrays and records in one another, at any place of a row."""
    plan, offset = data.draw(plans), data.draw(st.integers(0, 5))
    count = data.draw(st.integers(1, 3))
    width = offset + plan.size
    rows = np.frombuffer(data.draw(st.binary(min_size=count * width, max_size=count * width)), np.uint8)
    rows = rows.reshape(count, width)

    texts = [
        json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        for value in plan.decode(rows[:, offset:])
    ]
    assert "".join(texts).encode("utf-8", "backslashreplace") == render(value_parts(plan, offset), rows)


def test_a_type_with_too_many_parts_is_left_to_decoding():
    """Records in records multiply."""
    byte = btf.Integer(1, False)
    wide = btf.Record(64, tuple(btf.Field(f"m{number}", number, byte, "u8") for number in range(64)))
    wider = btf.Record(64 * 64, tuple(btf.Field(f"m{number}", 64 * number, wide, "") for number in range(64)))

    lists = btf.Record(
        64 * 64, tuple(btf.Field(f"m{number}", 64 * number, btf.Repeated(64, wide, 1), "") for number in range(64))
    )

    assert len(value_parts(wide, 0)) < MOST_PARTS
    for too_much in (wider, lists):
        with pytest.raises(NotInParts):
            value_parts(too_much, 0)

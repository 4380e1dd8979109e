"""Sums are those of Python's integers, however wide, signed or many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynmon.btf.plans import Field, Integer
from dynmon.metrics.sums import Numbers

SIZES = [(size, is_signed) for size in (1, 2, 4, 8, 16) for is_signed in (False, True)]


def column(values, size, is_signed):
    raw = b"".join(value.to_bytes(size, "little", signed=is_signed) for value in values)
    rows = np.frombuffer(raw, np.uint8).reshape(-1, size)
    return Numbers.of(Field("", 0, Integer(size, is_signed), "number"), rows)


def read(numbers):
    width = 8 * numbers.words.shape[1]
    return [int.from_bytes(row.tobytes(), "little", signed=numbers.is_signed) for row in numbers.bytes[:, :width]]


@pytest.mark.parametrize(("size", "is_signed"), SIZES)
@given(data=st.data())
def test_groups_runs_and_cumulated_sums(size, is_signed, data):
    bits = 8 * size - (size == 16)  # one bit of room for sums of the widest
    low, high = (-(1 << bits - 2), (1 << bits - 2) - 1) if is_signed else (0, (1 << bits - 1) - 1)
    values = data.draw(st.lists(st.integers(low, high) | st.sampled_from([low, high]), min_size=6, max_size=6))
    ids = data.draw(st.lists(st.integers(0, 2), min_size=6, max_size=6))
    numbers = column(values, size, is_signed)

    if size < 16:
        assert [sum(values[:3]), sum(values[3:])] == read(numbers.summed(3))
        assert [sum(v for v, i in zip(values, ids, strict=True) if i == group) for group in range(3)] == read(
            numbers.grouped(np.array(ids), 3)
        )
        assert [sum(values[start : end + 1]) for start in (0, 3) for end in range(start, start + 3)] == read(
            numbers.cumulated(3)
        )
    assert [sum(values[:2]), sum(values[2:4]), sum(values[4:])] == read(numbers.summed(2))
    assert [value >= 0 for value in values] == numbers.is_countable().tolist()


@pytest.mark.parametrize(("count", "value"), [(2, 2**64 - 1), (1000, 2**63), (3, 2**63 - 1)])
def test_what_goes_beyond_a_word_gets_a_second_one(count, value):
    assert [count * value] == read(column([value] * count, 8, is_signed=False).summed(count))


def test_nothing_has_no_sum():
    none = column([], 8, is_signed=False)

    assert 0 == len(none.summed(3))
    assert [0, 0] == read(none.grouped(np.empty(0, np.intp), 2))

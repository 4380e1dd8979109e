"""A structured array → a DataFrame, with a column for each leaf."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dynmon.errors import UnsupportedError
from dynmon.monitor.frames import data_frame

ROWS = np.array(
    [(((1, b"eth0"), (10, [1, 2], True))), (((2, b"lo\0x"), (2**63, [3, 4], False)))],
    [
        ("key", [("port", "<u2"), ("name", "S4")]),
        ("value", [("packets", "<u8"), ("sizes", "<u4", (2,)), ("seen", "?")]),
    ],
)
COLUMNS = ["key.port", "key.name", "value.packets", "value.sizes", "value.seen"]


def test_pandas_gets_a_column_for_each_leaf():
    """Numbers keep their size, text ends where C ends it, an array is a list."""
    frame = data_frame(ROWS)

    assert COLUMNS == list(frame.columns)
    assert [[1, "eth0", 10, [1, 2], True], [2, "lo", 2**63, [3, 4], False]] == frame.to_numpy().tolist()
    assert ["uint16", "uint64", "bool"] == [str(frame.dtypes[name]) for name in (COLUMNS[0], COLUMNS[2], COLUMNS[4])]


def test_per_cpu_values_are_lists_by_cpu():
    rows = np.zeros(2, [("key", "<u4"), ("value", [("packets", "<u8")], (3,))])
    rows["value"]["packets"] = [[1, 2, 3], [4, 5, 6]]

    frame = data_frame(rows)

    assert [[1, 2, 3], [4, 5, 6]] == frame["value.packets"].tolist()
    assert [6, 15] == frame["value.packets"].map(sum).tolist()


def test_bytes_of_unknown_type_are_hexadecimal():
    """As in JSON."""
    rows = np.zeros(1, [("key", "V2"), ("value", "V2", (2,))])
    rows["value"][0, 1] = b"\xff\0"

    assert [["0000", ["0000", "ff00"]]] == data_frame(rows).to_numpy().tolist()


def test_an_empty_map_has_its_columns():
    frame = data_frame(ROWS[:0])

    assert COLUMNS == list(frame.columns)
    assert 0 == len(frame)


def test_polars_where_there_is_no_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    frame = data_frame(ROWS)

    assert COLUMNS == frame.columns
    assert [(1, "eth0", 10, [1, 2], True), (2, "lo", 2**63, [3, 4], False)] == frame.rows()
    assert (0, len(COLUMNS)) == data_frame(ROWS[:0]).shape


def test_without_a_library_the_error_says_what_to_install(monkeypatch):
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(UnsupportedError, match="pip install pandas"):
        data_frame(ROWS)

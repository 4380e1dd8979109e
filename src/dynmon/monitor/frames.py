"""A structured array → a DataFrame of the library that is installed; Dynmon itself needs none."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from dynmon.errors import UnsupportedError
from dynmon.monitor.tables import Column

LIBRARIES = ("pandas", "polars")


def data_frame(rows: Column) -> Any:
    """A pandas DataFrame, or a polars one where there is no pandas; a column for each leaf, as ``key.src``.

    Raises:
        UnsupportedError: Neither is installed.
    """
    return _library().DataFrame(
        {name: content for field in rows.dtype.names or () for name, content in _leaves(field, rows[field])}
    )


def _library() -> ModuleType:
    for name in LIBRARIES:
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise UnsupportedError("make a DataFrame: neither pandas nor polars is installed; pip install pandas")


def _leaves(name: str, values: Column) -> Iterator[tuple[str, Any]]:
    """The columns below `name`; an array is one column of lists, text ends where C ends it."""
    if values.dtype.names is not None:
        for field in values.dtype.names:
            yield from _leaves(f"{name}.{field}", values[field])
        return
    if values.dtype.kind == "S":
        values = np.char.partition(np.char.decode(values, "utf-8", "replace"), "\0")[..., 0]
    is_plain = values.ndim == 1 and values.dtype.kind in "iufb"
    yield name, np.ascontiguousarray(values) if is_plain else values.tolist()

"""A structured array → a DataFrame of the library that is installed; Dynmon itself needs none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """The columns below `name`; an array is one column of lists, text ends where C ends it, bytes are hexadecimal."""
    if values.dtype.names is not None:
        for field in values.dtype.names:
            yield from _leaves(f"{name}.{field}", values[field])
        return
    if values.ndim == 1 and values.dtype.kind in NUMBERS:
        yield name, np.ascontiguousarray(values)
    else:
        yield name, _spelled(values.tolist(), SPELLINGS.get(values.dtype.kind, _as_it_is))


def _spelled(value: Any, spelling: Callable[[Any], Any]) -> Any:
    return [_spelled(each, spelling) for each in value] if isinstance(value, list) else spelling(value)


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode(errors="replace")


NUMBERS = "iufb"  # kinds of dtypes: integers, floats, bool
SPELLINGS: dict[str, Callable[[Any], Any]] = {"S": _text, "V": bytes.hex}

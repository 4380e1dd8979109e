"""A map's entries as a numpy structured array.

The fields are ``key``, where the map has keys, and ``value``; structs are structured themselves, so that
``table["value"]["packets"]`` is a column. Nothing is a view of the kernel's layout: padding is left out, bit-fields and
big-endian numbers have become ordinary numbers, and the members of a union stand side by side. Prefixes are text, and
the value of a map of maps is a table itself, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynmon.btf import Hexadecimal, Integer, MapId, Plan, Prefix, Rows
from dynmon.btf.plans import Address, Bits, Boolean, Enumeration, Floating, Record, Repeated
from dynmon.metrics import BoundMetric
from dynmon.metrics.extraction import Entries
from dynmon.metrics.nested import NestedEntries

Column = NDArray[Any]
WORD_BYTES = 8
WORD_BITS = 64
LONGEST_PREFIX = {4: len("255.255.255.255/32"), 16: len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")}


def table(metric: BoundMetric, entries: Entries) -> Column:
    """One row for each entry; the values of a per-CPU map have a dimension more, one for each possible CPU."""
    columns = [] if metric.key is None else [("key", column(metric.key, entries.keys))]
    if isinstance(entries, NestedEntries):
        columns.append(("value", _tables(entries)))
    else:
        columns.append(("value", _values(metric.value, entries.values)))
    return _structured(columns, len(entries))


def column(plan: Plan, rows: Rows) -> Column:
    """The values in `rows`, of a dtype that follows from the plan alone; an array adds dimensions."""
    return COLUMNS[type(plan)](plan, rows)


def _values(plan: Plan, rows: Rows) -> Column:
    if rows.ndim == 2:
        return column(plan, rows)
    entries, cpus, size = rows.shape
    flat = column(plan, np.ascontiguousarray(rows).reshape(entries * cpus, size))
    return flat.reshape(entries, cpus, *flat.shape[1:])


def _tables(entries: NestedEntries) -> Column:
    tables: Column = np.empty(len(entries), object)
    for row, inner in enumerate(entries.inner):
        tables[row] = None if inner is None else table(inner.metric, inner.entries)
    return tables


def _structured(columns: Sequence[tuple[str, Column]], rows: int) -> Column:
    result: Column = np.empty(rows, [(name, each.dtype, each.shape[1:]) for name, each in columns])
    for name, each in columns:
        result[name] = each
    return result


def _viewed(rows: Rows, dtype: np.typing.DTypeLike) -> Column:
    size = np.dtype(dtype).itemsize
    viewed: Column = np.ascontiguousarray(rows[:, :size]).view(dtype)[:, 0]
    return viewed


def _integer(plan: Integer, rows: Rows) -> Column:
    kind = "i" if plan.is_signed else "u"
    if plan.size > WORD_BYTES:
        return _viewed(rows, [("low", "<u8"), ("high", f"<{kind}8")])
    if plan.is_big_endian:
        return _viewed(rows, f">{kind}{plan.size}").astype(f"{kind}{plan.size}")
    return _viewed(rows, f"<{kind}{plan.size}")


def _bits(plan: Bits, rows: Rows) -> Column:
    if plan.bits > WORD_BITS:
        return np.array(plan.decode(rows), object)
    return np.array(plan.decode(rows), np.int64 if plan.is_signed else np.uint64)


def _boolean(plan: Boolean, rows: Rows) -> Column:
    return np.array(plan.decode(rows), np.bool_)


def _floating(plan: Floating, rows: Rows) -> Column:
    return _viewed(rows, f"<f{plan.size}")


def _enumeration(plan: Enumeration, rows: Rows) -> Column:
    return column(plan.number, rows)


def _address(plan: Address, rows: Rows) -> Column:
    return _viewed(rows, f"<u{plan.size}")


def _map_id(plan: MapId, rows: Rows) -> Column:
    return _viewed(rows, f"<u{plan.size}")


def _prefix(plan: Prefix, rows: Rows) -> Column:
    return np.array(plan.decode(rows), f"U{LONGEST_PREFIX[plan.address_bytes]}")


def _hexadecimal(plan: Hexadecimal, rows: Rows) -> Column:
    return _viewed(rows, f"V{plan.size}")


def _repeated(plan: Repeated, rows: Rows) -> Column:
    element = plan.element
    if isinstance(element, Integer) and element.is_char and element.is_signed and plan.count:
        return _viewed(rows, f"S{plan.count}")
    flat_rows = np.ascontiguousarray(rows[:, : plan.size]).reshape(len(rows) * plan.count, element.size)
    flat = column(element, flat_rows)
    return flat.reshape(len(rows), plan.count, *flat.shape[1:])


def _record(plan: Record, rows: Rows) -> Column:
    return _structured([(part.name, column(part.plan, rows[:, part.offset :])) for part in plan.parts], len(rows))


COLUMNS: dict[type[Plan], Callable[[Any, Rows], Column]] = {
    Integer: _integer,
    Bits: _bits,
    Boolean: _boolean,
    Floating: _floating,
    Enumeration: _enumeration,
    Address: _address,
    MapId: _map_id,
    Prefix: _prefix,
    Hexadecimal: _hexadecimal,
    Repeated: _repeated,
    Record: _record,
}

"""An answer as text for people: leaves as ``key: value``, sub-objects indented, lists of objects as tables.

The same value gives the same text wherever it is printed; only a terminal that is too narrow for a table folds
the table's cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dynmon.cli.polycubectl.grammar import View
from dynmon.cli.text import printable

DEPTHS = {"brief": 1, "normal": 2, "verbose": 100}
# Longer arrays in a table cell are counted instead of shown, unless everything is asked for.
MAX_CELL_CHARACTERS = 60
COLUMN_GAP = "  "


def render(data: Any, view: View, width: int | None = None) -> str:
    """`data` as `view` wants it, without a line end; `width` is that of the terminal, None elsewhere."""
    if view.format == "json":
        return json.dumps(data, indent=2, ensure_ascii=False)
    if view.format == "yaml":
        import yaml

        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True)).rstrip("\n").removesuffix("\n...")
    shown = without_links(data)
    for key in view.hide:
        shown = without(shown, key.split("."))
    return "\n".join(_Writer(view.format, width).lines(shown))


def without_links(data: Any) -> Any:
    """`data` without the ``_links`` of its objects, and without those that the original puts into lists."""
    if isinstance(data, dict):
        return {key: without_links(value) for key, value in data.items() if key != "_links"}
    if isinstance(data, list):
        return [without_links(item) for item in data if not (isinstance(item, list) and item[:1] == ["_links"])]
    return data


def without(data: Any, path: Sequence[str]) -> Any:
    """`data` without the value at `path`; a list on the way means each of its elements."""
    if isinstance(data, list):
        return [without(item, path) for item in data]
    if not isinstance(data, dict):
        return data
    if len(path) == 1:
        return {key: value for key, value in data.items() if key != path[0]}
    return {key: without(value, path[1:]) if key == path[0] else value for key, value in data.items()}


class _Writer:
    def __init__(self, detail: str, width: int | None) -> None:
        self._depth = DEPTHS[detail]
        self._whole_cells = detail == "verbose"
        self._width = width

    def lines(self, data: Any) -> Iterator[str]:
        if isinstance(data, dict) and data:
            lines = list(self._object(data, "", self._depth))
            yield from lines if lines[0] else lines[1:]
        elif _is_table(data):
            yield from self._table(data, "")
        elif _is_text_list(data):
            yield from map(printable, data)
        elif isinstance(data, str) and self._width is None:
            yield data  # a file or a program gets the text to the byte, such as the code of a path
        else:
            yield inline(data)

    def _object(self, data: dict[str, Any], indent: str, depth: int) -> Iterator[str]:
        for key, value in data.items():
            if _is_leaf(value):
                yield from self._leaf(key, value, indent)
            elif depth == 1:
                yield f"{indent}{printable(key)}: {_count(value)}"
        if depth == 1:
            return
        for key, value in data.items():
            if isinstance(value, dict) and value:
                yield f"{indent}{printable(key)}:"
                yield from self._object(value, indent + " ", depth - 1)
        for key, value in data.items():
            if _is_table(value) or _is_text_list(value):
                yield ""
                yield f"{indent}{printable(key)}:"
                inner = indent + " "
                yield from self._table(value, inner) if _is_table(value) else (inner + printable(v) for v in value)

    def _leaf(self, key: str, value: Any, indent: str) -> Iterator[str]:
        if isinstance(value, str) and "\n" in value.rstrip("\n"):
            yield f"{indent}{printable(key)}:"
            yield from (f"{indent}  {line}" for line in printable(value).splitlines())
        else:
            yield f"{indent}{printable(key)}: {inline(value).rstrip()}".rstrip()

    def _table(self, rows: Sequence[dict[str, Any]], indent: str) -> Iterator[str]:
        flat = [dict(_flatten(row)) for row in rows]
        columns = _columns(flat)
        cells = [[self._cell(row[column]) if column in row else "" for column in columns] for row in flat]
        right = [all(_is_number(row[column]) for row in flat if column in row) for column in columns]
        yield from _aligned(columns, cells, right, indent, self._width)
        if self._whole_cells:
            for number, row in enumerate(flat):
                for column, value in row.items():
                    if _is_table(value):
                        yield ""
                        yield f"{indent}{printable(str(row.get('name', number)))} {column}:"
                        yield from self._table(value, indent + " ")

    def _cell(self, value: Any) -> str:
        if _is_table(value):
            return _count(value)
        text = ", ".join(value) if _is_text_list(value) else inline(value)
        if isinstance(value, list) and len(text) > MAX_CELL_CHARACTERS and not self._whole_cells:
            return _count(value)
        first, *more = printable(text).splitlines() or [""]
        return f"{first} …" if more else first


def inline(value: Any) -> str:
    """A value on one line: text as it is, everything else as JSON."""
    return printable(value) if isinstance(value, str) else printable(json.dumps(value, ensure_ascii=False))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and item for item in value)


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _is_leaf(value: Any) -> bool:
    return not (_is_table(value) or _is_text_list(value) or (isinstance(value, dict) and value))


def _count(value: Any) -> str:
    return f"[{len(value)} items]" if isinstance(value, list) else f"{{{len(value)} keys}}"


def _columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The keys of all rows; one that earlier rows do not have goes behind its neighbour in its own row."""
    columns: list[str] = []
    for row in rows:
        place = 0
        for column in row:
            if column not in columns:
                columns.insert(place, column)
            place = columns.index(column) + 1
    return columns


def _flatten(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _aligned(
    columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool], indent: str, width: int | None
) -> Iterable[str]:
    headings = [printable(column) for column in columns]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    if width is not None and len(indent) + sum(widths) + len(COLUMN_GAP) * (len(widths) - 1) > width:
        return _folded(headings, cells, right, indent, width)
    return (
        indent
        + COLUMN_GAP.join(
            text.rjust(size) if is_right else text.ljust(size)
            for text, size, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (headings, *cells)
    )


def _folded(
    headings: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool], indent: str, width: int
) -> Iterable[str]:
    from io import StringIO

    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(COLUMN_GAP), 0, 0))
    for heading, is_right in zip(headings, right, strict=True):
        table.add_column(Text(heading), justify="right" if is_right else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    page = StringIO()
    Console(file=page, width=max(width, 20), color_system=None).print(Padding(table, (0, 0, 0, len(indent))))
    return (line.rstrip() for line in page.getvalue().rstrip("\n").splitlines())

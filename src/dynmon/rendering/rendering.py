"""Rows of bytes → text, by a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dynmon.rendering.parts import Part, extent
from dynmon.rendering.plain import Rows, render_plainly


def render(parts: Sequence[Part], rows: Rows) -> bytes:
    """What the parts write for each row, one row after the other.

    Raises:
        ValueError: The rows are shorter than the parts need, or not what a row is: bytes one after the other.
        IndexError: A row picks a text that is not there.
    """
    return b"".join(render_chunks(parts, rows, max(1, len(rows))))


def render_chunks(parts: Sequence[Part], rows: Rows, rows_each: int) -> Iterator[bytes]:
    """The same text in pieces of `rows_each` rows, each made when it is asked for."""
    if rows.ndim != 2 or not rows.flags.c_contiguous:
        raise ValueError("rows are bytes in two dimensions, one row after the other")
    if rows.shape[1] < extent(parts):
        raise ValueError(f"rows of {rows.shape[1]} bytes have not the {extent(parts)} that the parts need")
    return (render_plainly(parts, rows[start : start + rows_each]) for start in range(0, len(rows), rows_each))

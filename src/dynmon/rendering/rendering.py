"""Rows of bytes → text, by a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dynmon.rendering.engine import ENGINE
from dynmon.rendering.parts import INDEX_BYTES, Choice, Part, Pick, Repeat, extent
from dynmon.rendering.plain import Rows, render_plainly
from dynmon.rendering.program import encode

# Fewer rows are written sooner than a program for them is made.
FEW_ROWS = 32


def render(parts: Sequence[Part], rows: Rows) -> bytes:
    """What the parts write for each row, one row after the other.

    Raises:
        ValueError: The rows are shorter than the parts need, or not what a row is: bytes one after the other.
        IndexError: A row picks a text that is not there.
    """
    return b"".join(render_each(parts, [rows]))


def render_chunks(parts: Sequence[Part], rows: Rows, rows_each: int) -> Iterator[bytes]:
    """The same text in pieces of `rows_each` rows, each made when it is asked for."""
    return render_each(parts, (rows[start : start + rows_each] for start in range(0, len(rows), rows_each)))


def render_each(parts: Sequence[Part], chunks: Iterable[Rows]) -> Iterator[bytes]:
    """The text of each chunk of rows, made when it is asked for."""
    needed, picks, program = extent(parts), list(_picks(parts, 0)), None
    for rows in chunks:
        _check(rows, needed, picks)
        kernel = ENGINE.kernel(len(rows)) if len(rows) > FEW_ROWS else None
        if kernel is None:
            yield render_plainly(parts, rows)
        else:
            program = program or encode(parts)
            yield kernel.render(program, rows)


def _picks(parts: Sequence[Part], offset: int) -> Iterator[tuple[int, int]]:
    """Where each index lies, and how many texts there are for it."""
    for part in parts:
        match part:
            case Pick():
                yield offset + part.offset, len(part.texts)
            case Choice():
                yield from _picks([part.otherwise], offset)
            case Repeat():
                for number in range(part.count):
                    yield from _picks(part.parts, offset + part.offset + number * part.stride)


def _check(rows: Rows, needed: int, picks: list[tuple[int, int]]) -> None:
    if rows.ndim != 2 or rows.dtype != np.uint8 or not rows.flags.c_contiguous:
        raise ValueError("rows are bytes in two dimensions, one row after the other")
    if rows.shape[1] < needed:
        raise ValueError(f"rows of {rows.shape[1]} bytes have not the {needed} that the parts need")
    for offset, count in picks:
        indexes = np.ascontiguousarray(rows[:, offset : offset + INDEX_BYTES]).view("<u4")
        if indexes.size and indexes.max() >= count:
            raise IndexError(f"text {indexes.max()} is picked, and there are {count}")

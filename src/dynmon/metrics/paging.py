"""Pages of a read: at most so many entries, and where the next ones begin.

The entries of a page are told by their keys, in the order of the keys: what comes or goes between two pages moves
nothing else from one to the other.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynmon.btf import Rows
from dynmon.errors import InvalidInputError
from dynmon.metrics.extraction import Entries

WORD_BYTES = 8


class InvalidCursor(InvalidInputError):
    """A cursor that no page of this metric has given."""

    def __init__(self) -> None:
        super().__init__("cursor is none that a page of this metric gave; begin without cursor")


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` entries of a read, from `cursor` on, which the reading before it gave; None is the beginning."""

    limit: int
    cursor: str | None = None

    def start(self, key_size: int) -> bytes | None:
        """The last key of the page before.

        Raises:
            InvalidCursor: The cursor is none of a map with such keys.
        """
        key = decode_cursor(self.cursor)
        if key is not None and len(key) != key_size:
            raise InvalidCursor
        return key


def encode_cursor(key: bytes | None) -> str | None:
    """A place in a map as text that may stand in a URL."""
    return None if key is None else base64.urlsafe_b64encode(key).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> bytes | None:
    """The place that the text tells.

    Raises:
        InvalidCursor: It is none of ours.
    """
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor from error


def first(entries: Entries, wanted: Page | None) -> tuple[Entries, str | None]:
    """The entries of a page, by their keys, and where the next one begins; without a page all of them.

    Raises:
        InvalidCursor: The cursor is none of this map's.
    """
    if wanted is None:
        return entries, None
    rows, cursor = rows_of(entries, wanted)
    return entries.rows(rows), cursor


def rows_of(entries: Entries, wanted: Page) -> tuple[NDArray[np.intp], str | None]:
    """Which rows are on a page, and where the next one begins.

    Raises:
        InvalidCursor: The cursor is none of this map's.
    """
    words = _words(entries.keys)
    rows = np.lexsort(words[:, ::-1].T) if words.shape[1] else np.arange(len(entries))
    start = wanted.start(entries.keys.shape[1])
    if start is not None:
        last = _words(np.frombuffer(start, np.uint8).reshape(1, -1))[0]
        rows = rows[_is_behind(words, last)[rows]]
    page = rows[: wanted.limit]
    cursor = encode_cursor(entries.keys[page[-1]].tobytes()) if len(rows) > len(page) > 0 else None
    return page, cursor


def _words(keys: Rows) -> NDArray[np.uint64]:
    """Keys as columns of numbers, which are quick to compare."""
    count, size = keys.shape
    words = -(-size // WORD_BYTES)
    padded = np.zeros((count, words * WORD_BYTES), np.uint8)
    padded[:, :size] = keys
    return padded.view("<u8")


def _is_behind(words: NDArray[np.uint64], last: NDArray[np.uint64]) -> NDArray[np.bool_]:
    behind = np.zeros(len(words), np.bool_)
    equal = np.ones(len(words), np.bool_)
    for column, value in zip(words.T, last, strict=True):
        behind |= equal & (column > value)
        equal &= column == value
    return behind

"""The series of a metric: rows of keys → the labels of each series, and which series each row belongs to.

What the renderer can write from the bytes of a key is left to it. What only Python decodes is decoded once for each
value that is there, and the rows get the number of its text. Rows whose labels are the same are one series; in the
usual case, where every row is one of its own, nothing is sorted to find that out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dynmon.btf.plans import Field, Rows
from dynmon.metrics.decoders.base import OTHER, Texts, escaped
from dynmon.metrics.folding import Groups, Table, hashes_of
from dynmon.metrics.labels import KeyPart
from dynmon.metrics.limits import SeriesLimit
from dynmon.metrics.sums import Ids
from dynmon.metrics.widening import bit_span
from dynmon.metrics.words import WORD_BYTES
from dynmon.rendering import Literal, Part, Pick, Text

INDEX_BYTES = 4
ASCII = 0x80
SMALL_NUMBERS = 1 << 16
# What writes the value of each label, by its name.
LabelParts = tuple[tuple[str, tuple[Part, ...]], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """`labels` write from `rows`, one for each series; `ids` says which series each entry belongs to.

    `ids` is None where each entry is its own series; an entry that is dropped has none, and is not among `taken`.
    With `has_other` there is one more series behind those that have rows, for all that is beyond the limit.
    """

    labels: LabelParts
    rows: Rows
    ids: Ids | None = None
    taken: NDArray[np.intp] | None = None
    has_other: bool = False

    @property
    def count(self) -> int:
        """How many there are, with the one for all others."""
        return len(self.rows) + self.has_other

    @property
    def other_labels(self) -> LabelParts:
        """The labels of the series for all others."""
        return tuple((name, (Literal(OTHER.encode()),)) for name, _ in self.labels)


def series_of(parts: Sequence[KeyPart], keys: Rows, limit: SeriesLimit, capacity: int) -> Series:
    """The series of `keys`, of which there can be `capacity`, by the labels `parts`."""
    columns = _Columns(keys)
    labels = tuple((part.name, columns.add(part)) for part in parts)
    rows = columns.rows()
    taken = np.flatnonzero(~columns.dropped) if columns.dropped.any() else None
    is_unique = columns.is_unique()
    if taken is None and is_unique and (not parts or limit.fits_always(capacity)):
        limit.all_fit(len(rows))
        return Series(labels, rows)
    identities = columns.identities()
    if taken is not None:
        rows, identities = rows.take(taken, axis=0), identities.take(taken, axis=0)
    ids, first = (np.arange(len(rows)),) * 2 if is_unique else groups_of(identities)
    return _limited(Series(labels, rows, ids, taken), identities, first, limit if parts else SeriesLimit(1))


def _limited(series: Series, identities: Rows, first: NDArray[np.intp], limit: SeriesLimit) -> Series:
    """A row for each series that the limit admits: the `first` of those that have its labels."""
    assert series.ids is not None
    firsts = identities.take(first, axis=0)
    stays = limit.admit(hashes_of(firsts))
    if stays.all():
        return replace(series, rows=series.rows.take(first, axis=0))
    # Labels that are the ones of all others by themselves cannot stand there a second time.
    stays &= (firsts != _identity_of_other(firsts.shape[1])).any(axis=1)
    places = np.where(stays, np.cumsum(stays) - 1, np.count_nonzero(stays))
    rows = series.rows.take(first[stays], axis=0)
    return replace(series, rows=rows, ids=places.take(series.ids), has_other=True)


def groups_of(rows: Rows) -> tuple[Ids, NDArray[np.intp]]:
    """Which rows are the same: the number of each row's group, in the order they appear in, and each group's first."""
    if not rows.shape[1]:
        return np.zeros(len(rows), np.intp), np.arange(min(1, len(rows)))
    if not len(rows):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    if rows.shape[1] <= WORD_BYTES and int((words := _words(rows)).max()) < SMALL_NUMBERS:
        return _groups_of_small(words)
    groups = Groups.of([Table.of(np.ascontiguousarray(rows), rows[:, None])])
    place = np.argsort(groups.first, kind="stable")
    rank = np.empty(len(place), np.intp)
    rank[place] = np.arange(len(place))
    ids = np.empty(len(rows), np.intp)
    ids[groups.order] = np.repeat(rank, groups.sizes)
    return ids, groups.first[place]


def _identity_of_other(size: int) -> Rows:
    """The identity of a row whose labels all are texts, and all OTHER; of no row where bytes of keys are among it."""
    digest = np.array([_digest(OTHER)], "<u8").view(np.uint8)
    return np.resize(digest, size) if size else digest[:0]


def _words(rows: Rows) -> NDArray[np.uint64]:
    padded = np.zeros((len(rows), WORD_BYTES), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return padded.view("<u8")[:, 0]


def _groups_of_small(words: NDArray[np.uint64]) -> tuple[Ids, NDArray[np.intp]]:
    """Without sorting: protocols, ports and indexes of interfaces are numbers that a table has room for."""
    first_of = np.full(SMALL_NUMBERS, len(words), np.intp)
    numbers = words.astype(np.intp)
    np.minimum.at(first_of, numbers, np.arange(len(words)))
    first = np.sort(first_of[first_of < len(words)])
    place = np.empty(SMALL_NUMBERS, np.intp)
    place[numbers.take(first)] = np.arange(len(first))
    return place.take(numbers), first


class _Columns:
    """The rows that labels are written from: the keys, and behind them the numbers of texts."""

    def __init__(self, keys: Rows) -> None:
        self._keys = keys
        self._numbers: list[NDArray[np.uint32]] = []
        self._digests: list[Callable[[], NDArray[np.uint64]]] = []
        self._told_apart = np.zeros(keys.shape[1], np.uint8)  # the bits that another label has another text for
        self._written = np.zeros(keys.shape[1], np.uint8)  # those of them that the renderer writes
        self.dropped = np.zeros(len(keys), np.bool_)

    def add(self, part: KeyPart) -> tuple[Part, ...]:
        """Add a label; what writes it."""
        if part.parts and _is_exact(part.parts[0], self._keys):
            if isinstance(part.parts[0], Text):
                self._told_apart |= _mask(part.field, len(self._told_apart))
                self._digests.append(partial(self._digests_of, part))
            else:
                self._written |= _mask(part.field, len(self._written))
            return part.parts
        ids, texts = self._texts(part)
        dropped = np.fromiter((text is None for text in texts), np.bool_, len(texts))
        if dropped.any():
            self.dropped |= dropped.take(ids)
        found = list(dict.fromkeys("" if text is None else text for text in texts))
        number_of = {text: number for number, text in enumerate(found)}
        numbers = np.fromiter((number_of["" if text is None else text] for text in texts), np.uint32, len(texts))
        if len(found) == len(texts) and not dropped.any():
            self._told_apart |= _mask(part.field, len(self._told_apart))
        self._numbers.append(numbers.take(ids))
        self._digests.append(partial(self._digests_of, part))
        offset = self._keys.shape[1] + INDEX_BYTES * (len(self._numbers) - 1)
        return (Pick(offset, tuple(escaped(text) for text in found)),)

    def rows(self) -> Rows:
        """The rows that all labels are written from."""
        if not self._numbers:
            return self._keys
        columns = [numbers.astype("<u4").view(np.uint8).reshape(-1, INDEX_BYTES) for numbers in self._numbers]
        return np.concatenate([self._keys, *columns], axis=1)

    def is_unique(self) -> bool:
        """Whether no two rows have the same labels, the keys being all different."""
        rest = ~(self._told_apart | self._written)
        places = np.flatnonzero(rest)
        if not len(places) or len(self._keys) < 2:
            return True
        beyond = self._keys[:, places] & rest[places]
        return bool((beyond == beyond[0]).all())

    def identities(self) -> Rows:
        """For each row what its labels are made of: the same for the same labels, now and at any later time."""
        places = np.flatnonzero(self._written)
        columns = [digests().view(np.uint8).reshape(-1, WORD_BYTES) for digests in self._digests]
        return np.concatenate([self._keys[:, places] & self._written[places], *columns], axis=1)

    def _texts(self, part: KeyPart) -> tuple[Ids, Texts]:
        """Which of the texts each row has."""
        start, size = part.field.offset, part.field.plan.size
        values = np.ascontiguousarray(self._keys[:, start : start + size])
        ids, first = groups_of(values)
        return ids, part.texts(values.take(first, axis=0))

    def _digests_of(self, part: KeyPart) -> NDArray[np.uint64]:
        ids, texts = self._texts(part)
        return np.fromiter((_digest(text or "") for text in texts), np.uint64, len(texts)).take(ids)


def _is_exact(part: Part, keys: Rows) -> bool:
    """Whether the part writes other texts for other bytes: text does where it is ASCII with nothing behind its end."""
    if not isinstance(part, Text):
        return True
    characters = keys[:, part.offset : part.offset + part.size]
    is_behind = np.maximum.accumulate(characters == 0, axis=1)
    return not (characters >= ASCII).any() and not (characters[is_behind]).any()


def _mask(field: Field, size: int) -> NDArray[np.uint8]:
    start, end = bit_span(field)
    bits = np.zeros(8 * size, np.uint8)
    bits[start:end] = 1
    return np.packbits(bits, bitorder="little")


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=WORD_BYTES).digest(), "little")

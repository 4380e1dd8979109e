"""Entries of a map → blocks of samples, as the metric's export says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynmon.btf.plans import Field, Rows
from dynmon.metrics.distributions import Distribution, Source, quantiles_of, read_distribution
from dynmon.metrics.exports import Export
from dynmon.metrics.fields import locate
from dynmon.metrics.limits import SeriesLimit
from dynmon.metrics.measures import Measure
from dynmon.metrics.model import Family, FamilyType, Labels, Line, SampleBlock
from dynmon.metrics.series import LabelParts, Series, series_of
from dynmon.metrics.sums import Numbers
from dynmon.rendering import Form, Literal, Part, float_text

UNCOUNTABLE = "{missing} of {count} samples are left out: a counter cannot be negative or NaN"
INFINITY = "+Inf"
CREATED = "_created"


@dataclass(frozen=True, slots=True)
class Subject:
    """Entries, as they are exported: a row of bytes for each key, and `cpus` rows of values for each of them."""

    keys: Rows
    values: Rows
    value: Field
    cpus: int


def families_from(export: Export, subject: Subject, limit: SeriesLimit, constant: Labels) -> list[Family]:
    """The families of a metric, without what they are called in notes."""
    keys, values, cpus = subject.keys, subject.values, subject.cpus
    if export.splits_cpus:
        keys, cpus = _by_cpu(keys, cpus), 1
    series = series_of(export.parts, keys, limit, export.capacity)
    limit.unmatched = 0 if series.taken is None else len(keys) - len(series.taken)
    if series.taken is not None:
        keys = keys.take(series.taken, axis=0)
        values = values.reshape(-1, cpus, values.shape[1]).take(series.taken, axis=0).reshape(-1, values.shape[1])
    if export.source is not None:
        ids = np.arange(len(keys)) if series.ids is None else series.ids
        found = read_distribution(export.source, keys, values, subject.value, ids, series.count, cpus)
        limit.uncountable = _others(found.usable)
        return [_distribution(export, export.source, found, series, constant, limit.created)]
    numbers = [_measured(measure, subject.value, values, series, cpus) for measure in export.measures]
    usable = [_usable(measure, each) for measure, each in zip(export.measures, numbers, strict=True)]
    limit.uncountable = sum(map(_others, usable))
    return [_family(*each, series, constant) for each in zip(export.measures, numbers, usable, strict=True)]


def _usable(measure: Measure, numbers: Numbers) -> NDArray[np.bool_]:
    """Which numbers can be exported: of gauges all."""
    return numbers.is_countable() if measure.type is FamilyType.COUNTER else np.ones(len(numbers), np.bool_)


def _others(usable: NDArray[np.bool_]) -> int:
    return len(usable) - int(np.count_nonzero(usable))


def _by_cpu(keys: Rows, cpus: int) -> Rows:
    numbers = np.tile(np.arange(cpus, dtype="<u4"), len(keys)).view(np.uint8).reshape(-1, 4)
    return np.concatenate([keys.repeat(cpus, axis=0), numbers], axis=1)


def _measured(measure: Measure, value: Field, values: Rows, series: Series, cpus: int) -> Numbers:
    numbers = Numbers.of(locate(value, measure.path), values).summed(cpus)
    if series.ids is not None:
        numbers = numbers.grouped(series.ids, series.count)
    return numbers.scaled(measure.multiplier)


def _family(measure: Measure, numbers: Numbers, usable: NDArray[np.bool_], series: Series, constant: Labels) -> Family:
    def lines(labels: LabelParts, offset: int) -> tuple[Line, ...]:
        return (Line(measure.suffix, labels, (numbers.part(offset),)),)

    return _made(measure, series, [numbers], lines, constant, usable)


def _distribution(
    export: Export, source: Source, found: Distribution, series: Series, constant: Labels, created: float
) -> Family:
    (measure,) = export.measures
    is_histogram = measure.type is FamilyType.HISTOGRAM
    shares = export.metadata.quantiles or ()
    bounds = source.buckets.bounds if source.buckets and is_histogram else ()
    columns = [found.cumulated.rows(slice(number, None, len(bounds) + 1)) for number in range(len(bounds))]
    if not is_histogram:
        columns = quantiles_of(source, found, shares)
    columns += [found.count, found.sums]

    def lines(labels: LabelParts, offset: int) -> tuple[Line, ...]:
        parts: list[Part] = []
        for column in columns:
            parts.append(column.part(offset))
            offset += column.bytes.shape[1]
        *first, count, total = parts
        if is_histogram:
            edges = [*map(_bound_text, bounds), INFINITY]
            told = [
                Line("_bucket", (*labels, _literal("le", edge)), (each,))
                for edge, each in zip(edges, [*first, count], strict=True)
            ]
        else:
            told = [
                Line("", (*labels, _literal("quantile", _bound_text(share))), (each,))
                for share, each in zip(shares, first, strict=True)
            ]
        return (
            *told,
            Line("_count", labels, (count,)),
            Line("_sum", labels, (total,)),
            Line(CREATED, labels, (Literal(f"{created:.3f}".encode()),)),
        )

    return _made(measure, series, columns, lines, constant, found.usable)


Lines = Callable[[LabelParts, int], tuple[Line, ...]]


def _made(
    measure: Measure,
    series: Series,
    columns: Sequence[Numbers],
    lines: Lines,
    constant: Labels,
    usable: NDArray[np.bool_],
) -> Family:
    """The family with a row for each series: what labels are written from, and behind it a number of each column."""
    width, single = series.rows.shape[1], len(series.rows)
    numbers = [column.bytes for column in columns]
    rows = np.concatenate([series.rows, *(each[:single] for each in numbers)], axis=1)
    is_whole = bool(usable.all())
    blocks = [SampleBlock(constant, lines(series.labels, width), rows if is_whole else rows[usable[:single]])]
    if series.has_other and usable[single]:
        rest = np.concatenate([each[single:] for each in numbers], axis=1)
        blocks.append(SampleBlock(constant, lines(series.other_labels, 0), rest))
    notes = () if is_whole else (UNCOUNTABLE.format(missing=_others(usable), count=len(usable)),)
    filled = tuple(block for block in blocks if len(block.rows))
    return Family(measure.name, measure.type, measure.help, notes=notes, unit=measure.unit, blocks=filled)


def _literal(name: str, text: str) -> tuple[str, tuple[Part, ...]]:
    return name, (Literal(text.encode()),)


def _bound_text(bound: float) -> str:
    """As OpenMetrics wants bounds: never without a dot or an exponent."""
    text = float_text(bound, Form.EXPOSITION)
    return text if any(character in text for character in ".eIN") else f"{text}.0"

"""Histograms and summaries: where a map has the counts of their buckets, the sum and the number of all values.

Counts are in the entries of an array, one bucket each; in the entries of a hash, whose key has the number of a bucket
among its fields; or in an array inside of each value, next to a sum and a count. A summary may do with these two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynmon.btf.plans import Bits, Field, Integer, Record, Repeated, Rows
from dynmon.metrics.buckets import Buckets, buckets_of, estimated_sums, quantile, sum_factor
from dynmon.metrics.decoders.base import is_numeric, numbers_of
from dynmon.metrics.decoders.raw import is_text
from dynmon.metrics.fields import Misfit, element, locate, members
from dynmon.metrics.guesses import guesses
from dynmon.metrics.series import groups_of
from dynmon.metrics.sums import Ids, Numbers
from dynmon.models import MetricType, OpenMetricsMetadata
from dynmon.models.open_metrics import BEHIND_LAST_BUCKET

BUCKETS, SUM, COUNT = ("buckets", "slots", "hist", "histogram"), "sum", "count"
ESTIMATED = "the sum is estimated from the buckets: the code keeps none that sum-field names"


class NoDistribution(Exception):
    """Values that cannot be a histogram or summary: a reason, on its way to the metric's help."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the counts are.

    `key` is the field of keys with the bucket's number, which of an array is the index; `array` the path of an array of
    counts in each value. `buckets` is None for a summary without them. Sum and count are paths in values;
    `has_sum_slot` is for a sum behind the last bucket.
    """

    buckets: Buckets | None
    key: Field | None = None
    array: str | None = None
    sum_path: str | None = None
    count_path: str | None = None
    has_sum_slot: bool = False
    sum_factor: float = 1.0
    why: str = ""

    @property
    def is_sum_estimated(self) -> bool:
        """Whether nothing in the map is the sum."""
        return self.sum_path is None and not self.has_sum_slot


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was counted in each series: cumulated counts by bucket, the sum, and which rows can be exported."""

    cumulated: Numbers
    count: Numbers
    sums: Numbers
    usable: NDArray[np.bool_]


def source_of(metadata: OpenMetricsMetadata, key: Field, value: Field, slots: int | None) -> Source:
    """Find the counts of a metric. `slots` are the entries of a map whose keys are indexes, None for others.

    Raises:
        Misfit: The configuration names what is not there.
        NoDistribution: There is nothing that could be the counts.
    """
    found = _place(metadata, key, value, slots)
    count = _repeated(locate(value, found.array)).count if found.array is not None else slots
    has_buckets = found.key is not None or found.array is not None
    has_slot = metadata.sum_field == BEHIND_LAST_BUCKET and has_buckets
    return Source(
        buckets_of(metadata, count) if has_buckets else None,
        found.key,
        found.array,
        _number(metadata.sum_field, "sum-field", value, SUM, found) if not has_slot else None,
        _number(metadata.count_field, "count-field", value, COUNT, found),
        has_slot,
        sum_factor(metadata),
        found.why,
    )


def read_distribution(
    source: Source, keys: Rows, values: Rows, value: Field, ids: Ids, count: int, cpus: int
) -> Distribution:
    """What entries say of `count` series; `values` has `cpus` rows for each key, `ids` are the series of the keys."""
    sums = _field_sums(source.sum_path, value, values, ids, count, cpus)
    counted = _field_sums(source.count_path, value, values, ids, count, cpus)
    if source.buckets is None:
        assert sums is not None
        assert counted is not None
        usable = counted.is_countable() & sums.is_countable()
        return Distribution(counted, counted, sums.scaled(source.sum_factor), usable)
    numbers, amounts, owners = _observed(source, keys, values, value, ids, cpus)
    width = source.buckets.count
    positions = source.buckets.positions(numbers)
    if source.has_sum_slot and source.buckets.last is not None:
        behind = source.buckets.last + 1
        slots, others = np.flatnonzero(numbers == behind), np.flatnonzero(numbers != behind)
        sums = amounts.rows(slots).grouped(owners[slots], count)
        owners, positions, amounts = owners[others], positions[others], amounts.rows(others)
    counts = amounts.grouped(owners * width + positions, count * width)
    usable = np.asarray(counts.is_countable().reshape(count, width).all(axis=1))
    cumulated = counts.cumulated(width)
    total = cumulated.rows(slice(width - 1, None, width))
    if counted is not None:
        total = total.highest(counted)
    if sums is None:
        sums = Numbers.floats(estimated_sums(source.buckets, counts.as_floats().reshape(count, width)))
    else:
        sums = sums.scaled(source.sum_factor)
    return Distribution(cumulated, total, sums, usable & sums.is_countable())


def quantiles_of(source: Source, found: Distribution, shares: tuple[float, ...]) -> list[Numbers]:
    """The estimated quantiles of each series."""
    if source.buckets is None:
        return []
    cumulated = found.cumulated.as_floats().reshape(-1, source.buckets.count)
    return [Numbers.floats(quantile(source.buckets, cumulated, share)) for share in shares]


@dataclass(frozen=True, slots=True)
class _Place:
    key: Field | None = None
    array: str | None = None
    why: str = ""


def _place(metadata: OpenMetricsMetadata, key: Field, value: Field, slots: int | None) -> _Place:
    if metadata.bucket_field is not None:
        return _given(metadata.bucket_field, key, value, slots)
    if _is_count(value):
        return _entries(metadata, key, slots)
    if isinstance(value.plan, Repeated) and _is_counts(value):
        return _Place(array="", why="each value is an array of counts")
    if isinstance(value.plan, Record):
        return _in_struct(metadata, value)
    raise NoDistribution(f"its values are {value.plan.plural}, not counts")


def _given(path: str, key: Field, value: Field, slots: int | None) -> _Place:
    try:
        field = locate(value, path)
    except Misfit as in_value:
        if slots is not None:
            raise in_value.below("bucket-field") from None
        try:
            field = locate(key, path)
        except Misfit as in_key:
            reason = f"{in_value.reason} (of the value); {in_key.reason} (of the key)"
            raise Misfit("bucket-field", reason, in_value.hint or in_key.hint) from None
        if not is_numeric(field.plan):
            raise Misfit("bucket-field", f"field {path!r} of the key ({field.type_name}) is not a number") from None
        if not _is_count(value):
            raise Misfit("bucket-field", f"field {path!r} is in the key, but the values are no counts") from None
        return _Place(key=field, why=f"bucket-field names the field {path!r} of keys")
    if not _is_counts(field):
        raise Misfit("bucket-field", f"field {path!r} of the value ({field.type_name}) is not an array of counts")
    return _Place(array=path, why=f"bucket-field names the array {path!r} of values")


def _entries(metadata: OpenMetricsMetadata, key: Field, slots: int | None) -> _Place:
    if slots is not None:
        if slots == 1:
            raise NoDistribution(f"a {metadata.type} cannot be made of single numbers")
        return _Place(key=key, why="each entry is a bucket")
    last = next(reversed([each.field for each in guesses(key)]), None)
    if last is None or not isinstance(last.plan, Integer | Bits):
        raise NoDistribution("its keys do not end with the number of a bucket, and bucket-field names none")
    what = f"the last field {last.name!r} of keys is the bucket" if last.name else "each key is a bucket"
    return _Place(key=last, why=what)


def _in_struct(metadata: OpenMetricsMetadata, value: Field) -> _Place:
    arrays = [field for field in _all(value) if _is_counts(field)]
    named = [field for field in arrays if field.name.rpartition(".")[2] in BUCKETS] or arrays
    if len(named) == 1:
        return _Place(array=named[0].name, why=f"the field {named[0].name!r} of values is an array of counts")
    if named:
        raise Misfit(
            "bucket-field", f"is required: several fields may be buckets: {', '.join(each.name for each in named)}"
        )
    there = {field.name for field in _all(value)}
    if metadata.type is MetricType.SUMMARY and {metadata.sum_field or SUM, metadata.count_field or COUNT} <= there:
        return _Place(why="values have a sum and a count")
    missing = (
        "an array of counts" if metadata.type is MetricType.HISTOGRAM else "a sum and a count, or an array of counts"
    )
    raise NoDistribution(f"its values are structs or unions without {missing}")


def _number(given: str | None, key: str, value: Field, usual: str, place: _Place) -> str | None:
    if given is None:
        has = isinstance(value.plan, Record) and any(each.name == usual and each.plan.is_number for each in _all(value))
        return usual if has else None
    try:
        field = locate(value, given)
    except Misfit as misfit:
        raise misfit.below(key) from None
    if not field.plan.is_number or place.key is not None:
        raise Misfit(key, f"field {given!r} ({field.type_name}) is not a number next to the buckets")
    return given


def _all(value: Field) -> Iterator[Field]:
    for field in members(value):
        yield field
        if isinstance(field.plan, Record):
            yield from _all(field)


def _is_count(field: Field) -> bool:
    return isinstance(field.plan, Integer | Bits)


def _is_counts(field: Field) -> bool:
    return isinstance(field.plan, Repeated) and isinstance(field.plan.element, Integer) and not is_text(field)


def _repeated(field: Field) -> Repeated:
    assert isinstance(field.plan, Repeated)
    return field.plan


def _field_sums(path: str | None, value: Field, values: Rows, ids: Ids, count: int, cpus: int) -> Numbers | None:
    if path is None:
        return None
    return Numbers.of(locate(value, path), values).summed(cpus).grouped(ids, count)


def _observed(
    source: Source, keys: Rows, values: Rows, value: Field, ids: Ids, cpus: int
) -> tuple[NDArray[np.uint64], Numbers, Ids]:
    """The number of a bucket, its count and its series, for every count that there is."""
    if source.array is not None:
        field = locate(value, source.array)
        plan = _repeated(field)
        start = field.offset
        flat = np.ascontiguousarray(values[:, start : start + plan.size]).reshape(-1, plan.element.size)
        one = element(field, 0)
        amounts = Numbers.of(Field(one.name, 0, one.plan, one.type_name), flat)
        numbers = np.tile(np.arange(plan.count, dtype=np.uint64), len(values))
        return numbers, amounts, np.repeat(ids.repeat(cpus), plan.count)
    assert source.key is not None
    amounts, key = Numbers.of(value, values).summed(cpus), source.key
    raw = np.ascontiguousarray(keys[:, key.offset : key.offset + key.plan.size])
    same, first = groups_of(raw)
    # Numbers that are negative are in no bucket that has a bound below them: the lowest has them.
    distinct = [max(0, number) for number in numbers_of(key, raw.take(first, axis=0))]
    return np.array(distinct, np.uint64).take(same), amounts, ids

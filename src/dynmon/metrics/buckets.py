"""The bounds of a histogram's buckets, and which bucket of a map belongs to which.

Buckets have numbers, as a map has them; what a number stands for is the bucket's type. Prometheus wants the upper
bound of each, and counts what is on a bound below it. For values that are whole, as those of BPF are, the bound is
the largest of them: bucket 7 of ``exp2`` has 64 to 127, so its bound is 127. With the power of two, as ebpf_exporter
has it, a packet of exactly 128 bytes would be above the bound that it stands on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from dynmon.metrics.fields import Misfit
from dynmon.models import BucketType, OpenMetricsMetadata
from dynmon.models.open_metrics import MAX_BUCKETS

WIDEST_EXP2 = 64  # bpf_log2l of the largest u64
Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Buckets:
    """The finite upper `bounds`, and the number of the bucket that each belongs to; above them all is infinity.

    `last` is the number behind which a map may have the sum of all values.
    """

    bounds: tuple[float, ...]
    numbers: tuple[int | float, ...]
    last: int | None

    @property
    def count(self) -> int:
        """How many there are, with the one for what is above all bounds."""
        return len(self.bounds) + 1

    def positions(self, numbers: NDArray[np.uint64]) -> Positions:
        """The place of each bucket among the bounds, by the numbers that a map has: the first that is not below it."""
        return np.searchsorted(np.array(self.numbers, np.float64), numbers.astype(np.float64), side="left")


def buckets_of(metadata: OpenMetricsMetadata, slots: int | None) -> Buckets:
    """The buckets that a configuration asks for, of a map with so many `slots`; None where it has a key for each.

    The last slot has no bound: code that clamps puts there what is above.

    Raises:
        Misfit: The map has not that many, or more than a histogram can have.
    """
    kind = metadata.bucket_type or BucketType.EXP2
    factor = Decimal(repr(metadata.multiplier or 1)) * Decimal(repr(metadata.bucket_multiplier or 1))
    if kind is BucketType.FIXED:
        keys = metadata.bucket_keys or ()
        numbers = keys if slots is None else tuple(range(len(keys)))
        return Buckets(tuple(_product(key, factor) for key in keys), numbers, None)
    first = max(metadata.bucket_min or 0, FIRST[kind])
    last = metadata.bucket_max
    if last is None:
        if slots is None and kind is BucketType.LINEAR:
            raise Misfit("bucket-max", "is required for linear buckets that are keys of a hash")
        last = WIDEST_EXP2 if slots is None else slots - 2
        if kind is not BucketType.LINEAR:
            last = min(last, WIDEST_EXP2)
    elif slots is not None and last >= slots:
        raise Misfit("bucket-max", f"is {last}, but the last bucket is {slots - 1}")
    if last - first >= MAX_BUCKETS:
        raise Misfit("bucket-max", f"is required: the map has {slots} slots, a histogram at most {MAX_BUCKETS} buckets")
    chosen = tuple(range(first, last + 1))
    return Buckets(tuple(_product(BOUNDS[kind](number), factor) for number in chosen), chosen, last)


# Zero shares bucket 1 with one: nothing is in bucket 0, and nothing is below it.
FIRST = {BucketType.EXP2: 1, BucketType.EXP2ZERO: 0, BucketType.LINEAR: 0}
BOUNDS: dict[BucketType, Callable[[int], int]] = {
    BucketType.EXP2: lambda number: (1 << number) - 1,
    BucketType.EXP2ZERO: lambda number: (1 << number) - 1,
    BucketType.LINEAR: lambda number: number,
}


def _product(number: float, factor: Decimal) -> float:
    """The product as one would write it: 1023 nanoseconds are 1.023e-06 seconds, and no digit more."""
    return float(Decimal(repr(number)) * factor)


def sum_factor(metadata: OpenMetricsMetadata) -> float:
    """What the sum of all values is multiplied by: as the bounds are, but for the width of linear buckets."""
    multiplier = Decimal(repr(metadata.multiplier or 1))
    if metadata.bucket_type is not BucketType.LINEAR:
        multiplier *= Decimal(repr(metadata.bucket_multiplier or 1))
    return float(multiplier)


def estimated_sums(buckets: Buckets, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of all values, as if those of each bucket were in its middle; `counts` by series and bucket."""
    bounds = np.array(buckets.bounds, np.float64)
    if not len(bounds):
        return np.zeros(len(counts))
    below = np.concatenate([[min(0.0, bounds[0])], bounds[:-1]])
    middles = np.append((below + bounds) / 2, bounds[-1])
    return np.asarray(counts @ middles)


def quantile(buckets: Buckets, cumulated: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """The value that `share` of all are not above: by the bucket it is in, as if values were spread evenly there.

    NaN where nothing was counted; of what is above all bounds, the last of them.
    """
    bounds = np.array(buckets.bounds, np.float64)
    totals = cumulated[:, -1]
    if not len(bounds):
        return np.full(len(totals), np.nan)
    ranks = share * totals
    # Of none at all it is the least: where the first value is.
    least = np.maximum(ranks, np.finfo(np.float64).tiny)
    places = np.minimum((cumulated < least[:, None]).sum(axis=1), cumulated.shape[1] - 1)
    is_finite = places < len(bounds)
    inside = np.minimum(places, len(bounds) - 1)
    upper = bounds[inside]
    lower = np.where(inside > 0, bounds[inside - 1], min(0.0, bounds[0]))
    before = np.where(inside > 0, np.take_along_axis(cumulated, np.maximum(inside - 1, 0)[:, None], 1)[:, 0], 0)
    within = np.take_along_axis(cumulated, inside[:, None], 1)[:, 0] - before
    part = np.divide(ranks - before, within, out=np.zeros_like(ranks), where=within > 0)
    values = np.where(is_finite, lower + (upper - lower) * part, bounds[-1])
    return np.where(totals > 0, values, np.nan)

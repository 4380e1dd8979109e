"""Bounds of buckets, and what is estimated from them."""

import math

import numpy as np
import pytest

from dynmon.metrics.buckets import buckets_of, estimated_sums, quantile
from dynmon.metrics.fields import Misfit
from dynmon.models import OpenMetricsMetadata


def buckets(slots, **options):
    return buckets_of(OpenMetricsMetadata(help="", type="histogram", **options), slots)


@pytest.mark.parametrize(
    ("slots", "options", "bounds"),
    [
        (8, {}, (1, 3, 7, 15, 31, 63)),
        (8, {"bucket_type": "exp2zero"}, (0, 1, 3, 7, 15, 31, 63)),
        (None, {"bucket_min": 3, "bucket_max": 5}, (7, 15, 31)),
        (5, {"bucket_type": "linear", "bucket_multiplier": 10}, (0, 10, 20, 30)),
        (None, {"bucket_type": "linear", "bucket_min": 1, "bucket_max": 3, "bucket_multiplier": 0.1}, (0.1, 0.2, 0.3)),
        (5, {"bucket_type": "fixed", "bucket_keys": (0.5, 1, 10)}, (0.5, 1, 10)),
        (None, {"bucket_max": 10, "bucket_min": 10, "multiplier": 1e-6}, (0.001023,)),
        (1, {}, ()),
    ],
)
def test_bounds(slots, options, bounds):
    assert bounds == buckets(slots, **options).bounds


def test_what_is_between_bounds_belongs_to_the_next_and_what_is_above_to_none():
    fixed = buckets(None, bucket_type="fixed", bucket_keys=(10, 20))

    assert [0, 0, 1, 1, 2] == fixed.positions(np.array([0, 10, 11, 20, 21], np.uint64)).tolist()
    assert [0, 0, 1, 2] == buckets(None, bucket_min=3, bucket_max=4).positions(
        np.array([0, 3, 4, 5], np.uint64)
    ).tolist()


def test_more_buckets_than_slots_are_refused():
    with pytest.raises(Misfit, match="is 9, but the last bucket is 7"):
        buckets(8, bucket_max=9)


def test_a_large_array_is_no_histogram_until_somebody_says_where_it_ends():
    """Every bucket is a sample of every series; those of powers of two end with the numbers that there are."""
    with pytest.raises(Misfit, match="is required: the map has 65536 slots, a histogram at most 1024 buckets"):
        buckets(65536, bucket_type="linear")

    assert 101 == len(buckets(65536, bucket_type="linear", bucket_max=100).bounds)
    assert 64 == len(buckets(65536).bounds)


def test_quantiles_are_spread_evenly_in_their_bucket():
    made = buckets(None, bucket_type="linear", bucket_max=4, bucket_multiplier=10)  # 0, 10, 20, 30, 40
    cumulated = np.cumsum([[0, 4, 4, 0, 0, 2]], axis=1).astype(float)

    assert [0, 2.5, 10, 20, 40, 40] == [quantile(made, cumulated, share)[0] for share in (0, 0.1, 0.4, 0.8, 0.9, 1)]
    assert math.isnan(quantile(made, np.zeros((1, 6)), 0.5)[0])


def test_sums_are_estimated_from_the_middles():
    made = buckets(None, bucket_type="linear", bucket_max=2, bucket_multiplier=10)

    assert [2 * 0 + 3 * 5 + 1 * 15 + 1 * 20] == estimated_sums(made, np.array([[2.0, 3, 1, 1]])).tolist()

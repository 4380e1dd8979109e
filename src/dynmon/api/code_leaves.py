"""Parts of a configuration that have no parts of their own, as resources: above all, how a metric is exported."""

from __future__ import annotations

from typing import Any

from dynmon.api.tree import Access, Leaf
from dynmon.models import BucketType, KeyLabel, MetricType, PerCpu, ValueConfig


def code_leaf(name: str, description: str, example: str = "", **more: Any) -> Leaf:
    """Part of a dataplane configuration: given with the code, then fixed until the code is replaced."""
    return Leaf(name=name, description=description, example=example, access=Access.INIT_ONLY, **more)


def metadata_leaves() -> tuple[Leaf, ...]:
    """All of `open-metrics-metadata` but its constant labels."""
    return (
        code_leaf("help", "What the metric says, in a sentence", "Packets seen"),
        code_leaf("type", "Type of the metric", "counter", values=tuple(kind.value for kind in MetricType)),
        *_KEYS,
        *_VALUES,
        *_BUCKETS,
        code_leaf("series-limit", "How many label sets it may export", "1000", simpletype="integer", schema=int),
    )


_KEYS = (
    code_leaf("key-labels", "Labels out of keys", '[{"name": "source"}]', schema=list[KeyLabel]),
    code_leaf("drop", "Labels out of keys that are not wanted", '["port"]', schema=list[str]),
    code_leaf("keep", "The only labels out of keys", '["source"]', schema=list[str]),
    code_leaf("index-names", "Names for the indexes of an array", '{"6": "tcp"}', schema=dict[str, str]),
    code_leaf("per-cpu", "What becomes of the values of CPUs", "label", values=tuple(each.value for each in PerCpu)),
)
_VALUES = (
    code_leaf("value-field", "The one field of values that is exported", "packets"),
    code_leaf("values", "The fields of values that are exported", '[{"field": "packets"}]', schema=list[ValueConfig]),
    code_leaf("unit", "The unit of values", "seconds"),
    code_leaf("multiplier", "What values are multiplied by", "1e-9", schema=float),
)
_BUCKETS = (
    code_leaf("bucket-type", "What buckets hold", "exp2", values=tuple(each.value for each in BucketType)),
    code_leaf("bucket-min", "The first bucket with a bound", "0", simpletype="integer", schema=int),
    code_leaf("bucket-max", "The last bucket with a bound", "26", simpletype="integer", schema=int),
    code_leaf("bucket-keys", "The bounds of fixed buckets", "[64, 512, 1500]", schema=list[float]),
    code_leaf("bucket-multiplier", "What bounds are multiplied by", "100", schema=float),
    code_leaf("bucket-field", "Where the buckets, or their numbers, are", "buckets"),
    code_leaf("sum-field", "Where the sum of all values is", "sum"),
    code_leaf("count-field", "Where the number of all values is", "count"),
    code_leaf("quantiles", "What a summary estimates", "[0.5, 0.99]", schema=list[float]),
)

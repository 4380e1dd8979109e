"""Histograms and summaries of packets whose sizes are known: each bucket, the sum and the count, from every source."""

from __future__ import annotations

import math

import pytest

from tests.packets import Payload, ethernet
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
# On both sides of every bound that the code below has, and above all of them.
SIZES = [60, 63, 64, 65, 99, 100, 101, 127, 128, 255, 256, 299, 300, 301, 511, 512, 513, 1023, 1024, 1500, 1501, 1514]
FRAMES = [ethernet(Payload(bytes(size - 14), 0x88B5)) for size in SIZES]
LOG2 = "u32 bucket = bpf_log2l(length);"
STEP = "u32 bucket = (length + 99) / 100;"
EDGE = "u32 bucket = length <= 64 ? 0 : length <= 512 ? 1 : length <= 1500 ? 2 : 3;"
EDGE_KEY = "u32 bucket = length <= 64 ? 64 : length <= 512 ? 512 : length <= 1500 ? 1500 : 9999;"
EXP2 = {"bucket-type": "exp2"}
EXP2ZERO = {"bucket-type": "exp2zero"}
LINEAR = {"bucket-type": "linear", "bucket-multiplier": 100}
FIXED = {"bucket-type": "fixed", "bucket-keys": [64, 512, 1500]}
STRUCT = "struct observed { u64 sum; u64 buckets[32]; u64 count; };"
# Where counts are: what declares the map, and what counts one value in `bucket`.
ARRAY = ("BPF_HISTOGRAM(H, int, 32);", "H.increment(bucket);")
HASH = ("struct k { u32 queue; u32 slot; }; BPF_HASH(H, struct k);", "struct k k = {.slot = bucket}; H.increment(k);")
IN_STRUCT = (
    STRUCT + "BPF_HASH(H, u32, struct observed);",
    "struct observed *o = H.lookup_or_try_init(&zero, &nothing);"
    "if (o) { o->sum += length; o->count++; o->buckets[bucket & 31]++; }",
)
NOTHING = "struct observed nothing = {};"


def check(found, is_sum_exact):
    """Every bucket has the sizes that are not above its bound."""
    bounds, total, count = found
    assert {bound: sum(size <= bound for size in SIZES) for bound in bounds} == bounds
    assert math.inf in bounds
    assert len(SIZES) == count
    assert sum(SIZES) == total if is_sum_exact else 0 < total < 2 * sum(SIZES)


@pytest.mark.parametrize(
    ("source", "bucket", "options", "bounds"),
    [
        (ARRAY, LOG2, {}, 30),
        (ARRAY, LOG2, EXP2 | {"bucket-min": 7, "bucket-max": 9}, 3),
        (ARRAY, LOG2, EXP2ZERO, 31),
        (ARRAY, STEP, LINEAR, 31),
        (ARRAY, STEP, LINEAR | {"bucket-min": 2, "bucket-max": 3}, 2),
        (ARRAY, EDGE, FIXED, 3),
        (HASH, LOG2, {}, 64),
        (HASH, LOG2, EXP2ZERO | {"bucket-max": 10}, 11),
        (HASH, STEP, LINEAR | {"bucket-max": 4}, 5),
        (HASH, EDGE_KEY, FIXED, 3),
        (IN_STRUCT, LOG2, {}, 30),
        (IN_STRUCT, LOG2, EXP2ZERO | {"bucket-min": 8}, 23),
        (IN_STRUCT, STEP, LINEAR, 31),
        (IN_STRUCT, EDGE, FIXED, 3),
    ],
)
def test_every_bucket_is_exact(exported, source, bucket, options, bounds):
    declared, counts = source
    nothing = NOTHING if source is IN_STRUCT else ""
    metrics = {"sizes": ("H", {"type": "histogram", **options})}

    found = exported(declared, bucket + nothing + counts, metrics, *FRAMES).histogram("sizes")

    check(found, is_sum_exact=source is IN_STRUCT)
    assert bounds + 1 == len(found[0])


def test_slots_that_begin_with_one_have_fixed_bounds(exported):
    """As in the programs of libbpf-tools, where slot 6 has what bucket 7 of bpf_log2l has."""
    declared = "struct hist { u32 slots[16]; }; BPF_ARRAY(H, struct hist, 1);"
    body = "struct hist *hist = H.lookup(&zero); if (hist) hist->slots[(bpf_log2l(length) - 1) & 15]++;"
    options = {"bucket-type": "fixed", "bucket-keys": [2**bits - 1 for bits in range(1, 12)]}

    found = exported(declared, body, {"sizes": ("H", {"type": "histogram", **options})}, *FRAMES).histogram("sizes")

    check(found, is_sum_exact=False)
    assert sum(size <= 127 for size in SIZES) == found[0][127]


@pytest.mark.parametrize(("arguments", "bounds"), [("u32, 65", 63), ("u32", 30), ("u32, 8, 4", 6)])
def test_one_line_makes_a_histogram_with_labels(exported, arguments, bounds):
    metrics = {"sizes": ("H", {"type": "histogram", "key-labels": [{"name": "queue"}]})}
    shown = exported(f"BPF_LABELED_HISTOGRAM(H, {arguments});", "H.observe(&zero, length);", metrics, *FRAMES)

    check(shown.histogram("sizes"), is_sum_exact=True)
    assert bounds + 1 == len(shown.histogram("sizes")[0])
    assert {"0"} == {labels["queue"] for labels in shown.labels("sizes_bucket")}


def test_every_set_of_labels_has_a_histogram(exported):
    declared = "struct who { u8 mac[6]; u16 odd; }; BPF_LABELED_HISTOGRAM(H, struct who);"
    body = "struct who who = {.mac = {2, 0, 0, 0, 0, 1}, .odd = length & 1}; H.observe(&who, length);"

    shown = exported(declared, body, {"sizes": ("H", {"type": "histogram"})}, *FRAMES)

    for odd in (0, 1):
        sizes, labels = [size for size in SIZES if size % 2 == odd], ("mac=02:00:00:00:00:01", f"odd={odd}")
        assert sum(sizes) == shown.samples["sizes_sum", *labels]
        assert len(sizes) == shown.samples["sizes_count", *labels] == shown.samples["sizes_bucket", *labels, "le=+Inf"]
        assert sum(size <= 127 for size in sizes) == shown.samples["sizes_bucket", *labels, "le=127.0"]


@pytest.mark.parametrize("value", [0, 1, 2, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_both_ends(exported, value):
    """Zero is below every bound, and the largest of all values is above none but infinity."""
    metrics = {
        "log2": ("LOG2", {"type": "histogram"}),
        "zero": ("ZERO", {"type": "histogram", "bucket-type": "exp2zero"}),
        "wide": ("WIDE", {"type": "histogram", "bucket-type": "exp2zero", "bucket-max": 64}),
    }
    declared = (
        "BPF_HISTOGRAM(LOG2, int, 65); BPF_LABELED_HISTOGRAM(ZERO, u32, 65); BPF_LABELED_HISTOGRAM(WIDE, u32, 65);"
    )
    observes = f'u64 value = {value}ULL; asm volatile("" : "+r"(value)); u32 slot = bpf_log2l(value);'
    body = observes + "LOG2.increment(slot); ZERO.observe(&zero, value); WIDE.observe(&zero, value);"

    shown = exported(declared, body, metrics, FRAMES[0])

    for name in metrics:
        bounds, _, count = shown.histogram(name)
        assert 1 == count
        # A bound that no double is equal to is rounded to the one above, which the value is not above.
        assert {bound: float(value <= bound) for bound in bounds} == bounds
    assert value == shown.histogram("zero")[1]


def test_the_sum_is_behind_the_last_bucket(exported):
    """ebpf_exporter's programs keep it there; what is above the last bucket, the code puts into that."""
    declared = "struct k { u32 queue; u32 slot; }; BPF_HASH(H, struct k); BPF_ARRAY(A, u64, 8);"
    body = LOG2 + (
        "if (bucket > 9) bucket = 9; struct k k = {.slot = bucket}; H.increment(k);"
        "k.slot = 10; H.increment(k, length);"
        "A.increment(bucket < 6 ? bucket : 6); A.increment(7, length);"
    )
    slot = {"type": "histogram", "sum-field": "bucket-max+1"}
    metrics = {"hashed": ("H", {**slot, "bucket-max": 9}), "listed": ("A", {**slot, "bucket-max": 6})}

    shown = exported(declared, body, metrics, *FRAMES)

    for name, last in (("hashed", 511), ("listed", 63)):
        bounds, total, count = shown.histogram(name)
        assert (sum(SIZES), len(SIZES)) == (total, count)
        assert len(SIZES) == bounds[last]
        assert all(sum(size <= bound for size in SIZES) == value for bound, value in bounds.items() if bound < last)


def test_multipliers_change_bounds_and_sum(exported):
    metrics = {"took": ("H", {"type": "histogram", "unit": "seconds", "multiplier": 1e-9, "bucket-max": 10})}

    shown = exported("BPF_LABELED_HISTOGRAM(H, u32);", "H.observe(&zero, length);", metrics, *FRAMES)

    bounds, total, _ = shown.histogram("took_seconds")
    assert {1.023e-06, 1.27e-07, 1e-09, math.inf} <= bounds.keys()
    assert sum(size <= 127 for size in SIZES) == bounds[1.27e-07]
    assert pytest.approx(sum(SIZES) * 1e-9) == total
    assert "# UNIT took_seconds seconds" in shown.text


def test_a_sum_that_nobody_kept_is_estimated_and_says_so(exported):
    shown = exported(*ARRAY[:1], LOG2 + ARRAY[1], {"sizes": ("H", {"type": "histogram"})}, *FRAMES)

    _, total, _ = shown.histogram("sizes")
    assert pytest.approx(sum(SIZES), rel=0.25) == total
    assert "the sum is estimated from the buckets" in shown.families["sizes"].documentation


def test_a_count_of_its_own_is_what_buckets_have_not(exported):
    """Code that counts a value and puts it into no bucket: it is above all bounds."""
    declared = STRUCT + "BPF_ARRAY(H, struct observed, 1);"
    body = "struct observed *o = H.lookup(&zero);" + (
        "if (o) { o->count++; if (length <= 511) o->buckets[bpf_log2l(length) & 31]++; }"
    )

    bounds, _, count = exported(declared, body, {"sizes": ("H", {"type": "histogram"})}, *FRAMES).histogram("sizes")

    assert len(SIZES) == count == bounds[math.inf]
    assert sum(size <= 511 for size in SIZES) == bounds[1023]


def test_cpus_add_up_in_a_histogram_or_stay_apart(exported):
    metrics = {
        "together": ("H", {"type": "histogram"}),
        "apart": ("H", {"type": "histogram", "per-cpu": "label"}),
    }

    shown = exported("BPF_PERCPU_ARRAY(H, u64, 32);", LOG2 + "H.increment(bucket);", metrics, *FRAMES)

    check(shown.histogram("together"), is_sum_exact=False)
    assert len(SIZES) == sum(value for key, value in shown.samples.items() if key[0] == "apart_count")
    assert 1 <= len(shown.labels("apart_count"))


def test_summaries_have_sum_and_count_and_quantiles_where_buckets_allow(exported):
    metrics = {
        "plain": ("TOTAL", {"type": "summary"}),
        "estimated": ("H", {"type": "summary", "quantiles": [0, 0.5, 1]}),
    }
    declared = (
        "struct total { u64 sum; u32 count; }; BPF_HASH(TOTAL, u32, struct total); BPF_LABELED_HISTOGRAM(H, u32);"
    )
    body = (
        "struct total none = {}, *total = TOTAL.lookup_or_try_init(&zero, &none);"
        "if (total) { total->sum += length; total->count++; } H.observe(&zero, length);"
    )

    samples = exported(declared, body, metrics, *FRAMES).samples

    assert (sum(SIZES), len(SIZES)) == (samples["plain_sum", "key=0"], samples["plain_count", "key=0"])
    assert (sum(SIZES), len(SIZES)) == (samples["estimated_sum", "key=0"], samples["estimated_count", "key=0"])
    lowest, middle, highest = (samples["estimated", "key=0", f"quantile={share}"] for share in ("0.0", "0.5", "1.0"))
    assert 31 <= lowest <= 63
    assert 255 <= middle <= 511  # sorted, the 11th and 12th are 256 and 299
    assert 1023 <= highest <= 2047


def test_quantiles_of_nothing_are_none(exported):
    metrics = {"estimated": ("H", {"type": "summary", "quantiles": [0.5]})}

    samples = exported("BPF_HISTOGRAM(H);", "", metrics, FRAMES[0]).samples

    assert math.isnan(samples["estimated", "quantile=0.5"])
    assert 0 == samples["estimated_count",]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ("BPF_ARRAY(H, u64, 1);", "a histogram cannot be made of single numbers"),
        (
            "struct v { u64 a; }; BPF_HASH(H, u32, struct v);",
            "its values are structs or unions without an array of counts",
        ),
        (
            "struct k { u32 a; char name[4]; }; BPF_HASH(H, struct k);",
            "its keys do not end with the number of a bucket",
        ),
    ],
)
def test_what_is_no_histogram_says_why(exported, declared, reason):
    shown = exported(
        declared, "u64 key = 0; H.lookup((void *)&key);", {"sizes": ("H", {"type": "histogram"})}, FRAMES[0]
    )

    assert reason in shown.families["sizes"].documentation


def test_a_labeled_histogram_that_is_full_says_so(exported):
    """And counts on for the labels that it knows."""
    body = "if (H.observe(&length, length) == -7) FULL.increment(0);"
    declared = "BPF_LABELED_HISTOGRAM(H, u32, 12, 4); BPF_ARRAY(FULL, u64, 1);"
    frames = [ethernet(Payload(bytes(size), 0x88B5)) for size in (50, 60, 70, 80, 90, 50)]

    metrics = {"h": ("H", {"type": "histogram"}), "f": ("FULL", {"type": "gauge"})}

    samples = exported(declared, body, metrics, *frames).samples

    assert 1 == samples["f",]
    assert [2, 1, 1, 1] == sorted((value for key, value in samples.items() if key[0] == "h_count"), reverse=True)

"""Which series stay when there are too many, and that nothing is lost by it."""

import resource
import struct
import time

import numpy as np
import pytest

from dynmon.metrics import families_of
from dynmon.metrics.limits import SeriesBudget
from tests.expositions import samples_of
from tests.kernel.metrics.lab import lab
from tests.support import needs

pytestmark = [needs("kernel"), needs("clang")]
SOURCE = """
struct flow { unsigned int saddr; unsigned short sport, dport; };
struct counts { u64 packets; u64 bytes; };
typedef char text[8];
MAP(1, FLOWS, struct flow, struct counts, 1048576, 1);
MAP(1, FEW, u32, u64, 100, 1);
MAP(1, TEXTS, text, u64, 100, 1);
MAP(1, SLOTS, struct flow, u64, 100, 1);
"""
MILLION = 1_000_000


@pytest.fixture
def maps():
    with lab(SOURCE) as loaded:
        yield loaded


def bind(maps, name, limit, kind="counter", **more):
    metadata = {"type": kind, "help": "Help.", "series-limit": limit, **more}
    return maps.bind(name, name=name.lower(), **{"open-metrics-metadata": metadata})


def put(maps, **counts):
    for key, value in counts.items():
        maps.maps["FEW"].update(struct.pack("<I", int(key[1:])), struct.pack("<Q", value))


def few(metric, budget=None):
    """The samples of FEW by their key."""
    return {
        key[1].removeprefix("key="): value for key, value in samples_of(families_of([metric], budget=budget)).items()
    }


def test_a_million_entries_are_answered_with_right_totals(maps):
    keys = np.arange(MILLION, dtype="<u8").view(np.uint8).reshape(MILLION, 8)
    values = np.stack([np.arange(MILLION, dtype="<u8"), np.full(MILLION, 1 << 40, "<u8")], axis=1)
    done = 0
    while done < MILLION:
        rows = slice(done, done + 65536)
        done += maps.maps["FLOWS"].update_batch(keys[rows], values[rows].copy().view(np.uint8))
    metric = bind(maps, "FLOWS", 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()

    samples = samples_of(families_of([metric]))

    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10
    assert 2 * 1001 == len(samples)
    assert MILLION - 1000 == metric.series_limit.folded
    for name, total in (("packets", MILLION * (MILLION - 1) // 2), ("bytes", MILLION << 40)):
        mine = {key: value for key, value in samples.items() if key[0] == f"flows_{name}_total"}
        assert total == sum(mine.values())
        assert 0 < mine[f"flows_{name}_total", "dport=other", "saddr=other", "sport=other"] < total


def test_below_the_limit_all_stay(maps):
    put(maps, k1=1, k2=2)
    metric = bind(maps, "FEW", 100)

    assert {"1": 1, "2": 2} == few(metric)
    assert 0 == metric.series_limit.folded


def test_a_series_that_was_seen_stays_whatever_comes(maps):
    put(maps, k50=1, k60=2)
    metric = bind(maps, "FEW", 2)
    assert {"50": 1, "60": 2} == few(metric)

    put(maps, k1=10, k2=20, k99=30)

    assert {"50": 1, "60": 2, "other": 60} == few(metric)
    assert 3 == metric.series_limit.folded


def test_what_is_folded_stays_so_for_as_long_as_it_is_there(maps):
    """A place that becomes free is for what was not there yet: else the sum of the others would go back."""
    put(maps, k1=1)
    metric = bind(maps, "FEW", 1)
    few(metric)
    put(maps, k2=20)
    assert {"1": 1, "other": 20} == few(metric)

    maps.maps["FEW"].delete(struct.pack("<I", 1))
    assert {"other": 20} == few(metric)
    put(maps, k2=21, k3=3)
    assert {"3": 3, "other": 21} == few(metric)

    maps.maps["FEW"].delete(struct.pack("<I", 2))
    assert {"3": 3} == few(metric)
    maps.maps["FEW"].delete(struct.pack("<I", 3))
    put(maps, k2=1)
    assert {"2": 1} == few(metric)


def test_gauges_and_histograms_fold_as_well(maps):
    put(maps, k1=1, k2=2, k3=3)
    for slot in range(4):
        maps.maps["SLOTS"].update(struct.pack("<IHH", slot // 2, 0, slot), struct.pack("<Q", 10))
    gauge = samples_of(families_of([bind(maps, "FEW", 1, "gauge")]))
    folded = samples_of(families_of([bind(maps, "SLOTS", 1, "histogram", **{"bucket-max": 4, "drop": ["sport"]})]))

    assert 6 == sum(gauge.values())
    assert 2 == len(gauge)
    assert {20} == {value for key, value in folded.items() if key[0] == "slots_count"}
    assert {"saddr=other"} <= {label for key in folded for label in key[1:]}


def test_a_label_that_is_called_like_the_others_is_among_them(maps):
    for text in (b"other", b"a", b"b"):
        maps.maps["TEXTS"].update(text.ljust(8, b"\0"), struct.pack("<Q", 1))

    samples = samples_of(families_of([bind(maps, "TEXTS", 2)]))

    assert 3 == sum(samples.values())
    assert len(samples) <= 3
    assert samples["texts_total", "key=other"] >= 1


def test_metrics_share_what_the_daemon_allows(maps):
    put(maps, k1=1, k2=2, k3=3)
    budget = SeriesBudget(4)
    first, second = bind(maps, "FEW", 100), bind(maps, "FEW", 100)

    assert {"1": 1, "2": 2, "3": 3} == few(first, budget)
    alone, rest = few(second, budget).items()
    assert ("other", 6) == (rest[0], alone[1] + rest[1])
    assert {"1": 1, "2": 2, "3": 3} == few(first, budget)
    del first
    assert 3 == len(few(bind(maps, "FEW", 100), budget))

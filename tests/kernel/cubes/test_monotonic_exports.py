"""Counters of structs, histograms and folded series never go back, whoever drains the map between two scrapes."""

import pytest

from dynmon.metrics import ExpositionFormat
from tests.expositions import parse_openmetrics, text_of
from tests.kernel.cubes.test_reads import EMPTY, SWAP, code, metric, path

DECLARED = """struct by { u32 length; u32 odd; }; struct counts { u32 packets; u64 bytes; };
BPF_HASH(BY, struct by, struct counts, 64); BPF_LABELED_HISTOGRAM(SIZES, u32);"""
BODY = """struct by by = {.length = md->packet_len, .odd = md->packet_len & 1}; struct counts none = {}, *found;
u32 zero = 0; SIZES.observe(&zero, md->packet_len);
found = BY.lookup_or_try_init(&by, &none);
if (found) { __sync_fetch_and_add(&found->packets, 1); __sync_fetch_and_add(&found->bytes, md->packet_len); }"""


def exported(kind, **more):
    return {"open-metrics-metadata": {"type": kind, "help": "Help.", **more}}


def samples(cube):
    """Samples by name and the labels that are not bounds."""
    text = text_of(cube.open_metrics(ExpositionFormat.OPENMETRICS))
    return {
        (sample.name, *(value for name, value in sample.labels.items())): sample.value
        for family in parse_openmetrics(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("options", [{}, EMPTY, SWAP, EMPTY | SWAP])
def test_totals_go_on_whoever_drains(bench, options):
    metrics = [
        metric("by", "BY", options, **exported("counter", drop=["odd"])),
        metric("one", "BY", options, **exported("counter", **{"series-limit": 1, "value-field": "packets"})),
        metric("sizes", "SIZES", options, **exported("histogram")),
    ]
    monitor = bench(ingress=path(code(DECLARED, BODY), *metrics))
    sent = 0
    for size in (60, 61, 60, 128):
        monitor.send(5, size=size)
        sent += 5
        if options:
            monitor.value("by")
            monitor.value("sizes")
        found = samples(monitor.cube)

        assert sent == sum(value for key, value in found.items() if key[0] == "by_packets_total")
        assert sent == sum(value for key, value in found.items() if key[0] == "one_total")
        assert sent == found["sizes_count", "0"] == found["sizes_bucket", "0", "+Inf"]
    assert {("by_bytes_total", "60"): 600, ("by_bytes_total", "61"): 305, ("by_bytes_total", "128"): 640} == {
        key: value for key, value in found.items() if key[0] == "by_bytes_total"
    }
    assert (15, 600 + 305 + 640) == (found["sizes_bucket", "0", "63.0"], found["sizes_sum", "0"])
    assert 2 == len([key for key in found if key[0] == "one_total"])


def test_what_was_folded_stays_so_in_new_code_that_keeps_the_map(bench):
    source = code(DECLARED, BODY)
    metrics = [metric("one", "BY", **exported("counter", **{"series-limit": 1, "value-field": "packets"}))]
    monitor = bench(ingress=path(source, *metrics))
    for size in (60, 61, 128):
        monitor.send(1, size=size)
        before = samples(monitor.cube)

    monitor.inject(ingress=path(source, *metrics, **{"keep-maps": True}))
    monitor.send(1, size=128)

    assert {("one_total", "60", "0"): 1, ("one_total", "other", "other"): 2} == before
    assert {("one_total", "60", "0"): 1, ("one_total", "other", "other"): 3} == samples(monitor.cube)


def test_a_histogram_says_when_counting_began(bench):
    monitor = bench(ingress=path(code(DECLARED, BODY), metric("sizes", "SIZES", **exported("histogram"))))
    monitor.send(1)
    first = samples(monitor.cube)["sizes_created", "0"]
    monitor.inject(
        ingress=path(code(DECLARED, BODY), metric("sizes", "SIZES", **exported("histogram")), **{"keep-maps": True})
    )

    assert first == samples(monitor.cube)["sizes_created", "0"] > 1e9

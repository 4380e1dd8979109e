"""Families become text that the judges, prometheus_client's parsers, read back as it was meant."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dynmon.metrics import (
    ExpositionFormat,
    Family,
    FamilyType,
    Sample,
    family_from_prometheus,
    merge,
    render_openmetrics,
    render_text,
)
from dynmon.metrics.exposition import number_text
from dynmon.metrics.model import Line, SampleBlock
from dynmon.rendering import Integer
from tests.expositions import exposed, text_of

FAMILIES = [
    Family("packets", FamilyType.COUNTER, "Packets.", (Sample("_total", (), 2**64 - 1),)),
    Family("delta", FamilyType.GAUGE, 'a "b" \\ c\nd', (Sample("", (("index", "0"), ("note", 'x"\\\ny')), -3),)),
    Family("ratio", FamilyType.UNKNOWN, "", (Sample("", (), 0.1), Sample("", (("k", "é"),), math.nan))),
    Family("flows", FamilyType.UNKNOWN, "Flows.", notes=("flows (ingress) is left out: its values are structs",)),
]

OPENMETRICS = r"""# HELP packets Packets.
# TYPE packets counter
packets_total 18446744073709551615
# HELP delta a \"b\" \\ c\nd
# TYPE delta gauge
delta{index="0",note="x\"\\\ny"} -3
# HELP ratio 
# TYPE ratio unknown
ratio 0.1
ratio{k="é"} NaN
# HELP flows Flows. (flows (ingress) is left out: its values are structs)
# TYPE flows unknown
# EOF
"""  # noqa: W291

TEXT = r"""# HELP packets_total Packets.
# TYPE packets_total counter
packets_total 18446744073709551615
# HELP delta a "b" \\ c\nd
# TYPE delta gauge
delta{index="0",note="x\"\\\ny"} -3
# HELP ratio 
# TYPE ratio untyped
ratio 0.1
ratio{k="é"} NaN
# HELP flows Flows. (flows (ingress) is left out: its values are structs)
# TYPE flows untyped
"""  # noqa: W291


def test_openmetrics_whole():
    assert OPENMETRICS == text_of(render_openmetrics(FAMILIES))
    assert ["packets", "delta", "ratio", "flows"] == [family.name for family in parse_openmetrics(OPENMETRICS)]


def test_text_whole():
    assert TEXT == text_of(render_text(FAMILIES))
    assert ["packets", "delta", "ratio", "flows"] == [family.name for family in parse_text(TEXT)]


def test_nothing_is_a_valid_exposition():
    assert "# EOF\n" == text_of(render_openmetrics([]))
    assert "" == text_of(render_text([]))


def test_content_types():
    assert ExpositionFormat.OPENMETRICS.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert ExpositionFormat.TEXT.content_type == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (True, "1"),
        (-(2**127), str(-(2**127))),
        (0.0, "0"),
        (-0.0, "-0"),
        (3.0, "3"),
        (100000.0, "100000"),
        (123456.7, "123456.7"),
        (1000000.0, "1e+06"),
        (-1234567.5, "-1.2345675e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e300, "1e+300"),
        (5e-324, "5e-324"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_are_written_as_go_writes_them(value, text):
    assert text == number_text(value)


@given(st.floats(allow_nan=False))
def test_every_float_reads_back_as_itself(value):
    assert value == float(number_text(value))


stems = st.text("ab_:", min_size=1, max_size=2)
names = st.tuples(stems, st.sampled_from(["", "_total", "_created", "_count", "_info", "_bucket"])).map("".join)
words = st.text("ab01 \t\"'\\\n{}=,#_é☃", max_size=8)
label_sets = st.dictionaries(st.sampled_from(["a", "b", "key"]), words, max_size=3).map(lambda d: tuple(d.items()))
numbers = st.integers(-(2**130), 2**130) | st.floats()


@st.composite
def families(draw):
    kind = draw(st.sampled_from([FamilyType.COUNTER, FamilyType.GAUGE, FamilyType.UNKNOWN]))
    values = st.integers(0, 2**70) if kind is FamilyType.COUNTER else numbers
    suffix = "_total" if kind is FamilyType.COUNTER else ""
    samples = tuple(Sample(suffix, labels, draw(values)) for labels in draw(st.lists(label_sets, max_size=4)))
    notes = () if samples else draw(st.sampled_from([(), ("left out",)]))
    return Family(draw(names), kind, draw(words), samples, notes, source=draw(st.sampled_from(["ingress", "egress"])))


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the families
@given(st.lists(families(), max_size=6))
def test_whatever_users_name_their_metrics_the_exposition_is_valid(given_families):
    """Names that clash, duplicate series and odd texts: both judges accept what comes out, and find each sample."""
    merged = merge(given_families)
    expected = [(family.name + sample.suffix, sorted(sample.labels)) for family in merged for sample in family.samples]

    for exposition_format, parse in (
        (ExpositionFormat.OPENMETRICS, parse_openmetrics),
        (ExpositionFormat.TEXT, parse_text),
    ):
        parsed = list(parse(exposed(given_families, exposition_format)))
        assert expected == [(item.name, sorted(item.labels.items())) for family in parsed for item in family.samples]
        assert len(expected) == len({repr(series) for series in expected})
        assert len(merged) == len(parsed) == len({family.name for family in parsed})


def one(name, kind=FamilyType.GAUGE, value=1, labels=(), source="", text="help"):
    suffix = "_total" if kind is FamilyType.COUNTER else ""
    return Family(name, kind, text, (Sample(suffix, labels, value),), source=source)


def test_families_of_one_name_become_one_with_the_first_help():
    merged = merge([one("a", labels=(("cube", "x"),), text="first"), one("a", labels=(("cube", "y"),), text="second")])

    assert [Family("a", FamilyType.GAUGE, "first", merged[0].samples)] == merged
    assert ["x", "y"] == [dict(sample.labels)["cube"] for sample in merged[0].samples]


def test_another_type_is_left_out_with_the_reason():
    (family,) = merge([one("a", source="ingress"), one("a", FamilyType.UNKNOWN, source="egress")])

    assert 1 == len(family.samples)
    assert family.notes == ("a (egress) is left out: its type is unknown, but that of a (ingress) is gauge",)


def test_a_name_that_is_a_sample_of_another_family_is_left_out():
    (family,) = merge([one("a", FamilyType.COUNTER), one("a_total", source="egress")])

    assert family.notes == ("a_total (egress) is left out: its names are those of the counter a",)


def test_a_series_that_is_there_already_is_left_out():
    (family,) = merge([one("a", value=1), one("a", value=2, source="egress")])

    assert family.samples == (Sample("", (), 1),)
    assert family.notes == ("a (egress): samples with the labels of others are left out: 1",)


def test_the_daemons_own_families_come_first_and_stay_as_they_are():
    (family,) = merge([one("dynmon_cubes", value=99, source="cube 'x'")], own=[one("dynmon_cubes", value=3)])

    assert family.samples == (Sample("", (), 3),)
    assert "belongs to dynmon_cubes, a family of the daemon's own" in family.notes[0]


def test_a_reason_does_not_take_the_name_from_a_family_with_samples():
    left_out = Family("a", FamilyType.UNKNOWN, "help", notes=("a (ingress) is left out: why",))

    assert [Family("a", FamilyType.GAUGE, "help", (Sample("", (), 1),), left_out.notes)] == merge([left_out, one("a")])


def test_many_reasons_are_cut_short():
    notes = tuple(f"reason {number} " + "x" * 1000 for number in range(100))

    text = text_of(render_openmetrics([Family("a", FamilyType.UNKNOWN, "help", notes=notes)]))

    assert len(text) < 2000
    assert "and 96 more" in text


def test_the_daemons_collectors_keep_their_types():
    """All of prometheus_client's kinds pass through both forms."""
    registry = CollectorRegistry()
    Counter("c", "count", ["who"], registry=registry).labels("me").inc(3)
    Gauge("g", "gauge", registry=registry).set(2.5)
    Histogram("h", "histogram", buckets=(0.1, 1), registry=registry).observe(0.5)
    Summary("s", "summary", registry=registry).observe(4)
    Info("i", "info", registry=registry).info({"version": "1"})
    Enum("e", "enum", states=["up", "down"], registry=registry).state("up")
    own = [family_from_prometheus(metric) for metric in registry.collect()]

    openmetrics = {family.name: family for family in parse_openmetrics(exposed([], ExpositionFormat.OPENMETRICS, own))}
    text = {family.name: family for family in parse_text(exposed([], ExpositionFormat.TEXT, own))}

    expected = {"c": "counter", "g": "gauge", "h": "histogram", "s": "summary", "i": "info", "e": "stateset"}
    assert expected == {name: family.type for name, family in openmetrics.items()}
    assert "gauge" == text["i_info"].type == text["e"].type == text["h_created"].type
    assert 3 == next(sample.value for sample in text["c"].samples if sample.name == "c_total")
    assert {"0.1": 0, "1.0": 1, "+Inf": 1} == {
        sample.labels["le"]: sample.value for sample in text["h"].samples if sample.name == "h_bucket"
    }


def block(rows, *labels, constant=(), suffix=""):
    """One sample for each number, its labels written from it."""
    bytes_of_rows = np.array(rows, "<u8").view(np.uint8).reshape(-1, 8)
    line = Line(suffix, tuple((name, (Integer(0, 8),)) for name in labels), (Integer(0, 8),))
    return SampleBlock(constant, (line,), bytes_of_rows)


def blocks(name, *given, source=""):
    return Family(name, FamilyType.GAUGE, "help", blocks=given, source=source)


def test_blocks_are_written_row_by_row():
    families = [blocks("a", block([1, 2], "x", "y", constant=(("c", 'q"'),)), block([3]))]

    expected = 'a{c="q\\"",x="1",y="1"} 1\na{c="q\\"",x="2",y="2"} 2\na 3\n'
    assert f"# HELP a help\n# TYPE a gauge\n{expected}# EOF\n" == text_of(render_openmetrics(families))


def test_blocks_that_no_label_tells_apart_do_not_stand_together():
    first, second = (("cube", "a"),), (("cube", "b"),)
    (family,) = merge(
        [
            blocks("a", block([1], "x", constant=first), block([9], "x", constant=first)),
            blocks("a", block([2], "x", constant=second)),
            blocks("a", block([3, 4], "x", constant=first), source="egress"),
            blocks("a", block([5], "x", "y", constant=first)),
        ]
    )

    assert [1, 1, 1, 1] == [len(each.rows) for each in family.blocks]
    assert family.notes == ("a (egress): samples with the labels of others are left out: 2",)


def test_what_the_older_format_has_no_place_for_becomes_a_gauge_of_its_own():
    lines = (Line("_count", (), (Integer(0, 8),)), Line("_created", (), (Integer(0, 8),)))
    rows = np.array([7], "<u8").view(np.uint8).reshape(1, 8)
    family = Family("h", FamilyType.SUMMARY, "help", blocks=(SampleBlock((), lines, rows),))

    text = text_of(render_text([family]))

    assert "# TYPE h summary\nh_count 7\n# HELP h_created help\n# TYPE h_created gauge\nh_created 7\n" in text

"""--expect: numbers of a report, by their names."""

import pytest

from dynmon.cli.expectations import misses, parse_expectation

REPORT = {
    "open-metrics": (
        "# HELP packets Packets = {all}\n"
        "# TYPE packets counter\n"
        "packets_total 42\n"
        'flows_total{key="10.1.0.1",site="a \\"b\\" {c}, d\\\\"} 3\n'
        'flows_total{key="10.1.0.2",site="x"} 4\n'
        "load 0.5\n"
        "big_total 18446744073709551615\n"
        "# EOF\n"
    ),
    "metrics": [
        {"name": "packets_total", "value": [42]},
        {"name": "as_json", "value": [7]},
        {"name": "variable", "value": 8},
        {"name": "many", "value": [1, 2]},
        {"name": "words", "value": ["x"]},
    ],
    "maps": [
        {"name": "ARRAY", "entries": [5, 6], "left-out": 0},
        {"name": "PERCPU", "entries": [{"key": 0, "value": [1, 2, 3]}], "left-out": 0},
        {"name": "HASH", "entries": [{"key": {"saddr": 1, "port": 53}, "value": 9}], "left-out": 0},
        {"name": "NAMES", "entries": [{"key": "eth0", "value": 2}], "left-out": 0},
        {"name": "STRUCTS", "entries": [{"a": 1}], "left-out": 0},
    ],
}


@pytest.mark.parametrize(
    "text",
    [
        "packets_total=42",
        "packets=42",
        "packets = 42",
        "load=0.5",
        "load=5e-1",
        "big=18446744073709551615",
        'flows_total{key="10.1.0.1"}=3',
        'flows{site="x"}=4',
        'flows{site="a \\"b\\" {c}, d\\\\",key="10.1.0.1"}=3',
        "as_json=7",
        "variable=8",
        "ARRAY[1]=6",
        "PERCPU[0]=6",
        'HASH[{"port": 53, "saddr": 1}]=9',
        "NAMES[eth0]=2",
        'NAMES["eth0"]=2',
    ],
)
def test_what_holds_is_not_missed(text):
    assert [] == list(misses(REPORT, [parse_expectation(text)]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("packets_total=41", "expected packets_total = 41, got 42"),
        ("big=18446744073709551614", "expected big = 18446744073709551614, got 18446744073709551615"),
        ('flows{key="10.1.0.2"}=3', 'expected flows{key="10.1.0.2"} = 3, got 4'),
        ("ARRAY[0]=6", "expected ARRAY[0] = 6, got 5"),
        ("flows=7", 'expected flows = 7, but that is 2 things; say which: flows_total{key="10.1.0.1",site='),
        ("many=3", "expected many = 3, but there is no such thing; there is: packets_total, flows_total{"),
        ("words=3", "expected words = 3, but there is no such thing"),
        ("ARRAY[2]=0", "expected ARRAY[2] = 0, but there is no such thing"),
        ("STRUCTS[0]=1", "expected STRUCTS[0] = 1, but there is no such thing"),
        ("GONE[0]=1", "expected GONE[0] = 1, but there is no such thing"),
    ],
)
def test_what_does_not_hold_is_said(text, sentence):
    [missed] = misses(REPORT, [parse_expectation(text)])

    assert missed.startswith(sentence)


def test_a_report_without_numbers_has_nothing():
    empty = {"open-metrics": "# EOF\n", "metrics": [], "maps": []}

    assert ["expected x = 1, but there is no such thing; there is: nothing"] == list(
        misses(empty, [parse_expectation("x=1")])
    )


@pytest.mark.parametrize("text", ["", "x", "=1", "x=", "x=y", "x{a=1}=2", 'x{a="1"=2', "x y=1", "x[1=2"])
def test_what_is_no_expectation_is_refused(text):
    with pytest.raises(ValueError):
        parse_expectation(text)

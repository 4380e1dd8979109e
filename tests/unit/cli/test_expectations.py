"""--expect: numbers of a report, by their names."""

import pytest

from dynmon.cli.expectations import misses, parse_expectation

METRICS = {"packets_total": "array", "as_json": "array", "variable": "array", "many": "percpu_array", "words": "array"}
REPORT = {
    "direction": "ingress",
    "explanation": {
        "ingress-path": {"metrics": [{"name": name, "map-type": kind} for name, kind in METRICS.items()]},
    },
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
        {"name": "many", "value": [{"key": 0, "value": [1, 2]}, {"key": 1, "value": [2, 3]}]},
        {"name": "words", "value": ["x"]},
    ],
    "maps": [
        {"name": "ARRAY", "type": "array", "entries": [5, 6]},
        {"name": "ONE", "type": "array", "entries": [{"packets": 1, "sizes": {"sum": 60}, "name": "x", "ok": True}]},
        {"name": "PERCPU", "type": "percpu_array", "entries": [{"key": 0, "value": [1, 2, 3]}]},
        {
            "name": "CPUS",
            "type": "lru_percpu_hash",
            "entries": [{"key": "a", "value": [{"packets": 1}, {"packets": 2}]}],
        },
        {"name": "HASH", "type": "hash", "entries": [{"key": {"saddr": 1, "port": 53}, "value": 9}]},
        {"name": "NAMES", "type": "hash", "entries": [{"key": "eth0", "value": 2}, {"key": "eth1", "value": 3}]},
        {"name": "LISTS", "type": "hash", "entries": [{"key": 1, "value": [1, 2]}]},
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
        'NAMES{key="eth0"}=2',
        " NAMES [ eth0 ] = 2 ",
        "many[1]=5",
        "ONE.packets=1",
        "ONE[0].packets=1",
        "ONE.sizes.sum=60",
        'CPUS["a"].packets=3',
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
        ("many=3", "expected many = 3, but that is 2 things; say which: many[0], many[1]"),
        ("words=3", "expected words = 3, but there is no such thing; there is: packets_total, flows_total, load, big"),
        ("ARRAY[2]=0", "expected ARRAY[2] = 0, but there is no such thing; there is: ARRAY[0], ARRAY[1]"),
        ("NAMES[x]=0", 'expected NAMES[x] = 0, but there is no such thing; there is: NAMES["eth0"], NAMES["eth1"]'),
        ("ONE=1", "expected ONE = 1, but there is no such thing"),
        ("ONE.ok=1", "expected ONE.ok = 1, but there is no such thing"),
        ("LISTS[1]=3", "expected LISTS[1] = 3, but there is no such thing"),
        ("GONE[0]=1", "expected GONE[0] = 1, but there is no such thing"),
    ],
)
def test_what_does_not_hold_is_said(text, sentence):
    [missed] = misses(REPORT, [parse_expectation(text)])

    assert missed.startswith(sentence)


def test_a_report_without_numbers_has_nothing():
    empty = {**REPORT, "open-metrics": "# EOF\n", "metrics": [], "maps": []}

    assert ["expected x = 1, but there is no such thing; there is: nothing"] == list(
        misses(empty, [parse_expectation("x=1")])
    )


@pytest.mark.parametrize(
    "text", ["", "x", "=1", "x=", "x=y", "x{a=1}=2", 'x{a="1"=2', "x y=1", "x[1=2", "x>=1", "x==1", "x=1_0"]
)
def test_what_is_no_expectation_is_refused(text):
    with pytest.raises(ValueError):
        parse_expectation(text)

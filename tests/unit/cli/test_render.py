"""Answers as text."""

import pytest

from dynmon.cli.polycubectl.grammar import View
from dynmon.cli.polycubectl.render import render
from dynmon.cli.text import printable

METRICS = {
    "ingress-metrics": [
        {"name": "packets_total", "value": [3], "timestamp": 1600000000000000},
        {"name": "flows", "value": [{"key": {"saddr": 1, "sport": 2}, "value": 7}], "timestamp": 1600000000000001},
    ],
    "egress-metrics": [],
    "_links": [{"rel": "self", "href": "//127.0.0.1:9000/"}],
}
CUBE = {
    "name": "dm",
    "loglevel": "INFO",
    "parent": "",
    "dataplane-config": {"ingress-path": {"name": "p", "code": "int x;\nint y;\n"}, "egress-path": {"name": "q"}},
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([3], "[3]"),
        ([1, 2.5, True, None], "[1, 2.5, true, null]"),
        ([], "[]"),
        ({}, "{}"),
        ("INFO", "INFO"),
        (1600000000000000, "1600000000000000"),
        (False, "false"),
        (None, "null"),
    ],
)
def test_leaves(value, text):
    assert text == render(value, View())


def test_metrics_are_a_table_with_whole_timestamps():
    assert render(METRICS, View()) == (
        "egress-metrics: []\n"
        "\n"
        "ingress-metrics:\n"
        " name           value             timestamp\n"
        " packets_total  [3]        1600000000000000\n"
        " flows          [1 items]  1600000000000001"
    )


def test_verbose_shows_the_tables_inside_a_table():
    assert render(METRICS, View("verbose")).endswith(
        "\n\n flows value:\n  key.saddr  key.sport  value\n          1          2      7"
    )


def test_hash_keys_are_columns():
    value = [{"key": {"proto": 6, "port": 443}, "value": [1, 2]}, {"key": {"proto": 17, "port": 53}, "value": [3, 4]}]

    assert render(value, View()) == (
        "key.proto  key.port  value\n        6       443  [1, 2]\n       17        53  [3, 4]"
    )


def test_columns_keep_the_order_of_the_rows():
    """What only a later row has stands behind its neighbour there."""
    rows = [{"name": "a", "note": "x"}, {"name": "b", "priority": 7, "note": "y"}, {"first": 1, "name": "c"}]

    assert "first  name  priority  note" == render(rows, View()).splitlines()[0]


def test_objects_are_indented_and_code_keeps_its_lines():
    assert render(CUBE["dataplane-config"], View()) == (
        "ingress-path:\n name: p\n code:\n   int x;\n   int y;\negress-path:\n name: q"
    )


def test_detail_limits_the_depth():
    assert render(CUBE, View("brief")) == "name: dm\nloglevel: INFO\nparent:\ndataplane-config: {2 keys}"
    assert render(CUBE, View("normal")) == (
        "name: dm\nloglevel: INFO\nparent:\ndataplane-config:\n ingress-path: {2 keys}\n egress-path: {1 keys}"
    )
    assert "  code:\n    int x;" in render(CUBE, View("verbose"))


def test_hidden_keys_are_left_out_at_any_depth():
    assert render(METRICS, View(hide=("ingress-metrics.timestamp", "egress-metrics"))).splitlines()[1] == (
        " name           value"
    )


def test_topology_lines_can_be_grepped():
    answer = {
        "name": "veth1",
        "cubes, ingress_index, egress_index": ["a,\t0,\t1", "b,\t1,\t0"],
        "ingress service chain": "a ---> b ---> stack",
    }

    assert render(answer, View()) == (
        "name: veth1\n"
        "ingress service chain: a ---> b ---> stack\n"
        "\n"
        "cubes, ingress_index, egress_index:\n"
        " a,\t0,\t1\n"
        " b,\t1,\t0"
    )


def test_links_that_the_original_puts_into_lists_are_no_row():
    assert render([{"name": "dm"}, ["_links", [{"rel": "self"}]]], View()) == "name\ndm"


def test_json_and_yaml_show_everything():
    assert render({"a": [1], "_links": []}, View("json")) == '{\n  "a": [\n    1\n  ],\n  "_links": []\n}'
    assert render({"b": 1, "a": ["x"]}, View("yaml")) == "b: 1\na:\n- x"
    assert render("INFO", View("yaml")) == "INFO"


def test_control_characters_do_not_reach_the_terminal():
    assert r"a\x1b[31mb" == printable("a\x1b[31mb")
    assert r"x\x07" in render({"k": "x\x07"}, View())
    assert "\x1b" not in render([{"key": "\x1b]0;title\x07", "value": 1}], View())


def test_a_program_gets_a_string_to_the_byte():
    assert "int x;\r\n\f" == render("int x;\r\n\f", View())
    assert "int x;\\r\n\\x0c" == render("int x;\r\n\f", View(), width=80)


def test_a_narrow_terminal_folds_cells():
    value = [{"name": "n" * 30, "description": "d" * 30, "count": 5}]
    wide = render(value, View())

    narrow = render(value, View(), width=40)

    assert max(len(line) for line in narrow.splitlines()) <= 40
    assert 60 == sum(line.count("n") + line.count("d") for line in narrow.splitlines()[1:])
    assert wide == render(value, View(), width=100)

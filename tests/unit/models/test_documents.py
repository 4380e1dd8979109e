"""Documents: what is accepted, what is refused, and how the refusal names the place."""

from __future__ import annotations

import base64
import functools
import gzip
import time

import pytest

from dynmon.errors import InvalidInputError
from dynmon.models import (
    AttachRequest,
    CubeConfig,
    CubeType,
    DataplaneConfig,
    Direction,
    LogLevel,
    PathConfig,
    validate_document,
)
from dynmon.models.cube import check_cube_name
from dynmon.models.dataplane import MAX_OBJECT_BYTES

PATH = {"code": "int x;", "metric-configs": [{"name": "packets_total", "map-name": "PKTS"}]}

ELF_START = "f0VMRg=="
NESTED = functools.reduce(lambda inner, _: [inner], range(1000), 1)


def metric(**changes):
    return {"ingress-path": {"code": "x", "metric-configs": [{"name": "m", "map-name": "M", **changes}]}}


@pytest.mark.parametrize("empty", [{}, [], None])
def test_an_empty_path_is_not_mentioned(empty):
    """`"egress-path": {}` is what all of the original's configurations carry."""
    config = validate_document(DataplaneConfig, {"ingress-path": PATH, "egress-path": empty}, "dataplane-config")

    assert config.path(Direction.EGRESS) is None
    assert "int x;" == config.path(Direction.INGRESS).code


@pytest.mark.parametrize("spelling", ["Counter", "COUNTER", "counter"])
def test_metric_types_are_accepted_in_any_case(spelling):
    data = metric(**{"open-metrics-metadata": {"help": "h", "type": spelling, "labels": []}})
    config = validate_document(DataplaneConfig, data, "dataplane-config")

    assert {"help": "h", "type": "counter"} == config.wire()["ingress-path"]["metric-configs"][0][
        "open-metrics-metadata"
    ]


def test_the_wire_form_has_the_documented_key_order():
    data = metric(**{"open-metrics-metadata": {"type": "gauge", "help": "h", "labels": [{"value": "v", "name": "n"}]}})
    path = validate_document(DataplaneConfig, data, "dataplane-config").path(Direction.INGRESS).wire()

    assert ["name", "code", "metric-configs"] == list(path)
    [config] = path["metric-configs"]
    assert ["name", "map-name", "extraction-options", "open-metrics-metadata"] == list(config)
    assert {"swap-on-read": False, "empty-on-read": False} == config["extraction-options"]
    assert ["help", "type", "labels"] == list(config["open-metrics-metadata"])


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        ({"ingress-path": {"name": "x"}}, "ingress-path", "must have code (C source) or object"),
        ({"ingress-path": {"code": "x", "object": ELF_START}}, "ingress-path", "and not both"),
        ({"ingress-path": {"object": "?"}}, "ingress-path.object", "is not base64, or cut off"),
        ({"ingress-path": {"object": "f0VMRg"}}, "ingress-path.object", "is not base64, or cut off"),
        ({"ingress-path": {"object": "caf\xe9"}}, "ingress-path.object", "is not base64, or cut off"),
        ({"ingress-path": {"object": "eA=="}}, "ingress-path.object", "is not an ELF file"),
        ({"ingress-path": {"object": "H4sI"}}, "ingress-path.object", "but damaged or cut off"),
        (
            {"ingress-path": {"code": "x", "map-sizes": {"M": 0}}},
            "ingress-path.map-sizes.M",
            "must be at least 1",
        ),
        (
            {"ingress-path": {"code": "x", "map-sizes": {"M": 1 << 32}}},
            "ingress-path.map-sizes.M",
            "must be at most 4294967295",
        ),
        (
            {"ingress-path": {"code": "x", "map-sizes": {"M": "9"}}},
            "ingress-path.map-sizes.M",
            "must be a whole number",
        ),
        (
            {"ingress-path": {"code": "x", "map-sizes": {"M": True}}},
            "ingress-path.map-sizes.M",
            "must be a whole number",
        ),
        ({"ingress-path": {"code": "x", "map-sizes": [9]}}, "ingress-path.map-sizes", "must be an object"),
        (
            {"ingress-path": {"code": "x", "map-sizes": {"": 9}}},
            "ingress-path.map-sizes",
            "has a key that must not be empty",
        ),
        ({"ingress-path": {"code": "x", "constants": {"C": float("inf")}}}, "ingress-path.constants.C", "not infinite"),
        ({"ingress-path": {"code": "x", "constants": {"C": NESTED}}}, "ingress-path.constants.C", "in each other"),
        (
            {"ingress-path": {"code": "x", "constants": {"C": b"x"}}},
            "ingress-path.constants.C",
            "must be what JSON has",
        ),
        (
            {"ingress-path": {"code": "x", "initial-entries": {"M": 9}}},
            "ingress-path.initial-entries.M",
            "must be a list",
        ),
        (
            {"ingress-path": {"code": "x", "initial-entries": {"M": [NESTED]}}},
            "ingress-path.initial-entries.M",
            "in each",
        ),
        ({"ingress-path": {"code": "x", "program-type": "lwt"}}, "ingress-path.program-type", "must be 'tc' or 'xdp'"),
        (metric(variable="v"), "ingress-path.metric-configs[0]", "map-name or variable, and not both"),
        (metric(**{"map-name": None}), "ingress-path.metric-configs[0]", "map-name or variable, and not both"),
        (
            metric(**{"map-name": None, "variable": "v", "key-type": "u32"}),
            "ingress-path.metric-configs[0]",
            "a variable has no keys",
        ),
        ({"ingress-path": {"code": 7}}, "ingress-path.code", "must be a string"),
        ({"ingress_path": PATH}, "ingress_path", "is not a known key"),
        (metric(map_name="X"), "ingress-path.metric-configs[0].map_name", "is not a known key"),
        (metric(**{"map-name": ""}), "ingress-path.metric-configs[0].map-name", "must not be empty"),
        (metric(**{"map-name": "x" * 129}), "ingress-path.metric-configs[0].map-name", "at most 128 characters"),
        (
            metric(**{"extraction-options": {"empty-on-read": "yes"}}),
            "ingress-path.metric-configs[0].extraction-options.empty-on-read",
            "must be true or false",
        ),
        (metric(name="a/b"), "ingress-path.metric-configs[0].name", "part of a URL"),
        (
            metric(**{"open-metrics-metadata": {"help": "h", "type": "countre"}}),
            "ingress-path.metric-configs[0].open-metrics-metadata.type",
            "must be 'counter', 'gauge', 'histogram', 'summary' or 'untyped'",
        ),
        (
            metric(
                **{"open-metrics-metadata": {"help": "h", "type": "gauge", "labels": [{"name": "1x", "value": ""}]}}
            ),
            "ingress-path.metric-configs[0].open-metrics-metadata.labels[0].name",
            "not a label name",
        ),
        (
            metric(
                **{"open-metrics-metadata": {"help": "h", "type": "gauge", "labels": [{"name": "le", "value": ""}]}}
            ),
            "ingress-path.metric-configs[0].open-metrics-metadata.labels[0].name",
            "reserved",
        ),
        (
            metric(name="no-dashes", **{"open-metrics-metadata": {"help": "h", "type": "gauge"}}),
            "ingress-path.metric-configs[0]",
            "exported as OpenMetrics",
        ),
    ],
)
def test_a_refusal_names_the_json_path(data, place, words):
    with pytest.raises(InvalidInputError) as caught:
        validate_document(DataplaneConfig, data, "dataplane-config")

    [problem] = caught.value.fields()["errors"]
    assert place == problem["path"]
    assert words in problem["message"]
    assert place in str(caught.value)


def test_every_fault_is_reported_at_once():
    with pytest.raises(InvalidInputError) as caught:
        validate_document(DataplaneConfig, {"ingress-path": {"cod": ""}, "egres-path": {"x": 1}}, "dataplane-config")

    assert {"ingress-path.cod", "egres-path"} == {problem["path"] for problem in caught.value.fields()["errors"]}


def test_a_fault_of_the_whole_document_has_no_path():
    with pytest.raises(InvalidInputError, match="attach is not valid: must be an object"):
        validate_document(AttachRequest, [], "attach")


def test_many_names_are_compared_quickly():
    """A body of some megabytes must not keep the daemon busy for minutes."""
    labels = [{"name": f"l{number}", "value": ""} for number in range(50_000)]
    data = metric(**{"open-metrics-metadata": {"help": "h", "type": "gauge", "labels": labels}})
    started = time.process_time()

    validate_document(DataplaneConfig, data, "dataplane-config")

    assert time.process_time() - started < 5


def test_metric_names_of_a_path_are_unique():
    twice = [{"name": "m", "map-name": "A"}, {"name": "m", "map-name": "B"}]
    with pytest.raises(InvalidInputError, match="metric name used more than once: m"):
        validate_document(DataplaneConfig, {"egress-path": {"code": "x", "metric-configs": twice}}, "dataplane-config")


def test_a_cube_has_defaults():
    config = validate_document(CubeConfig, {}, "cube")

    assert (CubeType.TC, LogLevel.INFO) == (config.type, config.loglevel)


def test_a_cube_of_another_service_is_refused():
    with pytest.raises(InvalidInputError, match="must be 'dynmon', not 'router'"):
        validate_document(CubeConfig, {"service-name": "router"}, "cube")


@pytest.mark.parametrize("name", ["dm", "monitor_0", "a.b-c", "0", "x" * 64])
def test_cube_names(name):
    assert name == check_cube_name(name)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "-x", ".x", "x" * 65, "é", "attach", "metrics", "dynmon", "show"])
def test_names_that_no_cube_can_have(name):
    with pytest.raises(InvalidInputError, match="cube name"):
        check_cube_name(name)


@pytest.mark.parametrize(
    "pair", [("position", "before"), ("position", "after"), ("before", "after")], ids=lambda pair: "+".join(pair)
)
def test_a_place_in_the_chain_is_given_one_way(pair):
    data = {"cube": "a", "port": "b", **dict.fromkeys(pair, "last")}
    with pytest.raises(InvalidInputError, match=f"{pair[0]} and {pair[1]} cannot be used together"):
        validate_document(AttachRequest, data, "attach")


def test_an_unknown_position_is_refused():
    with pytest.raises(InvalidInputError, match="auto, first, last"):
        validate_document(AttachRequest, {"cube": "a", "port": "b", "position": "middle"}, "attach")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_object_is_base64_of_an_elf_file_gzipped_or_not(pack):
    """Line breaks, as the command base64 makes them, do no harm."""
    raw = b"\x7fELF" + bytes(range(256))
    text = base64.encodebytes(pack(raw)).decode()

    assert raw == validate_document(PathConfig, {"object": text}, "path").object_bytes


def test_a_gzip_bomb_is_refused_before_it_goes_off():
    bomb = base64.b64encode(gzip.compress(bytes(MAX_OBJECT_BYTES * 20))).decode()

    with pytest.raises(InvalidInputError, match="object: is larger than 16 MiB"):
        validate_document(PathConfig, {"object": bomb}, "path")

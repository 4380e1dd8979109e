"""What a script says → the documents that a cube takes."""

from __future__ import annotations

import base64
import json

import pytest

from dynmon.errors import InvalidInputError
from dynmon.models import DataplaneConfig, MetricConfig
from dynmon.models.base import InvalidDocument
from dynmon.monitor import CodeNotFound, Monitor, NothingToRun, NotRunning
from dynmon.monitor.documents import dataplane_document

SOURCE = "int handle_rx;\n"
OBJECT = b"\x7fELF and so on"


def document(code=None, egress=None, metrics=None, config=None, **options):
    return dataplane_document(code, egress, metrics, config, options)


@pytest.mark.parametrize("name", ["probe.c", "probe"])
def test_text_is_source_and_a_file_name_is_a_file(tmp_path, name):
    """One line without a brace or a semicolon is no C: it can only be a file."""
    file = tmp_path / name
    file.write_text(SOURCE)

    for source in (SOURCE, "int handle_rx;", "int handle_rx() {}", SOURCE.encode()):
        path = document(source).ingress_path
        assert (source if isinstance(source, str) else source.decode(), "unnamed") == (path.code, path.name)
    for spelling in (file, str(file)):
        path = document(egress=spelling).egress_path
        assert (SOURCE, name) == (path.code, path.name)


def test_an_object_is_known_by_its_contents(tmp_path):
    """Whatever its file is called, and without a file."""
    file = tmp_path / "probe.bpf"
    file.write_bytes(OBJECT)

    for spelling in (file, OBJECT):
        path = document(spelling).ingress_path
        assert path.code is None
        assert OBJECT == path.object_bytes
    assert base64.b64encode(OBJECT).decode() == document(OBJECT).ingress_path.object


def test_a_file_that_is_not_there(tmp_path):
    for spelling in (tmp_path / "nothing.c", str(tmp_path / "nothing"), str(tmp_path / "nothing.json")):
        with pytest.raises(CodeNotFound, match=r"read '.*/nothing(\..*)?': No such file or directory"):
            document(spelling)


def test_metrics_are_named_after_maps_or_given_whole():
    """A name for a map is exported: as a counter where the name says so."""
    whole = MetricConfig(name="whole", map_name="C")
    found = document(SOURCE, metrics={"a_total": "A", "b": {"map-name": "B"}, "whole": whole}).ingress_path

    assert ["a_total", "b", "whole"] == [metric.name for metric in found.metric_configs]
    assert ["A", "B", "C"] == [metric.map_name for metric in found.metric_configs]
    assert ["counter", None, None] == [
        metric.open_metrics_metadata and metric.open_metrics_metadata.type for metric in found.metric_configs
    ]


def test_a_list_of_maps_has_metrics_of_the_same_names():
    found = document(SOURCE, egress=SOURCE, metrics=iter(["FLOWS", {"name": "b", "map-name": "B"}]))

    for path in (found.ingress_path, found.egress_path):
        assert [("FLOWS", "FLOWS"), ("b", "B")] == [(metric.name, metric.map_name) for metric in path.metric_configs]
        assert "untyped" == path.metric_configs[0].open_metrics_metadata.type


def test_options_are_keys_of_the_path():
    found = document(SOURCE, program="probe", map_sizes={"FLOWS": 7}, constants={"port": 53}).ingress_path

    assert ("probe", {"FLOWS": 7}, {"port": 53}) == (found.program, found.map_sizes, found.constants)


def test_no_text_is_neither():
    with pytest.raises(InvalidDocument, match=r"ingress-path\.code: must not be empty"):
        document("")


def test_an_unknown_option_is_named():
    with pytest.raises(InvalidDocument, match=r"ingress-path\.colour: is not a known key"):
        document(SOURCE, colour="blue")


def test_a_configuration_is_taken_as_it_is(tmp_path):
    """As a dict, a model or a file; under its name, or in the place of the code."""
    config = {"ingress-path": {"code": SOURCE, "metric-configs": [{"name": "a", "map-name": "A"}]}}
    expected = DataplaneConfig.model_validate(config)
    file = tmp_path / "probe.json"
    file.write_text(json.dumps(config))

    for spelling in (config, expected, file, str(file)):
        assert expected == document(config=spelling) == document(spelling)


def test_a_configuration_that_is_no_json_names_its_file(tmp_path):
    (tmp_path / "probe.json").write_text("{")

    with pytest.raises(InvalidInputError, match=r"read '.*/probe\.json': Expecting property name"):
        document(tmp_path / "probe.json")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "nothing would run: give code"),
        ({"config": {}}, "config has neither ingress-path nor egress-path"),
        ({"code": SOURCE, "config": {"ingress-path": {"code": SOURCE}}}, "config says everything"),
        ({"metrics": ["A"], "config": {"ingress-path": {"code": SOURCE}}}, "config says everything"),
        ({"code": {"ingress-path": {}}, "egress": SOURCE}, "config says everything"),
        ({"egress": {"egress-path": {"code": SOURCE}}}, "egress is code: a configuration is for both directions"),
        ({"program": "probe", "config": {"ingress-path": {"code": SOURCE}}}, "config says everything"),
    ],
)
def test_code_is_given_once(arguments, sentence):
    with pytest.raises(NothingToRun, match=sentence):
        document(**arguments)


@pytest.mark.parametrize("options", [{"hook": "socket"}, {"loglevel": "LOUD"}, {"interface": ""}])
def test_a_monitor_checks_its_arguments_before_anything_runs(options):
    with pytest.raises(InvalidInputError):
        Monitor(**{"interface": "eth0", "code": SOURCE, **options})


def test_a_monitor_that_is_not_open_says_so():
    monitor = Monitor("eth0", SOURCE)

    for read in (monitor.metrics, monitor.open_metrics, lambda: monitor.read("A"), lambda: monitor.inject(SOURCE)):
        with pytest.raises(NotRunning, match=r"the monitor of 'eth0' is not running: use it in a with block"):
            read()
    assert "<Monitor eth0: not running>" == repr(monitor)
    monitor.close()

"""dynmon_injector.py stands alone and so has a reader of its own, which must read what dynmon pack reads."""

import importlib.util
import json
from pathlib import Path

import pytest

from dynmon.cli.pack import Sources, find_sources, pack

SOURCE = "int i;\r\n// ünïcode"


@pytest.fixture(scope="module")
def injector():
    file = Path(__file__).resolve().parents[3] / "tools/dynmon_injector.py"
    specification = importlib.util.spec_from_file_location("dynmon_injector", file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "files",
    [
        {"probe.c": SOURCE},
        {"ingress.c": SOURCE, "egress.c": "int e;"},
        {"only.c": SOURCE},
        {"egress.c": SOURCE, "metrics.json": '[{"name": "a", "map-name": "M"}]'},
        {"probe.c": SOURCE, "egress.c": SOURCE, "metrics.yml": "egress:\n- {name: a, map-name: M}\n"},
    ],
)
def test_folders_are_read_as_dynmon_pack_reads_them(injector, tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())

    assert pack(find_sources(tmp_path)) == injector.load_config(tmp_path)


def test_every_example_folder_gives_its_published_configuration(injector, repository):
    folders = sorted(file.parent for file in repository.glob("examples/*/metrics.yaml"))
    assert folders

    for folder in folders:
        published = json.loads(folder.with_suffix(".json").read_text())
        assert published == injector.load_config(folder) | {"egress-path": {}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"ingress-path": {"name": "p", "code-file": "probe.c"}, "egress-path": {}}'),
        ("a.yaml", "ingress-path:\n  name: p\n  code-file: probe.c\negress-path: {}\n"),
        ("a.conf", "ingress-path:\n  name: p\n  code-file: probe.c\negress-path: {}\n"),
    ],
)
def test_code_files_lie_beside_the_configuration(injector, tmp_path, name, text):
    (tmp_path / "probe.c").write_bytes(SOURCE.encode())
    (tmp_path / name).write_text(text)

    assert {
        "ingress-path": {"name": "p", "code": SOURCE},
        "egress-path": {},
    } == injector.load_config(tmp_path / name)
    assert SOURCE == pack(Sources({"ingress": tmp_path / "probe.c"}))["ingress-path"]["code"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must be an object with ingress-path and egress-path"),
        ("", "must be an object"),
        ('{"a": 1,\n "b" 2}', "is not valid JSON: line 2 column 6"),
        ("a: [1", "is not valid YAML: line 1"),
        ("a: 2020-01-01", "cannot be sent as JSON"),
        ("ingress-path: {code-file: gone.c}", "cannot read"),
        ("ingress-path: {code-file: [1]}", "code-file must be the name of a file"),
        ('{"ingress-path": {"code-file": "a\\u0000"}}', "code-file must be the name of a file"),
        ("ingress-path: {code: x, code-file: y}", "cannot be used together"),
        ("[" * 100_000, "nested too deeply"),
        ("a: \x00", "is not valid YAML"),
        ("a: \xff", "is not UTF-8 text (byte 3)"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(injector, tmp_path, text, message):
    file = tmp_path / "config"
    file.write_text(text, encoding="latin-1")

    with pytest.raises(injector.Failure) as caught:
        injector.load_config(file)

    assert message in str(caught.value)
    assert str(caught.value).startswith("Error: ")


def test_a_file_that_is_not_there(injector, tmp_path):
    with pytest.raises(injector.Failure, match=r"^File .*/nope\.json does not exist\.$"):
        injector.load_config(tmp_path / "nope.json")

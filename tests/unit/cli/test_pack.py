"""dynmon pack: a dataplane-config document out of files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynmon.cli.dynmon import main
from dynmon.cli.pack import PackError, parse_metric, resolve_code_files

SOURCE = 'BPF_ARRAY(PKTS, u64, 1);\r\n/* "quotes" \\ and \t tabs, ünïcode, no newline at the end */ int x;'
METRICS = """\
- name: packets_total
  map-name: PKTS
  open-metrics-metadata: {type: counter, help: Packets, labels: [{name: proto, value: UDP}]}
"""
METRIC = {
    "name": "packets_total",
    "map-name": "PKTS",
    "open-metrics-metadata": {"type": "counter", "help": "Packets", "labels": [{"name": "proto", "value": "UDP"}]},
}


@pytest.fixture
def probe(tmp_path) -> Path:
    file = tmp_path / "probe.c"
    file.write_bytes(SOURCE.encode())
    return file


def packed(capsysbinary, *arguments):
    status = main(["pack", *map(str, arguments)])
    return json.loads(capsysbinary.readouterr().out) if status == 0 else status


def test_the_source_comes_through_to_the_byte(probe, capsysbinary):
    assert {"ingress-path": {"name": "probe", "code": SOURCE}} == packed(capsysbinary, probe)


def test_metrics_from_the_command_line(probe, capsysbinary):
    config = packed(
        capsysbinary, probe, "--metric", "a=PKTS", "--metric", "b_total=PKTS:Counter:Packets: all", "--name", "mine"
    )

    assert "mine" == config["ingress-path"]["name"]
    assert [
        {"name": "a", "map-name": "PKTS"},
        {
            "name": "b_total",
            "map-name": "PKTS",
            "open-metrics-metadata": {"help": "Packets: all", "type": "counter"},
        },
    ] == config["ingress-path"]["metric-configs"]


def test_both_directions_with_metrics_of_their_own(probe, capsysbinary):
    config = packed(capsysbinary, probe, "--egress", probe, "--metric", "in=PKTS", "--egress-metric", "out=PKTS:gauge")

    assert ["ingress-path", "egress-path"] == list(config)
    assert "in" == config["ingress-path"]["metric-configs"][0]["name"]
    assert {"help": "out", "type": "gauge"} == config["egress-path"]["metric-configs"][0]["open-metrics-metadata"]


def test_only_egress(probe, capsysbinary):
    assert ["egress-path"] == list(packed(capsysbinary, "--egress", probe))


def test_a_folder_with_one_c_file(tmp_path, capsysbinary):
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "flows.c").write_text("int i;")

    assert {"ingress-path": {"name": "flows", "code": "int i;"}} == packed(capsysbinary, folder)


@pytest.mark.parametrize("ingress", ["probe.c", "ingress.c"])
def test_a_folder(tmp_path, capsysbinary, ingress):
    folder = tmp_path / "counter"
    folder.mkdir()
    (folder / ingress).write_text("int i;")
    (folder / "egress.c").write_text("int e;")
    (folder / "metrics.yaml").write_text(METRICS)

    assert {
        "ingress-path": {"name": "counter", "code": "int i;", "metric-configs": [METRIC]},
        "egress-path": {"name": "counter", "code": "int e;", "metric-configs": [METRIC]},
    } == packed(capsysbinary, folder)


def test_a_folder_with_metrics_for_one_direction(tmp_path, capsysbinary):
    (tmp_path / "ingress.c").write_text("int i;")
    (tmp_path / "egress.c").write_text("int e;")
    (tmp_path / "metrics.json").write_text(json.dumps({"egress": [METRIC]}))

    config = packed(capsysbinary, tmp_path)

    assert "metric-configs" not in config["ingress-path"]
    assert [METRIC] == config["egress-path"]["metric-configs"]


def test_output_file(probe, tmp_path, capsysbinary):
    assert 0 == main(["pack", str(probe), "-o", str(tmp_path / "config.json")])
    assert SOURCE == json.loads((tmp_path / "config.json").read_text())["ingress-path"]["code"]
    assert b"" == capsysbinary.readouterr().out


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({}, ["nope.c"], "cannot read nope.c: No such file or directory"),
        ({}, ["."], ". has no C file and no object"),
        ({"a.c": "", "b.c": ""}, ["."], ". has 2 C files; it needs a single one, or ingress.c and egress.c"),
        ({}, [], "nothing to pack"),
        ({"probe.c": "", "ingress.c": ""}, ["."], ". has both ingress.c and probe.c; keep one"),
        ({"probe.c": "\xff"}, ["probe.c"], "probe.c is not UTF-8 text (byte 0)"),
        ({"probe.c": ""}, ["probe.c"], "ingress-path.code"),
        ({"probe.c": "x"}, ["probe.c", "--metric", "a"], "must be written name=MAP[:type[:help]]"),
        ({"probe.c": "x"}, ["probe.c", "--metric", "a=M:count"], "the type must be one of counter, gauge"),
        ({"probe.c": "x"}, ["probe.c", "--egress-metric", "a=M"], "but no egress code"),
        ({"probe.c": "x"}, ["probe.c", "--metric", "a=M", "--metric", "a=N"], "metric name used more than once: a"),
        ({"probe.c": "x", "m.json": "{\n]"}, ["probe.c", "--metrics", "m.json"], "line 2 column 1"),
        ({"probe.c": "x", "m.yaml": "a: 1"}, ["probe.c", "--metrics", "m.yaml"], "must be a list of metrics"),
        ({"probe.c": "x", "m.yaml": "both: []"}, ["probe.c", "--metrics", "m.yaml"], "m.yaml has both"),
        ({"probe.c": "x", "m.yaml": "egress: []"}, ["probe.c", "--metrics", "m.yaml"], "there is no egress code"),
        (
            {"probe.c": "x", "m.yaml": "- {name: a}"},
            ["probe.c", "--metrics", "m.yaml"],
            "must have map-name or variable, and not both",
        ),
        ({"probe.c": "x"}, ["probe.c", "-o", "no/where"], "cannot write no/where"),
    ],
)
def test_what_cannot_be_packed_is_said_on_stderr(tmp_path, monkeypatch, capsys, files, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        Path(name).write_text(text, encoding="latin-1")

    assert 1 == main(["pack", *arguments])
    captured = capsys.readouterr()
    assert message in captured.err
    assert "" == captured.out


def test_code_files_are_found_beside_the_document(probe):
    document = {
        "type": "TC",
        "dataplane-config": {"ingress-path": {"name": "a", "code-file": "probe.c"}, "egress-path": {}},
    }

    assert {
        "type": "TC",
        "dataplane-config": {"ingress-path": {"name": "a", "code": SOURCE}, "egress-path": {}},
    } == resolve_code_files(document, probe.parent)


@pytest.mark.parametrize("path", [{"code": "x", "code-file": "probe.c"}, {"code-file": 3}, {"code-file": "gone.c"}])
def test_code_files_that_cannot_be_used(tmp_path, path):
    with pytest.raises(PackError):
        resolve_code_files({"ingress-path": path}, tmp_path)


def test_a_metric_without_a_type_is_not_exported():
    assert {"name": "a", "map-name": "M"} == parse_metric("a=M")


def test_the_command_fails_quietly_when_its_reader_leaves(probe):
    probe.write_text("x" * 500_000)
    with subprocess.Popen(
        [sys.executable, "-c", "from dynmon.cli.dynmon import main; raise SystemExit(main())", "pack", str(probe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # unbuffered, the half that was written counts as success
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert b"" == process.stderr.read()
    assert 1 == process.returncode


def test_a_full_disk_is_told_in_a_line(repository):
    """Standard output goes to where nothing can be written."""
    command = [sys.executable, "-c", "from dynmon.cli.dynmon import main; raise SystemExit(main())"]
    command += ["pack", str(repository / "examples" / "flows")]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (1, "dynmon: standard output: No space left on device\n") == (result.returncode, result.stderr)

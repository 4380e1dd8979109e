"""dynmon_injector.py and dynmon_extractor.py against a real daemon: flags, messages, flows."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from dynmon.client import ApiError
from tests.packets import ethernet, ipv4, udp

FRAME = ethernet(ipv4(udp(dport=9)))
PASS = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }\n"
BROKEN = "int f(void)\n{\n\treturn y;\n}\n"


class Tool:
    """Runs one of the scripts against the daemon."""

    def __init__(self, repository, daemon, name, folder):
        self.script = repository / "tools" / f"dynmon_{name}.py"
        parts = urlsplit(daemon.url)
        self.where = ["-a", parts.hostname, "-p", str(parts.port)]
        self.folder = folder

    def __call__(self, *arguments, where=None):
        command = [sys.executable, self.script, *(self.where if where is None else where), *map(str, arguments)]
        outcome = subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=self.folder, stdin=subprocess.DEVNULL
        )
        assert "Traceback" not in outcome.stderr
        return outcome


@pytest.fixture
def injector(repository, daemon, tmp_path):
    return Tool(repository, daemon, "injector", tmp_path)


@pytest.fixture
def extractor(repository, daemon, tmp_path):
    return Tool(repository, daemon, "extractor", tmp_path)


@pytest.fixture
def packet_counter(repository):
    return repository / "examples/packet_counter.json"


def config_file(folder, **codes):
    """A configuration with the same metric-less code paths, as a file."""
    document = {f"{direction}-path": {"name": direction, "code": code} for direction, code in codes.items()}
    file = folder / "config.json"
    file.write_text(json.dumps(document))
    return file


def test_a_new_cube_counts(injector, client, veth, packet_counter):
    outcome = injector("monitor_0", veth.host, packet_counter)

    assert (0, "") == (outcome.returncode, outcome.stderr)
    assert outcome.stdout == (f"Creating new dynmon instance named monitor_0\nAttaching monitor_0 to {veth.host}\n")
    veth.send_in(FRAME, count=3)
    assert [3] == client.metric_value("monitor_0", "ingress", "packets_total")
    cube = client.get("monitor_0")
    assert ("TC", "OFF", veth.host) == (cube["type"], cube["loglevel"], cube["parent"])


def test_an_existing_cube_is_moved_and_gets_the_new_dataplane(injector, client, veth, packet_counter, tmp_path):
    client.create("dm")
    client.attach("dm", "lo")

    outcome = injector("dm", veth.host, packet_counter)

    assert (0, "") == (outcome.returncode, outcome.stderr)
    assert outcome.stdout.splitlines() == [
        "Dynmon dm already exist",
        "Detaching dm from lo",
        f"Attaching dm to {veth.host}",
        "Injecting the new dataplane",
    ]
    assert veth.host == client.get("dm")["parent"]

    again = injector("dm", veth.host, packet_counter)
    assert ["Dynmon dm already exist", "Injecting the new dataplane"] == again.stdout.splitlines()


def test_the_look_whether_a_cube_exists_drains_nothing(injector, client, veth, tmp_path, packet_counter):
    document = json.loads(packet_counter.read_text())
    document["ingress-path"]["metric-configs"][0]["extraction-options"] = {"empty-on-read": True}
    client.create("dm", {"dataplane-config": document})
    client.attach("dm", veth.host)
    veth.send_in(FRAME, count=4)

    injector("dm", veth.host, config_file(tmp_path, egress=PASS))

    assert [4] == client.metric_value("dm", "ingress", "packets_total")


@pytest.mark.parametrize(("direction", "other"), [("ingress", "egress"), ("egress", "ingress")])
def test_one_path_only(injector, client, veth, tmp_path, direction, other):
    file = config_file(tmp_path, ingress=PASS, egress=PASS)

    assert 0 == injector("-t", direction, "dm", veth.host, file).returncode
    paths = client.get("dm")["dataplane-config"]
    assert direction == paths[f"{direction}-path"]["name"]
    assert "Default path config" == paths[f"{other}-path"]["name"]


def test_a_configuration_without_the_wanted_path_is_said(injector, client, veth, packet_counter):
    outcome = injector("-t", "egress", "dm", veth.host, packet_counter)

    assert 0 == outcome.returncode
    assert f"nothing to inject: {packet_counter} has no egress-path\n" == outcome.stderr


def test_mode_and_debug_of_a_new_cube(injector, client, veth, packet_counter):
    assert 0 == injector("-m", "xdp_skb", "-d", "dm", veth.host, packet_counter).returncode
    cube = client.get("dm")
    assert ("XDP_SKB", "DEBUG") == (cube["type"], cube["loglevel"])


def test_mode_and_debug_of_an_existing_cube_are_ignored_and_said(injector, client, veth, packet_counter):
    client.create("dm")

    outcome = injector("-m", "XDP_SKB", "-d", "dm", veth.host, packet_counter)

    assert 0 == outcome.returncode
    assert ["mode ignored: dm exists with type TC", "debug ignored: dm exists with log level INFO"] == [
        line.partition(" (")[0] for line in outcome.stderr.splitlines()
    ]
    assert ("TC", "INFO") == (client.get("dm")["type"], client.get("dm")["loglevel"])


@pytest.mark.parametrize("existing", [False, True])
def test_code_that_does_not_compile_is_an_error_with_its_line(injector, client, veth, tmp_path, existing):
    if existing:
        client.create("dm", {"dataplane-config": {"ingress-path": {"name": "old", "code": PASS}}})

    outcome = injector("dm", veth.host, config_file(tmp_path, ingress=BROKEN))

    assert 1 == outcome.returncode
    said = outcome.stderr.splitlines()
    assert said[0].startswith("Error: ")
    place = next(number for number, line in enumerate(said) if line.startswith("ingress:3:9: error: "))
    assert [" 3 | \treturn y;", "   | \t       ^"] == said[place + 1 : place + 3]
    if existing:
        assert "old" == client.get("dm")["dataplane-config"]["ingress-path"]["name"]
    else:
        assert {} == client.list()


def test_a_new_cube_that_cannot_be_attached_is_not_left_behind(injector, client, packet_counter):
    outcome = injector("dm", "nowhere", packet_counter)

    assert 1 == outcome.returncode
    assert outcome.stderr.startswith("Error: ")
    assert "nowhere" in outcome.stderr
    assert {} == client.list()


def test_an_existing_cube_that_cannot_be_moved_stays(injector, client, veth, packet_counter):
    client.create("dm")
    client.attach("dm", veth.host)

    assert 1 == injector("dm", "nowhere", packet_counter).returncode
    assert veth.host == client.get("dm")["parent"]


def test_a_folder(injector, client, veth, repository):
    assert 0 == injector("dm", veth.host, repository / "examples/packet_counter").returncode
    veth.send_in(FRAME, count=2)
    assert [2] == client.metric_value("dm", "ingress", "packets_total")


def test_nothing_is_asked_of_the_daemon_when_the_file_is_wrong(injector, tmp_path):
    nobody = ["-p", "1"]
    missing = injector("dm", "lo", "nope.json", where=nobody)
    assert (1, "File nope.json does not exist.\n") == (missing.returncode, missing.stderr)

    (tmp_path / "bad.json").write_text('{\n "ingress-path": }')
    bad = injector("dm", "lo", "bad.json", where=nobody)
    assert 1 == bad.returncode
    assert bad.stderr.startswith("Error: bad.json is not valid JSON: line 2 column 18: ")


@pytest.mark.parametrize("tool", ["injector", "extractor"])
def test_nobody_listens(tool, request, packet_counter):
    run = request.getfixturevalue(tool)
    arguments = ["dm", "lo", packet_counter] if tool == "injector" else ["dm"]

    outcome = run(*arguments, where=["-a", "127.0.0.1", "-p", "1"])

    assert (1, "Connection error: unable to connect to polycube daemon.\n") == (outcome.returncode, outcome.stderr)


@pytest.mark.parametrize(
    "arguments",
    [["-t", "sideways", "dm", "lo", "x"], ["-m", "XDP", "dm", "lo", "x"], ["dm"], ["-p", "x", "a", "b", "c"]],
)
def test_a_wrong_command_line_of_the_injector(injector, arguments):
    outcome = injector(*arguments, where=[])

    assert (2, "") == (outcome.returncode, outcome.stdout)
    assert outcome.stderr.startswith("usage: dynmon_injector.py")


def test_versions(injector, extractor):
    assert "dynmon_injector.py - Version 1.2\n" == injector("-v").stdout
    assert "dynmon_extractor.py - Version 1.1\n" == extractor("-v").stdout


@pytest.fixture
def counting(client, veth, packet_counter):
    """A cube that has seen three packets."""
    client.create("dm", {"dataplane-config": json.loads(packet_counter.read_text())})
    client.attach("dm", veth.host)
    veth.send_in(FRAME, count=3)


def test_extract_all(extractor, counting):
    outcome = extractor("dm")

    assert (0, "") == (outcome.returncode, outcome.stderr)
    metrics = json.loads(outcome.stdout)
    assert ["ingress-metrics", "egress-metrics"] == list(metrics)
    (reading,) = metrics["ingress-metrics"]
    assert ("packets_total", [3]) == (reading["name"], reading["value"])
    assert "_links" not in outcome.stdout
    assert outcome.stdout == json.dumps(metrics, indent=2) + "\n"


def test_extract_one_direction(extractor, counting):
    assert [[3]] == [reading["value"] for reading in json.loads(extractor("-t", "ingress", "dm").stdout)]
    assert "[]\n" == extractor("dm", "-t", "egress").stdout


def test_extract_one_metric_with_its_whole_value(extractor, counting):
    assert [3] == json.loads(extractor("dm", "-t", "ingress", "-n", "packets_total").stdout)


def test_extract_into_a_file(extractor, counting, tmp_path):
    outcome = extractor("dm", "-s", "-t", "ingress", "-n", "packets_total")

    assert (0, "", "") == (outcome.returncode, outcome.stdout, outcome.stderr)
    assert [3] == json.loads((tmp_path / "dump.json").read_text())


def test_extract_what_does_not_exist(extractor, counting):
    for arguments in (["nobody"], ["dm", "-t", "ingress", "-n", "nothing"]):
        outcome = extractor(*arguments)
        assert (1, "") == (outcome.returncode, outcome.stdout)
        assert outcome.stderr.startswith("Error: ")
        assert arguments[-1] in outcome.stderr


def test_a_name_needs_a_type(extractor):
    outcome = extractor("dm", "-n", "packets_total")

    assert 2 == outcome.returncode
    assert "-n/--name needs -t/--type" in outcome.stderr


def test_the_client_carries_the_problem(client):
    with pytest.raises(ApiError) as caught:
        client.create("dm", {"dataplane-config": {"ingress-path": {"name": "p", "code": BROKEN}}})

    assert caught.value.status == 422
    assert "compile" == caught.value.problem["stage"]
    assert [("ingress", 3)] == [(error["file"], error["line"]) for error in caught.value.problem["diagnostics"]][:1]

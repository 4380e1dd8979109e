"""polycubectl against a real daemon, typed as the original's documentation types it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dynmon import __version__
from dynmon.client import normalised_url
from tests.packets import ethernet, ipv4, udp

BIN = Path(sys.executable).parent
FRAME = ethernet(ipv4(udp(dport=9)))
BROKEN = {"ingress-path": {"name": "broken", "code": "int f(void)\n{\n\treturn y;\n}\n"}}
PASS = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }"
FLOWS = """
struct flow { u32 source; u16 port; };
BPF_TABLE("hash", struct flow, u64, FLOWS, 16);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	struct flow flow;
	__builtin_memset(&flow, 0, sizeof(flow));
	flow.source = 7;
	flow.port = 53;
	u64 one = 1;
	FLOWS.update(&flow, &one);
	return RX_OK;
}
"""


class Polycubectl:
    """Runs polycubectl as a user would; keeps HOME away from the real one."""

    def __init__(self, url: str, home: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "POLYCUBECTL_URL": url,
            "PYTHONPATH": "src",
        }

    def run(self, line: str, **options):
        """The finished process of ``polycubectl LINE``."""
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        environment = self.environment | options.pop("env", {})
        if "input" in options:
            del options["stdin"]
        return subprocess.run(
            [BIN / "polycubectl", *line.split()],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
            **options,
        )

    def __call__(self, line: str, **options) -> str:
        """What a successful ``polycubectl LINE`` prints."""
        outcome = self.run(line, **options)
        assert (0, "") == (outcome.returncode, outcome.stderr), outcome
        return outcome.stdout

    def fails(self, line: str, **options) -> str:
        """What a refused ``polycubectl LINE`` says."""
        outcome = self.run(line, **options)
        assert (2, "") == (outcome.returncode, outcome.stdout), outcome
        return outcome.stderr


@pytest.fixture
def polycubectl(daemon, tmp_path) -> Polycubectl:
    return Polycubectl(normalised_url(daemon.url), tmp_path)


@pytest.fixture
def packet_counter(repository) -> Path:
    return repository / "examples/packet_counter.json"


@pytest.fixture
def monitor(polycubectl, packet_counter) -> str:
    """A cube with the packet counter."""
    polycubectl("dynmon add monitor")
    with packet_counter.open() as config:
        polycubectl("monitor dataplane-config set", stdin=config)
    return "monitor"


def test_the_session_of_the_documentation(polycubectl, monitor, veth):
    """Add, inject, attach, look, detach, delete: as typed, with exact numbers."""
    assert "" == polycubectl(f"attach monitor {veth.host}")
    veth.send_in(FRAME, count=7)

    assert "[7]\n" == polycubectl("monitor metrics ingress-metrics packets_total value show")
    lines = polycubectl("monitor metrics show").splitlines()
    assert ["egress-metrics: []", "", "ingress-metrics:"] == lines[:3]
    assert re.fullmatch(r" name +value +timestamp", lines[3])
    assert re.fullmatch(r" packets_total +\[7\] +[0-9]{16}", lines[4])
    exposition = polycubectl("monitor open-metrics show")
    assert re.search(r"(?m)^packets_total(\{.*\})? 7(\.0)?$", exposition)
    assert exposition.endswith("# EOF\n")

    assert "" == polycubectl(f"detach monitor {veth.host}")
    veth.send_in(FRAME, count=5)
    assert "[7]\n" == polycubectl("monitor metrics ingress-metrics packets_total value show")
    assert "" == polycubectl("dynmon del monitor")
    assert "cube 'monitor' does not exist\n" == polycubectl.fails("dynmon monitor show")


@pytest.mark.parametrize("words", ["dynmon del dm", "del dynmon dm", "dm del", "del dm"])
def test_the_command_stands_anywhere(polycubectl, words):
    polycubectl("dynmon add dm")

    assert "" == polycubectl(words)
    assert "{}\n" == polycubectl("cubes")


@pytest.mark.parametrize("source", ["file", "pipe", "yaml", "code-file"])
def test_a_dataplane_comes_from_standard_input(polycubectl, packet_counter, tmp_path, source):
    polycubectl("dynmon add monitor")
    config = json.loads(packet_counter.read_text())
    line = "monitor dataplane-config set"
    if source == "pipe":
        polycubectl(line, input=json.dumps(config))
    else:
        file = tmp_path / "config"
        if source == "code-file":
            (tmp_path / "probe.c").write_text(config["ingress-path"]["code"])
            path = {**config["ingress-path"], "code-file": "probe.c"}
            del path["code"]
            config = {"ingress-path": path}
        if source == "yaml":
            import yaml

            file.write_text(yaml.safe_dump(config))
        else:
            file.write_text(json.dumps(config))
        with file.open() as stdin:
            polycubectl(line, stdin=stdin)

    original = json.loads(packet_counter.read_text())["ingress-path"]["code"]
    assert original in polycubectl("monitor dataplane-config ingress-path code show")
    assert "[0]\n" == polycubectl("monitor metrics ingress-metrics packets_total value show")


def test_a_cube_is_made_with_its_dataplane(polycubectl, packet_counter):
    body = {"loglevel": "DEBUG", "dataplane-config": json.loads(packet_counter.read_text())}

    assert "" == polycubectl("dynmon add monitor", input=json.dumps(body))
    assert "DEBUG\n" == polycubectl("monitor loglevel show")
    assert "packet_counter\n" == polycubectl("monitor dataplane-config ingress-path name show")


def test_a_body_on_standard_input_replaces_the_arguments_and_says_so(polycubectl):
    outcome = polycubectl.run("dynmon add monitor loglevel=TRACE", input="{}")

    assert (0, "") == (outcome.returncode, outcome.stdout)
    assert "the key=value arguments are not used" in outcome.stderr
    assert "INFO\n" == polycubectl("monitor loglevel show")


def test_loglevel_is_set_as_a_single_parameter(polycubectl, monitor):
    assert "" == polycubectl("monitor set loglevel=debug")
    assert "DEBUG\n" == polycubectl("monitor loglevel show")
    assert '"DEBUG"\n' == polycubectl("monitor loglevel show -json")


def test_names_that_look_like_numbers(polycubectl, veth):
    polycubectl("dynmon add 1")

    assert "" == polycubectl(f"attach 1 {veth.host}")
    assert [("1", veth.host)] == [
        (cube["name"], cube["parent"]) for cube in json.loads(polycubectl("topology show -json"))
    ]


def test_the_chain_on_an_interface(polycubectl, veth):
    """The order of the original's published test."""
    for number in range(1, 6):
        polycubectl(f"dynmon add th{number}")
    for place in ("th3", "th1 position=first", "th5 position=last", "th2 after=th1", "th4 before=th5"):
        cube, *rest = place.split()
        polycubectl(" ".join(["attach", cube, veth.host, *rest]))

    lines = polycubectl(f"topology show {veth.host}").splitlines()

    assert "ingress service chain: th1 ---> th2 ---> th3 ---> th4 ---> th5 ---> stack" in lines
    assert "egress service chain: th5 ---> th4 ---> th3 ---> th2 ---> th1 ---> stack" in lines


def test_hash_keys_are_columns(polycubectl, veth):
    metric = {"name": "flows", "map-name": "FLOWS"}
    path = {"name": "flows", "code": FLOWS, "metric-configs": [metric]}
    polycubectl("dynmon add monitor", input=json.dumps({"dataplane-config": {"ingress-path": path}}))
    polycubectl(f"attach monitor {veth.host}")
    veth.send_in(FRAME)

    assert [["key.source", "key.port", "value"], ["7", "53", "1"]] == [
        line.split() for line in polycubectl("monitor metrics ingress-metrics flows value show").splitlines()
    ]


def test_formats(polycubectl, monitor):
    assert "dynmon: [1 items]\n" == polycubectl("cubes show -brief")
    assert ["name", "uuid", "service-name", "type", "loglevel", "parent", "passive"] == (
        polycubectl("cubes show").splitlines()[1].split()
    )
    assert "uuid" not in polycubectl("cubes show -hide=dynmon.uuid")
    assert "monitor" == json.loads(polycubectl("monitor show -json"))["name"]
    assert polycubectl("monitor show -yaml").startswith("name: monitor\n")
    assert "uuid" not in polycubectl("topology")


def test_a_failed_injection_shows_the_line(polycubectl, monitor):
    said = polycubectl.fails("monitor dataplane-config set", input=json.dumps(BROKEN)).splitlines()

    place = next(number for number, line in enumerate(said) if line.startswith("ingress:3:9: error: "))
    assert [" 3 | \treturn y;", "   | \t       ^"] == said[place + 1 : place + 3]
    assert "[0]\n" == polycubectl("monitor metrics ingress-metrics packets_total value show")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("monitor metrics ingress-metrics nothing show", "nothing"),
        ("attach monitor nowhere", "nowhere"),
        ("detach monitor nowhere", "nowhere"),
        ("dynmon add monitor", "monitor"),
        ("dynmon add new type=WRONG", "type"),
        ("dynmon del ..", ""),
        ("nobody show", "nobody"),
    ],
)
def test_refusals_go_to_standard_error(polycubectl, monitor, line, said):
    assert said in polycubectl.fails(line)
    assert 1 == len(json.loads(polycubectl("cubes show -json"))["dynmon"])


def test_a_body_is_required_where_nothing_else_makes_sense(polycubectl, monitor):
    assert "there is no body" in polycubectl.fails("monitor dataplane-config set")


def test_nobody_listens(polycubectl):
    outcome = polycubectl.run("cubes", env={"POLYCUBECTL_URL": "http://127.0.0.1:1/polycube/v1/"})

    assert (1, "") == (outcome.returncode, outcome.stdout)
    assert "GET http://127.0.0.1:1/polycube/v1/cubes/" in outcome.stderr
    assert "Connection refused" in outcome.stderr


def test_an_address_without_a_path_is_enough(polycubectl, daemon):
    url = polycubectl.environment["POLYCUBECTL_URL"].removesuffix("/polycube/v1/")

    assert "{}\n" == polycubectl("cubes", env={"POLYCUBECTL_URL": url})
    refused = polycubectl.run("cubes", env={"POLYCUBECTL_URL": "localhost:9000"})
    assert 1 == refused.returncode
    assert "'localhost:9000' is not the address of a daemon" in refused.stderr


def test_debug_shows_what_is_said_on_the_wire(polycubectl, monitor):
    outcome = polycubectl.run("monitor set loglevel=INFO", env={"POLYCUBECTL_DEBUG": "true"})

    url = polycubectl.environment["POLYCUBECTL_URL"]
    lines = outcome.stderr.splitlines()
    assert [f"PATCH {url}monitor/loglevel/", '"INFO"'] == lines[:2]
    assert lines[2].startswith("308 ")
    assert [f"PATCH {url}dynmon/monitor/loglevel/", '"INFO"'] == [
        line.replace("loglevel/?", "loglevel/") for line in lines[3:5]
    ]
    assert lines[5].startswith("200 ")


def test_version(polycubectl):
    said = polycubectl("version")

    assert said.startswith(f"polycubectl:\n version: {__version__}\npolycubed:\n version: ")


def test_help_at_any_depth(polycubectl, monitor):
    root = polycubectl("?")
    assert re.search(r"(?m)^ dynmon +service +\S", root)
    assert re.search(r"(?m)^ attach +command ", root)
    assert re.search(r"(?m)^ monitor +cube +A cube of dynmon$", root)
    assert re.search(r"(?m)^ <name> +string +Name of the dynmon cube", polycubectl("dynmon ?"))
    assert polycubectl("dynmon del ?").endswith("Example: polycubectl dynmon del dynmon1\n")
    assert re.search(r"(?m)^ loglevel= +string", polycubectl("dynmon add new ?"))
    assert re.search(r"(?m)^ dataplane-config +complex", polycubectl("monitor ?"))
    assert re.search(r"(?m)^ loglevel= ", polycubectl("monitor set ?"))
    assert " packets_total" in polycubectl("monitor metrics ingress-metrics ?").splitlines()
    assert "position=auto|first|last" in polycubectl("attach ?")
    assert polycubectl.fails("nobody ?")


def test_control_characters_never_reach_a_terminal(polycubectl, monitor):
    """Source code may hold an escape sequence; a file gets it, a terminal does not."""
    code = f"/* \x1b[31m */ {PASS}"
    polycubectl("monitor dataplane-config set", input=json.dumps({"ingress-path": {"name": "p", "code": code}}))
    line = "monitor dataplane-config ingress-path code show"
    assert f"{code}\n" == polycubectl(line)

    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [BIN / "polycubectl", *line.split()],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            timeout=60,
            check=True,
            env=polycubectl.environment,
        )
        shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)

    assert rb"/* \x1b[31m */" in shown
    assert b"\x1b" not in shown


def test_nothing_is_written_at_home(polycubectl, monitor):
    assert [] == list(polycubectl.home.iterdir())


def complete(polycubectl, *words: str) -> list[str]:
    """What bash offers at the end of `words`, through its own completion function and variables."""
    pieces = [piece for word in words for piece in re.split(r"([=:]+)", word)]
    # A word that ends in a break has nothing behind it; bash makes no empty word there.
    pieces = [piece for number, piece in enumerate(pieces) if piece or (number == len(pieces) - 1 and not words[-1])]
    script = (
        "source <(polycubectl completion bash)\n"
        'COMP_WORDS=(polycubectl "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}\n'
        "$(complete -p polycubectl | sed 's/.*-F \\([^ ]*\\) .*/\\1/') polycubectl\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    outcome = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *pieces],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=polycubectl.environment,
    )
    assert "" == outcome.stderr
    return [line for line in outcome.stdout.split("\n") if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["dy"], ["dynmon"]),
        (["att"], ["attach"]),
        (["mon"], ["monitor"]),
        (["dynmon", "del", ""], ["monitor"]),
        (["dynmon", "add", ""], ["<name>", " "]),
        (["dynmon", "add", "new", "log"], ["loglevel="]),
        (["monitor", "metrics", "ingress-metrics", "p"], ["packets_total"]),
        (["monitor", "set", "log"], ["loglevel="]),
        (["monitor", "set", "loglevel="], ["critical", "debug", "err", "info", "off", "trace", "warn"]),
        (["monitor", "set", "loglevel=de"], ["debug"]),
        (["monitor", "show", "-b"], ["-brief"]),
        (["attach", "m"], ["monitor"]),
        (["attach", "monitor", "x", "po"], ["position="]),
        (["attach", "monitor", "x", "position=f"], ["first"]),
        (["attach", "monitor", "x", "before=m"], ["monitor"]),
        (["zzz"], []),
    ],
)
def test_bash_completion(polycubectl, monitor, words, offered):
    assert offered == complete(polycubectl, *words)


def test_bash_completes_interfaces(polycubectl, monitor, veth):
    assert [veth.host] == complete(polycubectl, "attach", "monitor", veth.host[:-1])


def test_completion_is_silent_where_no_daemon_answers(polycubectl):
    polycubectl.environment["POLYCUBECTL_URL"] = "http://127.0.0.1:1/polycube/v1/"

    assert [] == complete(polycubectl, "dyn")

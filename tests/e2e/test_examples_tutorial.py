"""What the tutorial and the READMEs of the examples say is true: commands run as written, and print what is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynmon.client import DynmonClient
from examples.build import example_names, source_of
from tests.daemon import running_daemon
from tests.support import run

PAGE = "docs/tutorial/first-five-minutes.md"
BLOCK = re.compile(r"^```(console|c)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END_OF_OUTPUT = "=== end of output, status"
# What differs from run to run.
VARYING = [
    (re.compile(r"\d{16}"), "TIMESTAMP"),
    (re.compile(r"time \d+ms"), "time"),
    (re.compile(r"^rtt .*$", re.MULTILINE), "rtt"),
]


@pytest.fixture(scope="module")
def daemon_on_the_usual_port(state_root):
    with running_daemon(state_root / "usual", "--port", "9000") as daemon:
        yield daemon


@pytest.fixture
def no_cubes(daemon_on_the_usual_port):
    """A daemon on port 9000 without cubes, before and after."""
    yield
    with DynmonClient(daemon_on_the_usual_port.url) as client:
        for cube in client.list().get("dynmon", []):
            client.delete(cube["name"])


def test_the_tutorial_runs_as_written(no_cubes, repository):
    """Each command prints what the page shows; a line of three dots stands for anything."""
    steps = _steps((repository / PAGE).read_text())
    assert 25 < len(steps)

    output = _run_in_one_shell([command for command, _ in steps], repository)

    for (command, expected), (_, actual) in zip(steps, output, strict=True):
        assert _matches(expected, actual), f"$ {command}\n{actual}\ninstead of\n{expected}"


@pytest.mark.parametrize("name", example_names())
def test_the_commands_of_a_readme_run(name, no_cubes, veth, repository):
    """Every command line in the README of an example succeeds, and the last ones print something."""
    readme = source_of(name).with_name("README.md").read_text().replace("eth0", veth.host)
    commands = [line.strip() for line in readme.splitlines() if line.startswith("    ")]
    assert 3 <= len(commands)

    output = _run_in_one_shell(['export PATH="$PWD/.venv/bin:$PATH"', *commands], repository)

    assert [] == [(status, text) for status, text in output if status]
    assert output[-1][1].strip()


def _run_in_one_shell(commands: list[str], folder: Path) -> list[tuple[int, str]]:
    """The exit status and the output of each command."""
    script = "\n".join(f"{{ {command}\n}} 2>&1; printf '\\n%s %d\\n' '{END_OF_OUTPUT}' $?" for command in commands)
    output = run("bash", "-c", script, cwd=folder)
    *parts, rest = re.split(rf"\n{END_OF_OUTPUT} (\d+)\n", output)
    assert not rest
    return [(int(status), text) for text, status in zip(parts[::2], parts[1::2], strict=True)]


def _steps(page: str) -> list[tuple[str, str]]:
    """Each command of the page and what it prints; a C block is the file that the page says to save."""
    steps: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(page):
        if kind == "c":
            steps.append((f"cat > /tmp/probe.c <<'END'\n{text}END", ""))
            continue
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            steps.append((command, expected))
    return steps


def _matches(expected: str, actual: str) -> bool:
    for pattern, name in VARYING:
        expected, actual = pattern.sub(name, expected), pattern.sub(name, actual)
    pattern = re.escape(expected).replace(re.escape("...\n"), "(?:.*\n)*")
    return re.fullmatch(pattern, actual) is not None

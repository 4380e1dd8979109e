"""What the page on the library shows is true: its code runs as written, and prints what is printed there."""

from __future__ import annotations

import contextlib
import io
import re
from types import SimpleNamespace

import pytest

from dynmon import Monitor
from tests.packets import ethernet, ipv4, udp
from tests.support import needs, veth_pair

pytestmark = needs("kernel", "clang")

PAGE = "docs/library.md"
FILE = re.compile(r"[Ss]ave this as `(\w+\.c)`:\n\n```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKETS_EACH_TIME = 5


@pytest.fixture
def eth0():
    with veth_pair(host="eth0") as veth:
        yield veth


def test_the_page_runs_as_written(eth0, repository, state_root, tmp_path, monkeypatch):
    """In one session, as a reader would; while it sleeps, five packets come in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(state_root))
    monkeypatch.chdir(tmp_path)
    page = (repository / PAGE).read_text()
    files, steps = FILE.findall(page), STEP.findall(page)
    assert (2, 4) == (len(files), len(steps))
    assert page.count("```python") == len(steps)
    for name, text in files:
        (tmp_path / name).write_text(text)
    # The seconds are for people; packets of a test come at once.
    clock = SimpleNamespace(sleep=lambda seconds: eth0.send_in(ethernet(ipv4(udp())), count=PACKETS_EACH_TIME))
    session = {"time": clock}

    for code, expected in steps:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace("import time\n", ""), session)
        assert expected == printed.getvalue(), code


def test_the_page_names_every_method(repository):
    """Nobody adds one without a word about it."""
    page = (repository / PAGE).read_text()
    methods = [name for name in vars(Monitor) if not name.startswith("_")]

    assert 9 == len(methods)
    assert [] == [name for name in methods if f"`{name}" not in page]

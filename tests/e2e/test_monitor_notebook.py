"""The example notebook, run as its README says, prints exactly the numbers of packets that it sends."""

from __future__ import annotations

import sys

from tests.support import needs, run

pytestmark = needs("kernel", "clang")

PRINTED = """\
<Monitor note0: SENDERS>
[('packets', '<u8'), ('bytes', '<u8')]
542 packets, 624540 bytes
10.78.0.3 to port 443   500 packets   621000 bytes
10.78.0.2 to port 53     30 packets     2460 bytes
10.78.0.2 to port 123    12 packets     1080 bytes
up to   64 bytes:  30 ###
up to 2048 bytes: 200 ####################
<Monitor note0: not running>
"""


def test_the_notebook_prints_what_was_sent(repository, state_root, monkeypatch):
    """All cells in order; the interface and the namespace are gone afterwards."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(state_root))
    before = run("ip", "link"), run("ip", "netns")

    printed = run(sys.executable, repository / "examples" / "notebook" / "notebook.py")

    assert PRINTED == printed
    assert before == (run("ip", "link"), run("ip", "netns"))


def test_every_cell_has_a_headline(repository):
    lines = (repository / "examples" / "notebook" / "notebook.py").read_text().splitlines()

    cells = [line for line in lines if line.startswith("# %%")]
    assert 8 == len(cells)
    assert all(len(line) > len("# %% ") for line in cells)

"""The kernel counts and times the runs of programs while somebody holds the descriptor for it."""

import sys

from dynmon.bpf.program import Runs
from dynmon.bpf.timing import Timing
from tests.support import run

FRAME = bytes(60)
RUNS = 1000


def test_runs_are_counted_while_it_is_open(counter):
    counter.program.test_run(FRAME, RUNS)
    before = counter.program.runs()
    with Timing():
        counter.program.test_run(FRAME, RUNS)
    counter.program.test_run(FRAME, RUNS)

    assert Runs() == before
    assert 3 * RUNS == counter.packets()
    assert RUNS == counter.program.runs().count
    assert 0 < counter.program.runs().nanoseconds < RUNS * 1_000_000


def test_without_the_capability_the_error_says_what_an_administrator_can_do():
    code = "from dynmon.bpf.timing import Timing\ntry: Timing()\nexcept Exception as error: print(repr(error))"
    printed = run("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", sys.executable, "-c", code)

    assert "TimingForbidden" in printed
    assert "it with sysctl kernel.bpf_stats_enabled=1" in printed

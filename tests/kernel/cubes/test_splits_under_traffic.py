"""Each packet is counted once, at the interface that it came by, whatever else is going on."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from dynmon.models import CubeType, Direction, LogLevel
from tests.kernel.cubes.interfaces import make
from tests.kernel.cubes.monitors import CODE, document
from tests.kernel.cubes.test_splits import COUNTER, HOOKS, counts, monitor, path, series
from tests.kernel.exactness.reading import together
from tests.support import eventually
from tests.traffic import BURST, PacketSocket

TURNS, PACKETS = 5, 200_000
BUSY = ("w0", "w1")

pytestmark = pytest.mark.usefixtures("wires")


@pytest.mark.parametrize(
    "options",
    [{"swap-on-read": True}, {"empty-on-read": True}, {"swap-on-read": True, "empty-on-read": True}],
    ids=["swap", "empty", "both"],
)
@HOOKS
def test_reads_are_exact_while_everything_changes(
    monitors, monkeypatch, kind: CubeType, without: str, options: dict[str, bool]
) -> None:
    """Readers drain and scrape, the code is loaded anew, the other path changes, interfaces come and go."""
    monkeypatch.setenv("DYNMON_WITHOUT", without)
    make(*BUSY, "w9")
    cube = monitor(monitors, path(options, **COUNTER), *BUSY, kind=kind)
    found: Counter[str] = Counter()
    scraped: list[dict[str, float]] = [{}]
    levels = itertools.cycle((LogLevel.DEBUG, LogLevel.INFO))

    def read() -> None:
        now = counts(cube)
        if options.get("empty-on-read"):
            found.update(now)
        else:
            assert all(now[name] >= found[name] for name in BUSY)
            found.update({name: now[name] - found[name] for name in BUSY})

    def scrape() -> None:
        now = series(cube)
        assert all(now[name] >= value for name, value in scraped[0].items())
        scraped[0] = now

    def come_and_go() -> None:
        monitors.attach("m", "w9")
        monitors.detach("m", "w9")

    def change() -> None:
        cube.set_loglevel(next(levels))
        cube.inject(document({"egress": {"name": "other", "code": CODE % "RX_OK"}}))

    is_over, turns = threading.Event(), Counter[str]()

    def over_and_over(action: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            while not is_over.is_set():
                action()
                turns[action.__name__] += 1

        return run

    sent = dict.fromkeys(BUSY, 0)
    with ExitStack() as parts:
        doors = {name: parts.enter_context(closing(PacketSocket(f"{name}-far"))) for name in BUSY}
        parts.enter_context(together(*map(over_and_over, (read, scrape, come_and_go, change))))
        parts.callback(is_over.set)
        while min(turns.values(), default=0) < TURNS or len(turns) < 4 or min(sent.values()) < PACKETS:
            for name, door in doors.items():
                sent[name] += door.send(BURST)

    def total() -> dict[str, int]:
        read()
        return {name: found[name] for name in BUSY}

    eventually(total, sent)
    expected = {f'packets_total{{interface="{name}"}}': sent[name] for name in BUSY}
    eventually(lambda: {name: series(cube)[name] for name in expected}, expected)
    since = cube.read_metric(Direction.INGRESS, "packets", drain=True, since="").value
    assert sent == {each["interface"]: each["value"][0] for each in since if each["interface"] in BUSY}

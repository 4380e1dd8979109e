"""Whoever reads, in whatever form, whenever: every packet is in one window of each reader, and in every total."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from dynmon.bpf import Loader
from dynmon.client import DynmonClient
from dynmon.models import CubeType, Direction
from tests.daemon import Daemon
from tests.kernel.exactness.counting import CODES, HOOKS, OPTIONS, PACKETS, READS, REPEAT, TIMEOUT_SECONDS, Hook, total
from tests.support import Veth, needs
from tests.traffic import Flood, Wire, wire

pytestmark = [needs("kernel", "clang", "tcx"), pytest.mark.timeout(2 * TIMEOUT_SECONDS)]

STOPS = int(os.environ.get("EXACT_STOPS", "25"))
MAX_PAUSE_SECONDS = 0.03
CUBE = "exact"
SAMPLE = re.compile(r"^counts_total\S* (\d+)$", re.MULTILINE)
POLYCUBECTL = Path(sys.executable).with_name("polycubectl")

PLACES = ("ingress-tc", "ingress-xdp_drv", "egress-tc")
at_hooks = pytest.mark.parametrize("hook", [HOOKS[name] for name in PLACES], ids=PLACES)
with_maps = pytest.mark.parametrize("kind", ["array", "lru_percpu_hash"])


@pytest.fixture
def monitor(client: DynmonClient, veth: Veth, hook: Hook, kind: str) -> Iterator[Wire]:
    """A cube on the interface whose path counts in a map of `kind`, exported as a counter, and the wire to it."""
    metric = {
        "name": "counts_total",
        "map-name": "COUNTS",
        "extraction-options": OPTIONS["swap+empty"],
        "open-metrics-metadata": {"type": "counter", "help": "packets"},
    }
    path = {"code": CODES[kind], "metric-configs": [metric]}
    is_generic = hook.cube_type is CubeType.XDP_SKB and hook.direction is Direction.INGRESS
    with Loader() as loader, wire(loader, veth, hook.direction, is_generic=is_generic) as made:
        client.create(CUBE, {"type": hook.cube_type, "dataplane-config": {hook.direction.path_name: path}})
        client.attach(CUBE, veth.host)
        yield made


class Readers:
    """What several clients read at once, each on a connection of its own."""

    def __init__(self, daemon: Daemon, direction: Direction) -> None:
        self._url = daemon.url
        self._direction = direction
        self._token = ""

    def windows(self, is_needed: Callable[[int], bool]) -> list[int]:
        """The windows of the JSON reader."""
        return self._repeat(is_needed, lambda client: total(client.metric_value(CUBE, self._direction, "counts_total")))

    def windows_since(self, is_needed: Callable[[int], bool]) -> list[int]:
        """The windows of a client that keeps a token; the very first is all that was before."""

        def read(client: DynmonClient) -> int:
            answer = client.metric(CUBE, self._direction, "counts_total", since=self._token)
            self._token = answer["since"]
            return total(answer["value"])

        return self._repeat(is_needed, read)

    def totals(self, is_needed: Callable[[int], bool]) -> list[int]:
        """What a scraper gets."""
        return self._repeat(is_needed, lambda client: sum(map(int, SAMPLE.findall(client.open_metrics(CUBE)))))

    def shows(self, is_needed: Callable[[int], bool]) -> list[int]:
        """Somebody looks with polycubectl."""

        def look(_: DynmonClient) -> int:
            command = [POLYCUBECTL, CUBE, "show"]
            environment = {**os.environ, "POLYCUBECTL_URL": self._url}
            return subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60).returncode

        return self._repeat(is_needed, look)

    def _repeat(self, is_needed: Callable[[int], bool], read: Callable[[DynmonClient], int]) -> list[int]:
        found: list[int] = []
        with DynmonClient(self._url) as client:
            while is_needed(len(found)):
                found.append(read(client))
        return found


def once(reads: int) -> bool:
    """For a reader who reads one time."""
    return reads < 1


@at_hooks
@with_maps
def test_readers_of_every_kind_do_not_disturb_one_another(daemon: Daemon, monitor: Wire, hook: Hook) -> None:
    """A JSON reader, one with tokens, two scrapers and somebody who looks, all as fast as they can."""
    readers = Readers(daemon, hook.direction)
    sent = 0
    for _ in range(REPEAT):
        with monitor.flood() as flood, ThreadPoolExecutor() as pool:

            def is_needed(reads: int, flood: Flood = flood) -> bool:
                return reads < READS or flood.packets < PACKETS

            windows, since = pool.submit(readers.windows, is_needed), pool.submit(readers.windows_since, is_needed)
            scrapers = [pool.submit(readers.totals, is_needed) for _ in range(2)]
            pool.submit(readers.shows, is_needed).result()
        before, sent = sent, sent + flood.packets

        assert flood.packets == sum(windows.result() + readers.windows(once))
        assert flood.packets == sum(since.result() + readers.windows_since(once))
        last = readers.totals(once)
        assert [sent] == last
        for scraper in scrapers:
            values = [before, *scraper.result(), *last]
            assert all(older <= newer for older, newer in pairwise(values))


@contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    """The daemon stands still for the length of the block, wherever it was."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


@at_hooks
@with_maps
def test_reads_are_exact_when_the_daemon_is_stopped_in_the_middle(daemon: Daemon, monitor: Wire, hook: Hook) -> None:
    """Packets come while a switch stands still, again and again; no window has lost or doubled one."""
    readers = Readers(daemon, hook.direction)
    chance = random.Random(STOPS)
    with monitor.flood() as flood, ThreadPoolExecutor() as pool:
        stops = iter(range(STOPS))
        is_over = False
        windows = pool.submit(readers.windows, lambda _: not is_over)
        totals = pool.submit(readers.totals, lambda _: not is_over)
        for _ in stops:
            # Moments that have nothing to do with what the daemon does: most are within a switch, which is most of
            # what it does.
            time.sleep(chance.uniform(0, MAX_PAUSE_SECONDS))
            with stopped(daemon):
                before = flood.packets
                time.sleep(chance.uniform(0, MAX_PAUSE_SECONDS))
                while flood.packets == before:
                    time.sleep(0.001)
        is_over = True

    assert flood.packets == sum(windows.result() + readers.windows(once))
    last = readers.totals(once)
    assert [flood.packets] == last
    assert all(older <= newer for older, newer in pairwise(totals.result() + last))

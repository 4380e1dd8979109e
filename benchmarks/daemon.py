"""What the daemon costs: to start, to keep, to inject into, to scrape."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bcc_compile, processes
from benchmarks.figures import Figure, median
from dynmon.client import DynmonClient
from tests.daemon import Daemon, running_daemon
from tests.packets import arp, ethernet
from tests.support import Veth, veth_pair, wait_until

EXAMPLES = Path(__file__).parent.parent / "examples"
CUBE = "bench"
STARTS = 5
COLD_INJECTIONS = 10
CACHED_INJECTIONS = 50
REPLACEMENTS = 200
SCRAPES = 300
IDLE_SECONDS = 8.0
IDLE_BAR = 0.001
INTERPRETER = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]


def figures(scratch: Path) -> tuple[list[Figure], list[str]]:
    """All figures of a running daemon, and notes about them."""
    found = [_start(scratch / "start")]
    with (
        running_daemon(scratch / "daemon") as daemon,
        veth_pair() as veth,
        DynmonClient(daemon.url) as client,
    ):
        client.create(CUBE)
        client.attach(CUBE, veth.host)
        injected, notes = _inject(client, veth)
        found += injected
        found.append(_replace(client, veth))
        found += _scrape(daemon)
        kept, more_notes = _keep(daemon)
        return found + kept, notes + more_notes


def _seconds(action: Callable[[], object]) -> float:
    before = time.perf_counter()
    action()
    return time.perf_counter() - before


def _start(scratch: Path) -> Figure:
    """From the exec to the socket, against the interpreter alone."""
    times, bare = [], []
    for number in range(STARTS):
        before = time.perf_counter()
        with running_daemon(scratch / str(number)):
            times.append(time.perf_counter() - before)
        before = time.perf_counter()
        with _interpreter():
            bare.append(time.perf_counter() - before)
    value = median(times)
    return Figure("start to listening", value, "ms", median(bare), "python alone", "≤ 1 s", value <= 1)


@contextmanager
def _interpreter() -> Iterator[int]:
    """A Python process that does nothing, once it runs."""
    with subprocess.Popen(INTERPRETER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def _config(marker: int) -> dict[str, object]:
    """The packet counter; each marker is another source text, but the same program."""
    document: dict[str, dict[str, object]] = json.loads((EXAMPLES / "packet_counter.json").read_text())
    path = document["ingress-path"]
    return {"ingress-path": path | {"code": f"{path['code']}\n/* {marker} */\n"}}


def _check_live(client: DynmonClient, veth: Veth) -> None:
    """The code that was injected last counts."""
    before = client.metric_value(CUBE, "ingress", "packets_total")[0]
    veth.send_in(ethernet(arp()), count=3)
    wait_until(lambda: client.metric_value(CUBE, "ingress", "packets_total") == [before + 3], "three packets")


def _inject(client: DynmonClient, veth: Veth) -> tuple[list[Figure], list[str]]:
    """PUT on an attached cube; the answer comes when the new code runs on the interface."""
    client.inject(CUBE, _config(-1))
    cold = []
    for marker in range(COLD_INJECTIONS):
        cold.append(_seconds(lambda marker=marker: client.inject(CUBE, _config(marker))))  # type: ignore[misc]
        _check_live(client, veth)
    cached = [_seconds(lambda: client.inject(CUBE, _config(0))) for _ in range(CACHED_INJECTIONS)]
    _check_live(client, veth)
    notes, theirs, against = [], None, "BCC, compile and load"
    bar, holds = "≤ 150 ms", median(cold) <= 0.150
    try:
        theirs = median(bcc_compile.seconds())
        bar, holds = "≤ 150 ms, ≤ ⅓ x", holds and 3 * median(cold) <= theirs
    except bcc_compile.BccMissing as reason:
        notes.append(f"inject, cold: not compared: {reason}")
        against = "(no BCC)"
    return [
        Figure("inject (PUT to live), cold", median(cold), "ms", theirs, against, bar, holds),
        Figure(
            "inject (PUT to live), cached",
            median(cached),
            "ms",
            median(cold),
            "cold",
            "≤ 20 ms",
            median(cached) <= 0.020,
        ),
    ], notes


def _replace(client: DynmonClient, veth: Veth) -> Figure:
    """Two programs in turn, as fast as they go, against a request that changes nothing."""
    turns = [_config(0), _config(1)]
    times = [_seconds(lambda turn=turn: client.inject(CUBE, turns[turn % 2])) for turn in range(REPLACEMENTS)]  # type: ignore[misc]
    _check_live(client, veth)
    idle = [_seconds(client.version) for _ in range(REPLACEMENTS)]
    return Figure(
        f"{REPLACEMENTS} replacements, each",
        median(times),
        "ms",
        median(idle),
        "GET version",
        "≤ 20 ms",
        median(times) <= 0.020,
    )


def _scrape(daemon: Daemon) -> list[Figure]:
    """One counter as OpenMetrics text, against a request that reads no map, both on one connection and on new ones."""
    path = f"/polycube/v1/dynmon/{CUBE}/open-metrics"
    kept = http.client.HTTPConnection("127.0.0.1", daemon.port)

    def fresh(target: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
        try:
            return _get(connection, target)
        finally:
            connection.close()

    assert b"packets_total 3" in _get(kept, path)
    found = []
    for kind, read in (("kept connection", lambda target: _get(kept, target)), ("new connection", fresh)):
        times: dict[str, list[float]] = {path: [], "/healthz": []}
        for _ in range(SCRAPES):
            for target, spent in times.items():
                spent.append(_seconds(lambda read=read, target=target: read(target)))  # type: ignore[misc]
        value = median(times[path])
        found.append(
            Figure(
                f"scrape of one counter, {kind}",
                value,
                "ms",
                median(times["/healthz"]),
                "GET healthz",
                "≤ 2 ms",
                value <= 0.002,
            )
        )
    kept.close()
    return found


def _get(connection: http.client.HTTPConnection, target: str) -> bytes:
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, f"{target}: {answer.status} {body!r}"
    return body


def _keep(daemon: Daemon) -> tuple[list[Figure], list[str]]:
    """An attached cube and nobody who asks, against an interpreter that sleeps."""
    with _interpreter() as sleeper:
        family, other = daemon.process.pid, sleeper
        before, before_other = processes.cpu_seconds(family), processes.cpu_seconds(other)
        time.sleep(IDLE_SECONDS)
        cpu = (processes.cpu_seconds(family) - before) / IDLE_SECONDS
        cpu_other = (processes.cpu_seconds(other) - before_other) / IDLE_SECONDS
        resident = processes.resident_bytes(family)
        figures = [
            Figure("idle CPU", cpu, "%", cpu_other, "python asleep", f"≤ {100 * IDLE_BAR:g} %", cpu <= IDLE_BAR),
            Figure(
                "resident memory",
                resident,
                "MB",
                processes.resident_bytes(other),
                "python alone",
                "≤ 90 MB",
                resident <= 90e6,
            ),
        ]
    members = len(processes.family_of(family))
    shared_once = processes.proportional_bytes(family) / 1e6
    return figures, [f"resident memory: {members} processes; with pages they share counted once {shared_once:.0f} MB"]

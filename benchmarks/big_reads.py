"""What others wait while a map with a million entries is read: the daemon answers them from one event loop."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx

from benchmarks.figures import Figure, median
from tests.daemon import running_daemon
from tests.e2e.test_rest_reads import FLOWS, MILLION, config, send, waits_while
from tests.support import veth_pair

ROUNDS = 5
WAIT_BAR = 0.050
QUIET_CURL = ["curl", "-s", "--noproxy", "*", "-o", "/dev/null"]


def figures(scratch: Path) -> list[Figure]:
    """The longest wait of a poll, against the longest while nothing else is asked; the middle one of some rounds."""
    with (
        running_daemon(scratch / "big") as daemon,
        veth_pair() as veth,
        httpx.Client(base_url=daemon.api, trust_env=False, timeout=60) as client,
    ):
        client.post("/dynmon/dm", json={"dataplane-config": {"ingress-path": config(MILLION)}}).raise_for_status()
        client.post("/attach", json={"cube": "dm", "port": veth.host}).raise_for_status()
        send(client, veth, 1)
        targets = {"JSON": f"{FLOWS}/value", "scrape": "/dynmon/dm/open-metrics"}
        commands = {name: [*QUIET_CURL, f"{daemon.api}{path}"] for name, path in targets.items()}
        commands["idle"] = ["sleep", "3"]
        longest: dict[str, list[float]] = {name: [] for name in commands}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                started = time.perf_counter()
                with subprocess.Popen(command) as process:
                    longest[name].append(max(waits_while(daemon.port, process)))
                seconds[name].append(time.perf_counter() - started)
    idle = median(longest.pop("idle"))
    found = []
    for name, waits in longest.items():
        wait, what = median(waits), f"{name}: healthz meanwhile, longest wait"
        found.append(Figure(f"1 M entries, {name}", median(seconds[name]), "s"))
        bar = f"≤ {WAIT_BAR * 1e3:g} ms"
        found.append(Figure(what, wait, "ms", idle, "nothing asked", bar, wait <= WAIT_BAR))
    return found

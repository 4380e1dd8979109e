"""The demo: a daemon, two hosts joined by a veth pair, real traffic, an example injected, its metrics on the screen.

Runs inside `scripts/isolated`, so that everything it makes is gone when it ends: on Ctrl-C, or after SECONDS.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from dynmon.client import DynmonClient

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOST, PEER, NAMESPACE = "veth0", "veth1", "demo-peer"
HOST_ADDRESS, PEER_ADDRESS = "10.77.0.1", "10.77.0.2"
CUBE, EXAMPLE = "monitor", "packets_by_protocol"
START_SECONDS = 30.0
REFRESH_SECONDS = 0.5

# Runs in the peer's namespace: a few hosts' worth of small talk, at a pace that eyes can follow.
TRAFFIC = f"""
import itertools, socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in itertools.count():
    for port in (53, 123, 4000 + number % 7):
        udp.sendto(b"x" * (number % 200), ("{HOST_ADDRESS}", port))
    try:
        socket.create_connection(("{HOST_ADDRESS}", 8080), 0.2).close()
    except OSError:
        pass
    time.sleep(0.1)
"""


def run(*command: str) -> None:
    """Run a command to its end; show what it said when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stdout}{result.stderr}")


@contextmanager
def background(*command: str | Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block."""
    process = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def join_two_hosts() -> None:
    """A veth pair: one end here, the other in a namespace of its own."""
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "link", "add", HOST, "type", "veth", "peer", "name", PEER, "netns", NAMESPACE)
    run("ip", "addr", "add", f"{HOST_ADDRESS}/24", "dev", HOST)
    run("ip", "link", "set", HOST, "up")
    run("ip", "-n", NAMESPACE, "addr", "add", f"{PEER_ADDRESS}/24", "dev", PEER)
    run("ip", "-n", NAMESPACE, "link", "set", PEER, "up")


def start(parts: ExitStack, state_dir: str) -> str:
    """Start the daemon and the traffic; returns the daemon's address once it listens."""
    daemon = parts.enter_context(
        background(
            BIN / "dynmond", "--port", "0", "--loglevel", "warn", "--state-dir", state_dir, stdout=subprocess.PIPE
        )
    )
    watchdog = signal.alarm(int(START_SECONDS))
    assert daemon.stdout is not None
    line = daemon.stdout.readline().strip()
    signal.alarm(watchdog)
    if not line:
        sys.exit("dynmond did not start")
    print(line)
    inside = ("ip", "netns", "exec", NAMESPACE)
    parts.enter_context(background(*inside, "ping", "-q", "-i", "0.2", HOST_ADDRESS, stdout=subprocess.DEVNULL))
    parts.enter_context(background(*inside, sys.executable, "-c", TRAFFIC))
    return line.split()[-1]


def inject(port: str) -> None:
    """What a user would type."""
    command = [
        str(ROOT / "tools" / "dynmon_injector.py"),
        *("--address", "127.0.0.1", "--port", port),
        *(CUBE, HOST, str(ROOT / "examples" / f"{EXAMPLE}.json")),
    ]
    print("$", " ".join(["dynmon_injector.py", *command[1:]]).replace(f"{ROOT}/", ""))
    subprocess.run([sys.executable, *command], check=True, timeout=60)


def picture(client: DynmonClient) -> Columns:
    """Both formats, side by side."""
    readings = client.metrics(CUBE, "ingress")
    as_json = "\n".join(json.dumps({"name": each["name"], "value": each["value"]}) for each in readings)
    text = client.open_metrics(CUBE)
    samples = "\n".join(line for line in text.splitlines() if not line.startswith("# HELP"))
    return Columns(
        [
            Panel(Text(as_json), title="GET …/dynmon/monitor/metrics (JSON)"),
            Panel(Text(samples), title="GET …/dynmon/monitor/open-metrics"),
        ]
    )


def show(url: str, seconds: float | None) -> None:
    """Refresh the numbers until the time is over."""
    deadline = time.monotonic() + seconds if seconds else None
    console = Console()
    with DynmonClient(url) as client:
        with Live(picture(client), console=console, auto_refresh=False) as live:
            while deadline is None or time.monotonic() < deadline:
                time.sleep(REFRESH_SECONDS)
                live.update(picture(client), refresh=True)
        packets = sum(
            reading["value"][0]
            for reading in client.metrics(CUBE, "ingress")
            if reading["name"].endswith("packets_total")
        )
    print(f"\n{packets} packets were counted on {HOST}.")
    if not packets:
        sys.exit("demo: no packet was counted")


def stop(number: int, _frame: object) -> None:
    """End as Ctrl-C does, so that everything is taken down in order."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> None:
    """Show it."""
    if os.environ.get("DYNMON_ISOLATED") != "yes":
        sys.exit("the demo runs in namespaces of its own: make demo")
    signal.signal(signal.SIGTERM, stop)
    seconds = float(os.environ.get("SECONDS") or 0) or None
    with ExitStack() as parts:
        state_dir = parts.enter_context(tempfile.TemporaryDirectory(prefix="dynmon-demo-"))
        join_two_hosts()
        url = start(parts, state_dir)
        inject(url.split(":")[2].split("/")[0])
        try:
            show(url, seconds)
        except KeyboardInterrupt:
            print("\nThe demo is over; everything it made is gone.")


if __name__ == "__main__":
    main()

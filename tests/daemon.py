"""Start a real dynmond, wait until it listens, and end it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import wait_until

DYNMOND = Path(sys.executable).parent / "dynmond"
STOP_SECONDS = 15.0
# Hiding tcx makes the daemon use clsact filters, as it does on kernels before 6.6.
KERNELS = {"tcx": {}, "clsact": {"DYNMON_WITHOUT": "tcx"}}


@dataclass
class Daemon:
    """A running dynmond and where it is."""

    process: subprocess.Popen[bytes]
    state_dir: Path
    output: Path
    port: int = 0

    @property
    def url(self) -> str:
        """The root of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The root of the API."""
        return f"{self.url}/polycube/v1"

    def log(self) -> str:
        """All that the daemon has printed."""
        return self.output.read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


def start_daemon(state_dir: Path, *arguments: str, environment: dict[str, str] | None = None) -> Daemon:
    """A daemon on any free port of the loopback, once it listens."""
    if os.environ.get("DYNMON_ISOLATED") != "yes":
        pytest.fail("tests of the daemon run in namespaces of their own: make test, or scripts/isolated pytest ...")
    state_dir.mkdir(parents=True, exist_ok=True)
    output = state_dir / "output"
    bpffs_dir = f"/sys/fs/bpf/{state_dir.name.replace('.', '_')}"
    with output.open("wb") as target:
        process = subprocess.Popen(
            [DYNMOND, "--port", "0", "--state-dir", state_dir, "--bpffs-dir", bpffs_dir, *arguments],
            stdout=target,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    daemon = Daemon(process, state_dir, output)

    def listens() -> bool:
        found = re.search(r"listens on http://[^:]+:(\d+)/", daemon.log())
        if found:
            daemon.port = int(found[1])
        elif process.poll() is not None:
            pytest.fail(f"dynmond exited with {process.returncode}:\n{daemon.log()}")
        return bool(found)

    wait_until(listens, "dynmond to listen")
    return daemon


@contextmanager
def running_daemon(state_dir: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Daemon]:
    """A daemon for the length of a block."""
    daemon = start_daemon(state_dir, *arguments, environment=environment)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.end()

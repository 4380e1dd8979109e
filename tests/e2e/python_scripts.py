"""Python scripts that start at once: a process that has imported the library forks for each.

To import it takes longer than all that these scripts do. A forked script is a process like any other: it has its own
arguments, environment and standard streams, dies of signals, and ends as an interpreter does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TextIO

PATIENCE_SECONDS = 20.0
MAX_MESSAGE = 1 << 16
SERVER = f"""
import json, os, signal, socket, sys
import dynmon.monitor

# Who runs the tests under nohup ignores it, and so would everybody started from there.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
door = socket.socket(fileno=os.dup(0))
while True:
    request, streams, _, _ = socket.recv_fds(door, {MAX_MESSAGE}, 3)
    if not request:
        sys.exit()
    child = os.fork()
    if not child:
        break
    for each in streams:
        os.close(each)
    door.send(b"%d" % child)
    door.recv({MAX_MESSAGE})
    door.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

door.close()
for number, each in enumerate(streams):
    os.dup2(each, number)
    os.close(each)
script, sys.argv[1:], environment = json.loads(request)
os.environ.update(environment)
exec(script)
"""


class Script:
    """A script that was started, and our ends of its streams; its number is its own until somebody waited for it."""

    def __init__(self, pid: int, streams: tuple[TextIO, TextIO, TextIO], server: socket.socket) -> None:
        self.pid = pid
        self.stdin, self.stdout, self.stderr = streams
        self._server = server
        self._returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """To this process alone."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """How it ended, in the way of `subprocess`."""
        if self._returncode is None:
            self._server.send(b"wait")
            self._returncode = int(self._server.recv(MAX_MESSAGE))
        return self._returncode

    def kill(self) -> None:
        """End it, if it has not ended yet."""
        if self._returncode is None:
            self.send_signal(signal.SIGKILL)
            self.wait()


@contextmanager
def script_server() -> Iterator[socket.socket]:
    """The process that forks, one script at a time."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE_SECONDS)
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=theirs)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.wait(PATIENCE_SECONDS)


@contextmanager
def running_script(
    server: socket.socket, text: str, *arguments: str, environment: Mapping[str, str]
) -> Iterator[Script]:
    """Run `text`; it is killed at the latest at the end of the block."""
    request = json.dumps([text, arguments, dict(environment)]).encode()
    (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = os.pipe(), os.pipe(), os.pipe()
    with ExitStack() as streams:
        ours = tuple(
            streams.enter_context(os.fdopen(descriptor, mode))
            for descriptor, mode in ((to_stdin, "w"), (from_stdout, "r"), (from_stderr, "r"))
        )
        socket.send_fds(server, [request], [stdin, stdout, stderr])
        for each in (stdin, stdout, stderr):
            os.close(each)
        script = Script(int(server.recv(MAX_MESSAGE)), ours, server)
        streams.callback(script.kill)
        yield script

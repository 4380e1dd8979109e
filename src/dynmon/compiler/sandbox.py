"""Run clang where it can read its libraries and the headers, and nothing else.

The daemon's side of sandbox_server.py. Kernels without Landlock (before Linux 5.13, or built without it) get
bubblewrap instead, which takes some 20 ms more for each run; with neither, code is not compiled at all.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dynmon.compiler.headers import system_headers
from dynmon.compiler.toolchain import Toolchain
from dynmon.errors import DynmonError, KernelError, UnsupportedError
from dynmon.settings import CompileLimits

SERVER = Path(__file__).with_name("sandbox_server.py")
MAX_MESSAGES_BYTES = 1 << 20
STATUS = struct.Struct("=i")


class SandboxError(DynmonError):
    """The process that starts the compiler did not do its work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; ``stopped`` says which limit ended it, ``status`` is negative for a signal."""

    status: int
    output: bytes
    messages: str
    stopped: str = ""

    @property
    def is_object(self) -> bool:
        """Whether there is something to show for it."""
        return not self.status and not self.stopped and bool(self.output)


class Sandbox:
    """Runs one toolchain in one folder of headers; several threads may do so at once."""

    def __init__(self, toolchain: Toolchain, folder: Path, limits: CompileLimits, *, bubblewrap: bool = False) -> None:
        self._toolchain = toolchain
        self._folder = folder
        self._limits = limits
        self._bubblewrap = bubblewrap
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], source: bytes, output_bytes: int | None = None) -> Outcome:
        """Run clang with `source` on its standard input; `output_bytes` where the usual limit does not do.

        Raises:
            UnsupportedError: Nothing on this machine can confine clang.
            SandboxError: The sandbox died twice.
            KernelError: There are no descriptors or processes left to run it with.
        """
        limits = self._limits if output_bytes is None else replace(self._limits, output_bytes=output_bytes)
        try:
            for _ in range(2):
                with _Run(source, limits) as run:
                    try:
                        self._submit(arguments, run)
                        return run.collect()
                    except ConnectionError:
                        continue  # it died, then or in the middle; the next try starts another
        except OSError as error:
            raise KernelError("compile eBPF code", error) from error
        raise SandboxError("compile eBPF code: the process that starts clang died")

    def close(self) -> None:
        """End the server and whatever it runs."""
        with self._lock:
            self._end_server()

    def _submit(self, arguments: Sequence[str], run: _Run) -> None:
        with self._lock:
            try:
                self._send(arguments, run)
            except ConnectionError:  # it died since the last run
                self._end_server()
                self._send(arguments, run)
        run.close_far_ends()

    def _send(self, arguments: Sequence[str], run: _Run) -> None:
        if self._control is None:
            self._control, self._server = self._start()
        command = [*self._prefix(), str(self._toolchain.clang), *arguments]
        socket.send_fds(self._control, [json.dumps(command).encode()], run.descriptors())

    def _end_server(self) -> None:
        control, self._control = self._control, None
        server, self._server = self._server, None
        if control is not None:
            control.close()
        if server is not None:
            server.wait()

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            server = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SERVER)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
            )
        try:
            ours.send(json.dumps(self._config()).encode())
            answer = ours.recv(1 << 16)
        except ConnectionError:
            answer = b""
        refused = json.loads(answer).get("refused") if answer else None
        if answer and refused is None:
            return ours, server
        ours.close()
        server.wait()
        if refused is None:
            raise ConnectionError("the process that starts clang died while it started")
        if refused == "no-landlock" and shutil.which("bwrap"):
            self._bubblewrap = True
            return self._start()
        if refused == "no-landlock":
            refused = "this kernel has no Landlock; bubblewrap would do: apt-get install bubblewrap"
        raise UnsupportedError(f"compile eBPF code: clang cannot be confined: {refused}")

    def _config(self) -> dict[str, object]:
        return {
            "folder": str(self._folder),
            "readable": [str(path) for path in self._readable()],
            "bubblewrap": self._bubblewrap,
            "memory_bytes": self._limits.memory_bytes,
            "cpu_seconds": max(1, round(self._limits.timeout_seconds)),
        }

    def _readable(self) -> list[Path]:
        """All that clang may open."""
        headers = [self._folder, *system_headers().values()]
        return [self._toolchain.clang, *self._toolchain.libraries, *headers]

    def _prefix(self) -> list[str]:
        if not self._bubblewrap:
            return []
        binds = [argument for path in self._readable() for argument in ("--ro-bind", str(path), str(path))]
        # Without /proc the dynamic loader does not know where a program lies that looks for libraries beside itself.
        libraries = ":".join(dict.fromkeys(str(path.parent) for path in self._toolchain.libraries))
        return [
            shutil.which("bwrap") or "bwrap",
            *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *("--clearenv", "--setenv", "LD_LIBRARY_PATH", libraries),
            *("--uid", "65534", "--gid", "65534"),
            *binds,
            *("--chdir", str(self._folder), "--"),
        ]


class _Run:
    """The pipes of one run, and the patience for it."""

    def __init__(self, source: bytes, limits: CompileLimits) -> None:
        self._limits = limits
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._open: set[int] = set()
        try:
            self._output_reader, self._output_writer = self._pipe()
            self._messages_reader, self._messages_writer = self._pipe()
            self._source = os.memfd_create("source", os.MFD_CLOEXEC)
            self._open.add(self._source)
            with os.fdopen(os.dup(self._source), "wb") as file:
                file.write(source)
            os.lseek(self._source, 0, os.SEEK_SET)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give every descriptor back; the server then kills what still runs. Twice is harmless."""
        self._near.close()
        self._far.close()
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe2(os.O_CLOEXEC)
        self._open.update(ends)
        return ends

    def descriptors(self) -> list[int]:
        """What the server is handed: stdin, stdout, stderr and the socket for the status."""
        return [self._source, self._output_writer, self._messages_writer, self._far.fileno()]

    def close_far_ends(self) -> None:
        """Leave the server's ends to the server, so that their end can be noticed."""
        self._far.close()
        for descriptor in (self._source, self._output_writer, self._messages_writer):
            os.close(descriptor)
            self._open.remove(descriptor)

    def collect(self) -> Outcome:
        """Read until clang ends or a limit is met.

        Raises:
            ConnectionError: The process that starts clang died.
        """
        deadline = time.monotonic() + self._limits.timeout_seconds
        gathered = {self._output_reader: bytearray(), self._messages_reader: bytearray()}
        room = {self._output_reader: self._limits.output_bytes, self._messages_reader: MAX_MESSAGES_BYTES}
        stopped = ""
        poll = select.poll()
        for descriptor in gathered:
            poll.register(descriptor, select.POLLIN)
        unfinished = set(gathered)
        while unfinished and not stopped:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                stopped = f"compiling took longer than {self._limits.timeout_seconds:g} seconds"
                break
            for descriptor, _ in poll.poll(remaining * 1000):
                block = os.read(descriptor, 1 << 16)
                gathered[descriptor] += block
                if not block:
                    poll.unregister(descriptor)
                    unfinished.remove(descriptor)
                elif len(gathered[descriptor]) > room[descriptor]:
                    stopped = f"the compiler wrote more than {room[descriptor]} bytes"
        status = -9 if stopped else self._status(deadline)
        messages = bytes(gathered[self._messages_reader]).decode(errors="replace")
        return Outcome(status, bytes(gathered[self._output_reader]), messages, stopped)

    def _status(self, deadline: float) -> int:
        self._near.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            told = self._near.recv(STATUS.size)
        except TimeoutError:
            return -9
        if len(told) != STATUS.size:
            raise ConnectionError("the process that starts clang died")
        return int(STATUS.unpack(told)[0])

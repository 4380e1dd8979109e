"""Start one of our own modules as a process that lives no longer than the socket it is given."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
START = "import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; main(3)"
SOCKET_FD = 3
PATIENCE_SECONDS = 5.0


class Companion:
    """A process of ours at the other end of `channel`; it ends when our end is closed, however that comes about.

    PR_SET_PDEATHSIG would not do: it follows the thread that started the process, not this process.
    """

    def __init__(self, module: str, kind: socket.SocketKind) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, kind)
        # First out of the way: dup2 of a descriptor onto itself would leave it to be closed on exec.
        given = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, SOCKET_FD + 1)
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            actions = [
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, nothing, 1),
                (os.POSIX_SPAWN_DUP2, given, SOCKET_FD),
            ]
            command = [sys.executable, "-I", "-c", START.format(module=module), str(PACKAGE_PARENT)]
            self.pid = os.posix_spawn(sys.executable, command, {}, file_actions=actions)
        except BaseException:
            self.channel.close()
            raise
        finally:
            theirs.close()
            os.close(given)
            os.close(nothing)

    def close(self) -> None:
        """Let the process end, and wait for it; one that cannot end is killed."""
        self.channel.close()
        try:
            handle = os.pidfd_open(self.pid)
            try:
                if not select.select([handle], [], [], PATIENCE_SECONDS)[0]:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):  # somebody else's wait for any child was first
            return

"""A veth pair of ours that joins two ports, and goes with us.

An interface outlives whoever made it. So the process below is told of each pair before it is made; when the daemon's
socket ends, it removes what is left of them. It runs only while there is a cable.
"""

from __future__ import annotations

import json
import secrets
import signal
import socket
import threading
from contextlib import suppress

from dynmon.bpf.process import Companion
from dynmon.netdev import delete_interface, interface_index, make_veth

MESSAGE_BYTES = 4096

_lock = threading.Lock()
_guarded: set[str] = set()
_guard: Companion | None = None


class Cable:
    """Owns the pair; `ends` are the index and the name of each."""

    def __init__(self) -> None:
        """Make the pair.

        Raises:
            KernelError: The kernel refused.
        """
        token = secrets.token_hex(4)
        self._names = (f"cube{token}a", f"cube{token}b")
        with _lock:
            _tell(self._names[0], is_there=True)
        try:
            make_veth(*self._names)
            self.ends = tuple((interface_index(name), name) for name in self._names)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the pair; twice is harmless."""
        delete_interface(self._names[0])
        with _lock:
            _tell(self._names[0], is_there=False)


def _tell(name: str, *, is_there: bool) -> None:
    global _guard
    (_guarded.add if is_there else _guarded.discard)(name)
    if not _guarded and _guard:
        _guard.close()
        _guard = None
    elif _guarded:
        if _guard is None:
            _guard = Companion("dynmon.bpf.cable", socket.SOCK_SEQPACKET)
        with suppress(OSError):  # somebody has killed it: nobody cleans up after us then
            _guard.channel.send(json.dumps([name, is_there]).encode())


def main(control_fd: int) -> None:
    """The process: listen until the daemon is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    names: set[str] = set()
    with socket.socket(fileno=control_fd) as control:
        while message := control.recv(MESSAGE_BYTES):
            name, is_there = json.loads(message)
            (names.add if is_there else names.discard)(name)
    for name in names:
        delete_interface(name)

"""The process that cleans up after a daemon that cannot: filters at clsact outlive whoever made them.

On kernels with tcx it is not needed, the kernel ends the links of a dead process. Elsewhere the daemon tells this
process of each filter *before* making it; when the daemon's socket ends, what is left of them is removed, and the
qdiscs that the daemon made. It runs only while there is something to guard. Each message is one JSON list on a
sequential-packet socket:

    ["filter", interface_index, namespace, direction, priority, [program ids]]     no ids: it is no more
    ["qdisc", interface_index, namespace, true or false]                           we made it, or it is no more

A namespace is its name, inode and cookie, or null for our own: a descriptor in this process would keep it alive as well
as one in the daemon.
"""

from __future__ import annotations

import json
import signal
import socket
import traceback
from collections.abc import Callable, Collection, Iterator
from typing import Any

from dynmon.bpf.clsact_filter import Place, remove_filter, remove_unused_qdisc
from dynmon.bpf.process import Companion
from dynmon.netdev import Namespace

MESSAGE_BYTES = 65536


class Charges:
    """The filters and qdiscs that must not outlive the daemon."""

    def __init__(self) -> None:
        self.filters: dict[Place, list[int]] = {}
        self.qdiscs: set[tuple[int, Namespace | None]] = set()

    def note(self, message: list[Any]) -> None:
        """Take in one message."""
        kind, index, parts, *facts = message
        namespace = Namespace(*parts) if parts else None
        if kind == "qdisc":
            (self.qdiscs.add if facts[0] else self.qdiscs.discard)((index, namespace))
            return
        direction, priority, programs = facts
        place = Place(index, direction, priority, namespace)
        if programs:
            self.filters[place] = programs
        else:
            self.filters.pop(place, None)

    def messages(self) -> Iterator[list[Any]]:
        """What to tell somebody who knows nothing yet."""
        for place, programs in self.filters.items():
            yield _about_filter(place, programs)
        for index, namespace in self.qdiscs:
            yield _about_qdisc(index, namespace, True)

    def __bool__(self) -> bool:
        return bool(self.filters or self.qdiscs)


class Guard:
    """The daemon's side: starts the process with the first charge, and ends it after the last."""

    def __init__(self) -> None:
        self.charges = Charges()
        self._process: Companion | None = None

    def filter(self, place: Place, *program_ids: int) -> None:
        """A filter is about to run one of these programs; none: it is no more."""
        self._tell(_about_filter(place, program_ids))

    def qdisc(self, interface_index: int, namespace: Namespace | None, *, is_ours: bool) -> None:
        """We made a qdisc, or it is no more."""
        self._tell(_about_qdisc(interface_index, namespace, is_ours))

    def _tell(self, message: list[Any]) -> None:
        self.charges.note(message)
        is_told = self._process is not None and _sent(self._process, [message])
        if not self.charges:
            self._end()
        elif not is_told:
            self._end()
            self._process = Companion("dynmon.bpf.clsact_guard", socket.SOCK_SEQPACKET)
            _sent(self._process, list(self.charges.messages()))

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


def _about_filter(place: Place, program_ids: Collection[int]) -> list[Any]:
    namespace = _parts(place.namespace)
    return ["filter", place.interface_index, namespace, place.direction, place.priority, list(program_ids)]


def _about_qdisc(interface_index: int, namespace: Namespace | None, is_ours: bool) -> list[Any]:
    return ["qdisc", interface_index, _parts(namespace), is_ours]


def _parts(namespace: Namespace | None) -> tuple[str, int, int] | None:
    return (namespace.name, namespace.inode, namespace.cookie) if namespace else None


def _sent(process: Companion, messages: list[list[Any]]) -> bool:
    try:
        for message in messages:
            process.channel.send(json.dumps(message).encode())
    except OSError:
        return False
    return True


def main(control_fd: int) -> None:
    """The process: listen until the daemon is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    charges = Charges()
    with socket.socket(fileno=control_fd) as control:
        while message := control.recv(MESSAGE_BYTES):
            charges.note(json.loads(message))
    for place, programs in charges.filters.items():
        _try(remove_filter, place, programs)
    for qdisc in charges.qdiscs:
        _try(remove_unused_qdisc, *qdisc)


def _try(action: Callable[..., object], *arguments: object) -> None:
    """One that fails must not keep the others."""
    try:
        action(*arguments)
    except Exception:
        traceback.print_exc()

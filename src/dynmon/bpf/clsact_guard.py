"""The process that cleans up after a daemon that cannot: filters at clsact outlive whoever made them.

On kernels with tcx it is not needed, the kernel ends the links of a dead process. Elsewhere the daemon tells this
process of each filter *before* making it; when the daemon's socket ends, what is left of them is removed, and the
qdiscs that the daemon made. Each message is one JSON list on a sequential-packet socket:

    ["filter", interface_index, direction, priority, [program ids]]     no ids: it is no more
    ["qdisc", interface_index, true or false]                          we made it, or it is no more
"""

from __future__ import annotations

import json
import signal
import socket
import traceback

from dynmon.bpf.clsact_filter import Place, remove_filter, remove_unused_qdisc

MESSAGE_BYTES = 65536


def main(control_fd: int) -> None:
    """Listen until the daemon is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    filters: dict[Place, set[int]] = {}
    qdiscs: set[int] = set()
    with socket.socket(fileno=control_fd) as control:
        while message := control.recv(MESSAGE_BYTES):
            kind, index, *facts = json.loads(message)
            if kind == "qdisc":
                (qdiscs.add if facts[0] else qdiscs.discard)(index)
                continue
            direction, priority, programs = facts
            place = Place(index, direction, priority)
            if programs:
                filters[place] = set(programs)
            else:
                filters.pop(place, None)
    for place, programs in filters.items():
        _try(remove_filter, place, programs)
    for index in qdiscs:
        _try(remove_unused_qdisc, index)


def _try(action: object, *arguments: object) -> None:
    """One that fails must not keep the others."""
    try:
        action(*arguments)  # type: ignore[operator]
    except Exception:
        traceback.print_exc()

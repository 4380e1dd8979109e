"""The loader's process: it forks a child for each request, and the child does what is dangerous.

A fork server, because libbpf crashes on some damaged objects, keeps state, and must not run beside the threads of the
daemon. It imports little and starts once; a request then costs one fork of a small process. It ends when its
control socket does, that is with the daemon, however that died. Signals meant for the daemon (Ctrl-C in a terminal)
do not concern it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import traceback
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.bpf.channel import Deadline, receive_message, send_message
from dynmon.bpf.object_facts import inspect_object
from dynmon.bpf.objects import load_object
from dynmon.bpf.refusals import Refusal
from dynmon.bpf.wish import Wish

PR_SET_PDEATHSIG = 1
ADDRESS_SPACE_BYTES = 2 << 30  # untouched .bss of an object is in it, and the verifier's log
Answer = tuple[dict[str, Any], bytes, list[int]]  # as JSON, a blob, and descriptors
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main(control_fd: int) -> None:
    """Serve until the control socket ends. Each message on it is one byte and the socket of a request."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children
    gc.freeze()
    with socket.socket(fileno=control_fd) as control:
        while True:
            part, fds, _, _ = socket.recv_fds(control, 1, 4, socket.MSG_CMSG_CLOEXEC)
            if not part:
                return
            for fd in fds:
                with socket.socket(fileno=fd) as request:
                    _serve(control, request)


def _serve(control: socket.socket, request: socket.socket) -> None:
    try:
        server = os.getpid()
        if os.fork():
            return
    except OSError:  # no memory for a process: closing the socket tells the daemon
        return
    try:
        control.close()
        _restrain(server)
        _answer(request)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _restrain(server: int) -> None:
    """Whatever happens in this child ends with it, and soon."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != server:
        os._exit(1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))


def _answer(request: socket.socket) -> None:
    signal.alarm(10)
    head, raw, fds = receive_message(request, Deadline(10))
    seconds = max(1, int(head["seconds"]))
    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    with _libbpf.heard() as messages:
        try:
            answer, blob, answer_fds = TASKS[head["task"]](raw, head, fds, messages)
        except Refusal as refusal:
            answer = {
                "refused": refusal.stage,
                "message": refusal.message,
                "hint": refusal.hint,
                "undefined": refusal.undefined,
                "program": refusal.program,
                "lines": refusal.lines,
            }
            blob, answer_fds = refusal.verifier_log, []
    answer["messages"] = [message for message in messages if "BEGIN PROG LOAD LOG" not in message]
    with suppress(OSError):  # the daemon has given up, or is gone
        send_message(request, answer, blob, answer_fds, Deadline(10))


def _inspect(raw: bytes, _: dict[str, Any], __: list[int], messages: list[str]) -> Answer:
    facts = asdict(inspect_object(raw, messages))
    btf = facts.pop("btf")
    return facts, btf, []


def _load(raw: bytes, head: dict[str, Any], fds: list[int], messages: list[str]) -> Answer:
    loaded = load_object(raw, _wish(head, fds), messages)
    answer = {
        "maps": [[each.name, each.tags, each.key_type_id, each.value_type_id, each.is_reused] for each in loaded.maps],
        "declared": loaded.declared,
        "tail_calls": loaded.tail_calls,
        "takes_fragments": loaded.takes_fragments,
        "verification": asdict(loaded.verification) if loaded.verification else None,
        "has_btf": loaded.btf_fd >= 0,
    }
    return answer, loaded.own_btf, loaded.fds


TASKS = {"inspect": _inspect, "load": _load}


def _wish(head: dict[str, Any], fds: list[int]) -> Wish:
    ahead = iter(fds)
    given = {kind: dict(zip(head[kind], ahead, strict=False)) for kind in ("reuse", "offers", "pinned", "public")}
    return Wish(
        program=head["program"],
        program_type=head["program_type"],
        proof=head["proof"],
        constants={**head["numbers"], **{name: bytes.fromhex(text) for name, text in head["bytes"].items()}},
        sizes=head["sizes"],
        wanted=None if head["wanted"] is None else frozenset(head["wanted"]),
        tail_calls={array: dict(calls) for array, calls in head["tail_calls"].items()},
        **given,
        pin_roots=tuple(head["pin_roots"]),
        memory_bytes=head["memory_bytes"],
        is_verbose=head["verbose"],
    )

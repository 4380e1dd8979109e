"""Run a program on the packets of a capture, attached to nothing (BPF_PROG_TEST_RUN).

The kernel makes a socket buffer or an XDP buffer of each frame and runs the program on it. What it cannot make one of
is counted as skipped, with the reason. Two things differ from an interface, and nothing here can change that: at TC a
VLAN tag stands in the frame, where an interface takes the outer one off; and the packet has come in on the loopback.
"""

from __future__ import annotations

import errno
import math
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dynmon.bpf import Program, TestRun
from dynmon.dataplane import LoadedPath
from dynmon.dataplane.log import LOG_MAP
from dynmon.errors import KernelError
from dynmon.trial.capture import Packet
from dynmon.trial.link_types import ETHERNET_HEADER
from dynmon.trial.log_lines import LogLines

# At TC the frame must fit into one page beside headroom and struct skb_shared_info: 3712 bytes on x86-64 of Linux 6.18.
LINEAR_BYTES = 3400

NO_HEADER = "shorter than an Ethernet header (14 bytes)"
REFUSED = "the kernel makes no packet of it: cut off, or shorter than the header that its ethertype calls for"


@dataclass(frozen=True, slots=True)
class ReplayLimits:
    """When to stop, though there are more packets; and how many entries of a map are told."""

    packets: float = math.inf
    seconds: float = math.inf
    entries: int | None = None


@dataclass(slots=True)
class Replay:
    """What happened to the packets that were read; `stopped` says why others were not."""

    total: int = 0
    cut: int = 0
    shortened: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    returned: Counter[int] = field(default_factory=Counter)
    nanoseconds: array[int] = field(default_factory=lambda: array("I"))
    stopped: str = ""

    @property
    def run(self) -> int:
        """How many packets the program ran on."""
        return len(self.nanoseconds)


def replay(path: LoadedPath, packets: Iterable[Packet], log: LogLines, limits: ReplayLimits) -> Replay:
    """Run the program of `path` on each packet, in their order.

    Raises:
        CaptureError: The capture is damaged.
        KernelError: The kernel refused a run that should have worked.
    """
    outcome = Replay()
    deadline = time.monotonic() + limits.seconds
    may_say = LOG_MAP in path.maps
    for packet in packets:
        if outcome.total >= limits.packets:
            outcome.stopped = f"after {outcome.total} packets, the most that one dry run takes"
            break
        if time.monotonic() > deadline:
            outcome.stopped = f"after {limits.seconds:g} seconds, with {outcome.total} packets"
            break
        outcome.total += 1
        outcome.cut += packet.is_cut
        _run(path.program, packet, outcome)
        if may_say:
            log.collect(packet.number)
    return outcome


def _run(program: Program, packet: Packet, outcome: Replay) -> None:
    if len(packet.frame) < ETHERNET_HEADER:
        outcome.skipped[NO_HEADER] += 1
        return
    result = _try(program, packet.frame)
    if result is None and len(packet.frame) > LINEAR_BYTES:
        result = _try(program, packet.frame[:LINEAR_BYTES])
        outcome.shortened += result is not None
    if result is None:
        outcome.skipped[REFUSED] += 1
        return
    outcome.returned[result.verdict] += 1
    outcome.nanoseconds.append(result.duration_ns)


def _try(program: Program, frame: bytes) -> TestRun | None:
    """The run, None where the kernel takes no such frame."""
    try:
        return program.test_run(frame)
    except KernelError as error:
        if error.errno in (errno.EINVAL, errno.EMSGSIZE, errno.ENOMEM):
            return None
        raise

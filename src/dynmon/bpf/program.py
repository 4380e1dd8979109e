"""A loaded program behind a descriptor."""

from __future__ import annotations

from dataclasses import dataclass

from dynmon.bpf import _syscall
from dynmon.bpf.kinds import ProgramType
from dynmon.bpf.owner import FdOwner
from dynmon.errors import KernelError, UnsupportedError

HEADROOM = 512  # a program may make its packet longer
MOST_TAIL_CALLS = 33  # of one run, MAX_TAIL_CALL_CNT


@dataclass(frozen=True, slots=True)
class TestRun:
    """What a program did with one packet: its return value, the mean time of a run, the packet afterwards."""

    __test__ = False  # pytest takes the name for a test

    verdict: int
    duration_ns: int
    packet: bytes


@dataclass(frozen=True, slots=True)
class Runs:
    """How often a program ran, and for how long in all, while the kernel timed programs."""

    count: int = 0
    nanoseconds: int = 0

    def __add__(self, other: Runs) -> Runs:
        return Runs(self.count + other.count, self.nanoseconds + other.nanoseconds)


class Program(FdOwner):
    """Owns the descriptor of a program that the verifier has accepted.

    What the kernel does not tell: `tail_calls` is how many other programs it can get to by tail calls, and
    `takes_fragments` whether it is for packets that are longer than a page (``SEC("xdp.frags")``).
    """

    def __init__(self, fd: int, name: str = "", *, tail_calls: int = 0, takes_fragments: bool = False) -> None:
        facts = _facts(fd, name)
        try:
            self.program_type = ProgramType(facts.type)
        except ValueError as error:
            raise UnsupportedError(f"program {name!r} has the foreign type {facts.type}") from error
        self.fd = fd
        self.name = name or facts.name.decode(errors="replace")
        self.tail_calls = tail_calls
        self.takes_fragments = takes_fragments
        self.id: int = facts.id
        self.instructions: int = facts.translated_bytes // 8

    def test_run(self, packet: bytes, repeat: int = 1) -> TestRun:
        """Run the program on `packet` without any interface.

        Raises:
            KernelError: The kernel takes no such packet; Ethernet frames have at least 14 bytes.
        """
        try:
            verdict, duration, after = _syscall.program_test_run(self.fd, packet, len(packet) + HEADROOM, repeat)
        except OSError as error:
            raise KernelError(f"run program {self.name!r} on a packet", error) from error
        return TestRun(verdict - (1 << 32) if verdict >> 31 else verdict, duration, after)

    def runs(self) -> Runs:
        """What the kernel has counted of the program since it was loaded; see `dynmon.bpf.timing`."""
        facts = _facts(self.fd, self.name)
        return Runs(facts.runs, facts.run_time_ns)

    def __repr__(self) -> str:
        return f"<Program {self.name} {self.program_type.name} id {self.id}>"


def _facts(fd: int, name: str) -> _syscall.ProgramFacts:
    facts = _syscall.ProgramFacts()
    try:
        _syscall.object_info(fd, facts)
    except OSError as error:
        raise KernelError(f"look at program {name!r}", error) from error
    return facts

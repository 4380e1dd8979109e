"""Nanoseconds per packet: code in the dialect against the same program written by hand for libbpf.

And the same code in a passive cube, which calls it, against its own in another cube, where it is inlined.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Figure, median
from dynmon.bpf import Loader, LoadRequest, Program
from dynmon.compiler import Compiler
from dynmon.dataplane.path import PROGRAM_TYPES
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits
from tests.packets import ethernet, ipv4, udp

HANDWRITTEN = Path(__file__).parent / "handwritten"
EXAMPLES = Path(__file__).parent.parent / "examples"
PROGRAMS = {"counter": "packet_counter", "flows": "flows"}
PACKET = ethernet(ipv4(udp(bytes(18), sport=40000, dport=53)))
REPEAT = 1_000_000
ROUNDS = 21
BAR = 1.05
PASSED = (-1, 0xFFFFFFFF, 2)  # TC_ACT_UNSPEC as the kernel gives it back, XDP_PASS
MEMORY_BYTES = 256 << 20


def figures(scratch: Path) -> list[Figure]:
    """One figure for each program and side; the two sides take turns, so both meet the same machine."""
    with ExitStack() as parts:
        loader = parts.enter_context(Loader())
        compiler = parts.enter_context(Compiler(scratch / "cache", CompileLimits()))
        compared = [_compare(parts, loader, compiler, *names, scratch) for names in PROGRAMS.items()]
        passive = [_passive(parts, loader, compiler, name, hook) for name in PROGRAMS.values() for hook in Hook]
        return compared + passive


def _compare(
    parts: ExitStack, loader: Loader, compiler: Compiler, handwritten: str, example: str, scratch: Path
) -> Figure:
    dialect = _dialect(parts, loader, compiler, example, Hook.TC)
    ours = _load(parts, loader, _compile_by_hand(handwritten, scratch), "handwritten", {})
    measured, theirs = _in_turns(dialect, ours)
    return Figure(
        f"packet, {example}",
        measured,
        "ns",
        theirs,
        "handwritten for libbpf",
        f"≤ {BAR} x",
        measured / theirs <= BAR,
    )


def _passive(parts: ExitStack, loader: Loader, compiler: Compiler, example: str, hook: Hook) -> Figure:
    called = _dialect(parts, loader, compiler, example, hook, passive=True)
    inlined = _dialect(parts, loader, compiler, example, hook)
    measured, theirs = _in_turns(called, inlined)
    return Figure(f"packet, {example}, passive at {hook}", measured, "ns", theirs, "not passive")


def _in_turns(*programs: Program) -> list[float]:
    times: list[list[float]] = [[] for _ in programs]
    for turn in range(ROUNDS + 1):
        sides = list(zip(times, programs, strict=True))
        for measured, program in sides if turn % 2 else reversed(sides):
            measured.append(seconds_per_packet(program))
    # The first turn warms caches and clocks.
    return [median(measured[1:]) for measured in times]


def _dialect(
    parts: ExitStack, loader: Loader, compiler: Compiler, example: str, hook: Hook, *, passive: bool = False
) -> Program:
    source = (EXAMPLES / example / f"{example}.c").read_text()
    artifact = compiler.compile(source, Direction.INGRESS, hook, passive=passive)
    constants = {"dynmon_cube_id": 1, "dynmon_log_level": 2, "dynmon_epoch_base": 0}
    return _load(parts, loader, artifact.object, artifact.program, constants, hook, artifact.proof)


def _load(
    parts: ExitStack,
    loader: Loader,
    code: bytes,
    program: str,
    constants: Mapping[str, int],
    hook: Hook = Hook.TC,
    proof: str = "",
) -> Program:
    request = LoadRequest(
        object=code,
        program=program,
        program_type=PROGRAM_TYPES[hook],
        proof=proof,
        file="ingress",
        constants=constants,
        memory_bytes=MEMORY_BYTES,
    )
    return parts.enter_context(loader.load(request)).program


def _compile_by_hand(name: str, scratch: Path) -> bytes:
    source, target = HANDWRITTEN / f"{name}.bpf.c", scratch / f"{name}.bpf.o"
    # Debian keeps asm/types.h in a folder for each architecture, which is not on the path of this target.
    multiarch = Path("/usr/include") / str(sysconfig.get_config_var("MULTIARCH") or f"{sys.platform}-gnu")
    if not multiarch.exists():
        multiarch = next(Path("/usr/include").glob("*-linux-gnu"))
    subprocess.run(
        ["clang", "-O2", "-g", "-mcpu=v3", "-target", "bpf", "-idirafter", multiarch, "-c", source, "-o", target],
        check=True,
    )
    return target.read_bytes()


def seconds_per_packet(program: Program) -> float:
    """The time of this thread, which runs the program: what the kernel itself reports is whole nanoseconds."""
    before = time.thread_time_ns()
    result = program.test_run(PACKET, REPEAT)
    spent = time.thread_time_ns() - before
    assert result.verdict in PASSED, f"unexpected verdict {result.verdict}"
    return spent / REPEAT / 1e9

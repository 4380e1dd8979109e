"""Compile injected code: from the cache, or by clang in its sandbox."""

from __future__ import annotations

import hashlib
import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from dynmon.compiler.cache import ObjectCache
from dynmon.compiler.diagnostics import MAX_DIAGNOSTICS, CompileError, parse_diagnostics
from dynmon.compiler.headers import headers_digest, install_headers
from dynmon.compiler.sandbox import Outcome, Sandbox
from dynmon.compiler.toolchain import PROGRAMS, find_toolchain, flags_for
from dynmon.errors import Diagnostic
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits

CONCURRENT_COMPILATIONS = 2
OUT_OF_MEMORY = re.compile(r"^LLVM ERROR: out of memory|std::bad_alloc", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A BPF object and the name of the program in it that sees the packets."""

    object: bytes
    program: str
    cached: bool
    warnings: tuple[Diagnostic, ...]


class Compiler:
    """Compiles code of one machine's users; threads may share it.

    Raises:
        ClangNotFound: There is no clang here.
        HeadersNotFound: The distribution's headers are missing.
    """

    def __init__(self, cache_dir: Path, limits: CompileLimits, clang: str | None = None) -> None:
        self._limits = limits
        self._toolchain = find_toolchain(clang)
        self._cache = ObjectCache(cache_dir)
        headers = headers_digest()
        self._salt = f"{headers}\0{self._toolchain.digest}"
        self._sandbox = Sandbox(self._toolchain, install_headers(cache_dir, headers), limits)
        self._turn = threading.BoundedSemaphore(CONCURRENT_COMPILATIONS)

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def compile(self, source: str, direction: Direction, hook: Hook) -> Artifact:
        """The object for `source`.

        Raises:
            CompileError: clang refuses the code, or a limit ended the compilation.
            UnsupportedError: clang cannot be confined on this machine.
        """
        flags = flags_for(direction, hook)
        text = source.encode(errors="replace")
        key = hashlib.sha256("\0".join((self._salt, *flags, "")).encode() + text).hexdigest()
        program = PROGRAMS[direction]
        if found := self._cache.get(key):
            return Artifact(found[0], program, cached=True, warnings=found[1])
        with self._turn:
            outcome = self._sandbox.run(flags, text)
        findings = parse_diagnostics(outcome.messages, source, direction)
        if outcome.status or outcome.stopped or not outcome.output:
            raise CompileError(self._explain(outcome, findings, direction))
        warnings = tuple(finding for finding in findings if finding.severity == "warning")
        self._cache.put(key, outcome.output, warnings)
        return Artifact(outcome.output, program, cached=False, warnings=warnings)

    def close(self) -> None:
        """End the sandbox; compilations that run now fail."""
        self._sandbox.close()

    def _explain(
        self, outcome: Outcome, findings: tuple[Diagnostic, ...], direction: Direction
    ) -> tuple[Diagnostic, ...]:
        """The findings, led by why the compiler ended where clang itself could not say."""
        reason = self._limit_met(outcome)
        if reason is None:
            if any(finding.severity == "error" for finding in findings):
                return findings
            reason = _failure(outcome)
        return (Diagnostic(direction.value, 0, 0, "error", reason), *findings)[:MAX_DIAGNOSTICS]

    def _limit_met(self, outcome: Outcome) -> str | None:
        if outcome.stopped:
            return outcome.stopped
        if outcome.status in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"compiling took longer than {self._limits.timeout_seconds:g} seconds"
        if OUT_OF_MEMORY.search(outcome.messages):
            return f"compiling needs more memory than the limit of {self._limits.memory_bytes >> 20} MiB"
        return None


def _failure(outcome: Outcome) -> str:
    if outcome.status < 0:
        return f"the compiler crashed ({signal.Signals(-outcome.status).name})"
    said = outcome.messages.strip().splitlines()
    return f"the compiler failed with status {outcome.status}: {said[-1] if said else 'no message'}"

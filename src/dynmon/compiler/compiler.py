"""Compile injected code: from the cache, or by clang in its sandbox."""

from __future__ import annotations

import hashlib
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dynmon.compiler.cache import ObjectCache
from dynmon.compiler.diagnostics import MAX_DIAGNOSTICS, CompileError, parse_diagnostics
from dynmon.compiler.headers import headers_digest, install_headers
from dynmon.compiler.sandbox import Outcome, Sandbox
from dynmon.compiler.shared_object import build_library, find_linker, library_key
from dynmon.compiler.spelling import Spelling, is_of_the_kernel_tree, spelling_of
from dynmon.compiler.toolchain import KERNEL_WORDS, PROGRAMS, PROOF, Toolchain, find_toolchain, flags_for
from dynmon.compiler.vmlinux import KernelTypes
from dynmon.errors import Diagnostic, KernelError
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits

CONCURRENT_COMPILATIONS = 2
OUT_OF_MEMORY = re.compile(r"^LLVM ERROR: out of memory|std::bad_alloc", re.MULTILINE)


@dataclass(slots=True)
class _Workshop:
    """A clang and the headers as they were on disk at one time, and the sandbox that was built around them.

    Both may be upgraded or deleted while the daemon runs. The sandbox knows its files by what they were, not by their
    names, and so would run nothing any more.
    """

    toolchain: Toolchain
    toolchain_digest: str
    folder: Path
    folder_inode: int
    salt: str
    sandbox: Sandbox
    kernel_types: KernelTypes
    users: int = 0

    def is_current(self) -> bool:
        """Whether the same files are still there."""
        try:
            return self.folder.stat().st_ino == self.folder_inode and self.toolchain.digest == self.toolchain_digest
        except OSError:
            return False

    def key(self, job: _Job) -> str:
        """Stands for everything that goes into an object and its warnings."""
        parts = (self.salt, *self.flags(job), job.direction, "")
        return hashlib.sha256("\0".join(parts).encode() + job.text).hexdigest()

    def flags(self, job: _Job) -> tuple[str, ...]:
        """The command line for the job."""
        words = KERNEL_WORDS if job.with_kernel_words else ()
        own = flags_for(job.spelling, job.direction, job.hook, passive=job.passive)
        return (*self._kernel_types_flags(job), *words, *own)

    def run(self, job: _Job) -> Outcome:
        """Compile; code of the kernel's tree gets its words when it does not do without them."""
        has_kernel_types = bool(self._kernel_types_flags(job))
        if has_kernel_types:
            self.kernel_types.prepare()
        outcome = self.sandbox.run(self.flags(job), job.text)
        may_want_words = job.spelling is Spelling.LIBBPF and not has_kernel_types
        if outcome.messages and may_want_words and is_of_the_kernel_tree(job.source):
            with_words = replace(job, with_kernel_words=True)
            again = self.sandbox.run(self.flags(with_words), job.text)
            if again.is_object:
                return again
        return outcome

    def _kernel_types_flags(self, job: _Job) -> tuple[str, ...]:
        return self.kernel_types.flags(job.source) if job.spelling is Spelling.LIBBPF else ()


@dataclass(frozen=True, slots=True)
class _Job:
    """Code to compile."""

    source: str
    direction: Direction
    hook: Hook
    spelling: Spelling
    passive: bool
    with_kernel_words: bool = False

    @property
    def text(self) -> bytes:
        """What clang reads."""
        return self.source.encode(errors="replace")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A BPF object and the name of the program in it that sees the packets; None for code that has its own programs.

    `proof` is the program in it that shows that the other only looks at packets, "" where it need not.
    """

    object: bytes
    program: str | None
    cached: bool
    warnings: tuple[Diagnostic, ...]
    spelling: Spelling
    proof: str = ""


class Compiler:
    """Compiles code of one machine's users; threads may share it.

    Raises:
        ClangNotFound: There is no clang here.
        HeadersNotFound: The distribution's headers are missing.
    """

    def __init__(self, cache_dir: Path, limits: CompileLimits, clang: str | None = None) -> None:
        self._limits = limits
        self._clang = clang
        self._cache_dir = cache_dir
        self._cache = ObjectCache(cache_dir)
        self._lock = threading.Lock()
        self._workshop = self._new_workshop()
        self._turn = threading.BoundedSemaphore(CONCURRENT_COMPILATIONS)

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def compile(self, source: str, direction: Direction, hook: Hook, *, passive: bool = False) -> Artifact:
        """The object for `source`; code in the dialect can be `passive`, and then has a proof of it.

        Raises:
            CompileError: clang refuses the code, or a limit ended the compilation.
            ClangNotFound, HeadersNotFound: They were there before.
            KernelTypesNotFound: The code includes vmlinux.h, and the kernel does not tell its types.
            UnsupportedError: clang cannot be confined on this machine.
        """
        job = _Job(source, direction, hook, spelling_of(source), passive)
        program = PROGRAMS[direction] if job.spelling is Spelling.DIALECT else None
        proof = PROOF if program and passive else ""
        if found := self._cache.get(self._workshop.key(job)):
            return Artifact(found[0], program, cached=True, warnings=found[1], spelling=job.spelling, proof=proof)
        with self._turn, self._current_workshop() as workshop:
            outcome = workshop.run(job)
        findings = parse_diagnostics(outcome.messages, source, direction)
        if not outcome.is_object:
            raise CompileError(self._explain(outcome, findings, direction))
        warnings = tuple(finding for finding in findings if finding.severity == "warning")
        self._cache.put(workshop.key(job), outcome.output, warnings)
        return Artifact(outcome.output, program, cached=False, warnings=warnings, spelling=job.spelling, proof=proof)

    def shared_object(self, source: bytes) -> bytes:
        """A shared library for this process, from C of our own.

        Raises:
            LinkerNotFound, ClangNotFound, HeadersNotFound: They are not here.
            SandboxError: clang or the linker failed.
            UnsupportedError: clang cannot be confined on this machine.
        """
        linker = find_linker()
        key = library_key(source, self._workshop.toolchain_digest, linker)
        if found := self._cache.get(key):
            return found[0]
        with self._turn, self._current_workshop() as workshop:
            library = build_library(source, workshop.sandbox, linker)
        self._cache.put(library_key(source, workshop.toolchain_digest, linker), library, ())
        return library

    def close(self) -> None:
        """End the sandbox; compilations that run now fail."""
        self._workshop.sandbox.close()

    @contextmanager
    def _current_workshop(self) -> Iterator[_Workshop]:
        """The workshop with the files of now; an outdated one is closed when the last one has left it."""
        with self._lock:
            if not self._workshop.is_current():
                outdated, self._workshop = self._workshop, self._new_workshop()
                if not outdated.users:
                    outdated.sandbox.close()
            workshop = self._workshop
            workshop.users += 1
        try:
            yield workshop
        finally:
            with self._lock:
                workshop.users -= 1
                if workshop is not self._workshop and not workshop.users:
                    workshop.sandbox.close()

    def _new_workshop(self) -> _Workshop:
        toolchain = find_toolchain(self._clang)
        toolchain_digest, headers = toolchain.digest, headers_digest()
        try:
            self._cache.make_folder()
            folder = install_headers(self._cache_dir, headers)
            inode = folder.stat().st_ino
        except OSError as error:
            raise KernelError(f"copy the headers for eBPF code to {str(self._cache_dir)!r}", error) from error
        sandbox = Sandbox(toolchain, folder, self._limits)
        types = KernelTypes(folder, sandbox, toolchain_digest)
        return _Workshop(toolchain, toolchain_digest, folder, inode, f"{headers}\0{toolchain_digest}", sandbox, types)

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

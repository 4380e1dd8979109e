"""``vmlinux.h``: the types of the running kernel, made from its BTF and precompiled.

Code that includes it gets every type that the kernel was built with, some three megabytes of C. clang takes half a
second to read them, each time, and reads nothing but what is used of them when it has put them into a precompiled
header once; that takes a second. So both are made when the first code asks, in a folder of the headers that clang
runs in, named by all that went into them.

A precompiled header is always read first. That is the same thing as an inclusion further down as long as nothing
above it changes what it says; where something may, clang reads the text.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from dynmon.compiler.headers import OWN_HEADERS
from dynmon.compiler.sandbox import Sandbox, SandboxError
from dynmon.compiler.spelling import without_comments
from dynmon.compiler.toolchain import libbpf_flags
from dynmon.errors import KernelError, UnsupportedError

KERNEL_BTF = Path("/sys/kernel/btf/vmlinux")
HEADER = "kernel_types.h"
PRECOMPILED = "kernel_types.pch"
MAX_PRECOMPILED_BYTES = 64 << 20
PATIENCE_SECONDS = 60
PACKAGE_PARENT = Path(__file__).resolve().parents[2]
WRITE = "import sys; sys.path.insert(0, sys.argv[1]); from dynmon.bpf.kernel_types import main; main(sys.argv[2])"

# What code for newer kernels takes from vmlinux.h, and our headers for kernels that have none of it. Their text goes
# in: a precompiled header would name the place of what it includes, which is another one in the sandbox.
NEWER = {b"enum tcx_action_base {": "tcx_verdicts.h", b"struct bpf_iter_num {": "iter_num.h"}

# Findings in it must not look like findings in the user's text, which comes from standard input too.
LINE_MARKER = b'# 1 "vmlinux.h"\n'
NAME = re.compile(r"\bvmlinux\.h\b")
INCLUSION = re.compile(r'["<](?:vmlinux/)?vmlinux\.h[">]')
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(\w+)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
CHANGES_IT = re.compile(r"\bBPF_NO_PRESERVE_ACCESS_INDEX\b")
# Names that no type or member has: a guard, an option of another header.
HARMLESS_MACRO = re.compile(r"__\w+|[A-Z0-9_]+\b")


class KernelTypesNotFound(UnsupportedError):
    """The kernel does not tell its types."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"include vmlinux.h: this kernel does not tell its types, there is no {path}; "
            "use a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, or include <linux/bpf.h> instead"
        )


class KernelTypes:
    """The kernel's types as C beside other headers; threads may share it."""

    def __init__(self, headers: Path, sandbox: Sandbox, toolchain_digest: str, btf: Path = KERNEL_BTF) -> None:
        self._headers = headers
        self._sandbox = sandbox
        self._toolchain_digest = toolchain_digest
        self._btf = btf
        self._lock = threading.Lock()

    def flags(self, source: str) -> tuple[str, ...]:
        """What clang needs to be told to find them; nothing for code that does not name them.

        Raises:
            KernelTypesNotFound: It does, and there are none.
        """
        if not NAME.search(source) or not NAME.search(code := without_comments(source)):
            return ()
        name = self._name()
        precompiled = ("-include-pch", f"{name}/{PRECOMPILED}") if comes_first(code) else ()
        return (*precompiled, "-isystem", name)

    def prepare(self) -> None:
        """Make them, when they are not there yet.

        Raises:
            KernelTypesNotFound: The kernel does not tell them.
            KernelError: They cannot be written.
            SandboxError: clang does not understand them.
        """
        folder = self._headers / self._name()
        with self._lock:
            if folder.is_dir():
                return
            try:
                self._make(folder)
            except OSError as error:
                raise KernelError("write the kernel's types for vmlinux.h", error) from error

    def _name(self) -> str:
        digest = hashlib.sha256("\0".join((_btf_digest(self._btf), self._toolchain_digest, *libbpf_flags())).encode())
        return f"kernel-{digest.hexdigest()[:32]}"

    def _make(self, folder: Path) -> None:
        unfinished = Path(tempfile.mkdtemp(prefix=".kernel-", dir=self._headers))
        try:
            header = _written_header(self._btf)
            missing = [name for declaration, name in NEWER.items() if declaration not in header]
            header += b"".join((OWN_HEADERS / "libbpf" / "dynmon" / name).read_bytes() for name in missing)
            _put(unfinished / HEADER, header)
            _put(unfinished / PRECOMPILED, self._precompiled(header))
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        for other in self._headers.glob("kernel-*"):  # of other kernels and compilers
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)

    def _precompiled(self, header: bytes) -> bytes:
        command = (*libbpf_flags(), "-x", "c-header", "-", "-o", "-")
        outcome = self._sandbox.run(command, LINE_MARKER + header, MAX_PRECOMPILED_BYTES)
        if outcome.status or not outcome.output:
            reason = outcome.stopped or outcome.messages.partition("\n")[0] or f"status {outcome.status}"
            raise SandboxError(f"precompile vmlinux.h: {reason}")
        return outcome.output


def comes_first(code: str) -> bool:
    """Whether the types might as well be included before the first line."""
    if CHANGES_IT.search(code):
        return False
    conditions: list[bool] = []
    for (word, rest), following in itertools.pairwise([*DIRECTIVE.findall(code), ("", "")]):
        if word in ("if", "ifdef", "ifndef"):
            conditions.append(not (word == "ifndef" and following == ("define", rest)))  # the guard of a header
        elif word == "endif" and conditions:
            conditions.pop()
        elif word in ("include", "import") and INCLUSION.fullmatch(rest):
            return not any(conditions)
        elif word == "define" and not HARMLESS_MACRO.match(rest):
            return False
    return False


@functools.cache
def _btf_digest(path: Path) -> str:
    """The kernel's BTF does not change while a process runs on it."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise KernelTypesNotFound(path) from None


def _written_header(btf: Path) -> bytes:
    """The types of `btf` in C, written by a process of their own."""
    command = [sys.executable, "-I", "-c", WRITE, str(PACKAGE_PARENT), str(btf)]
    done = subprocess.run(command, capture_output=True, check=False, env={}, timeout=PATIENCE_SECONDS)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"read the kernel's types from {btf}: {said[-1] if said else done.returncode}")
    return done.stdout


def _put(path: Path, content: bytes) -> None:
    """Write a file that clang, as somebody else, may read; whole also after the power fails."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)

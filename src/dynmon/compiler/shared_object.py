"""Our own C for this machine → a shared library, for what must be faster than Python.

clang makes the object in the sandbox, as it does for everything. The sandbox lets nothing write a file, and a linker
can do nothing else: so the linker that clang brings along (Debian's clang depends on binutils) runs outside of it, on
an object of our own source, in a folder of its own.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from dynmon.compiler.sandbox import Sandbox, SandboxError
from dynmon.compiler.toolchain import FROM_STDIN_TO_STDOUT, digest_of_files
from dynmon.errors import UnsupportedError

FLAGS = ("-std=gnu11", "-O2", "-ffreestanding", "-fno-builtin", "-fPIC", "-nostdinc", "-x", "c", *FROM_STDIN_TO_STDOUT)
LINKERS = ("ld", "ld.lld", "ld.gold")
LINK = ("-shared", "--strip-all", "-z", "noexecstack", "-z", "relro", "-z", "now")
PATIENCE_SECONDS = 30


class LinkerNotFound(UnsupportedError):
    """No linker on this machine."""

    def __init__(self) -> None:
        super().__init__("link a library: there is no ld; install it with: apt-get install binutils")


def find_linker() -> Path:
    """The first linker there is.

    Raises:
        LinkerNotFound: There is none.
    """
    for name in LINKERS:
        if found := shutil.which(name):
            return Path(found).resolve()
    raise LinkerNotFound


def library_key(source: bytes, toolchain_digest: str, linker: Path) -> str:
    """Stands for everything that goes into the library."""
    parts = ("library", toolchain_digest, digest_of_files([linker]), *FLAGS, *LINK, "")
    return hashlib.sha256("\0".join(parts).encode() + source).hexdigest()


def build_library(source: bytes, sandbox: Sandbox, linker: Path) -> bytes:
    """The library.

    Raises:
        SandboxError: clang or the linker failed.
        UnsupportedError: clang cannot be confined on this machine.
        KernelError: There are no descriptors or processes left to run them with.
    """
    outcome = sandbox.run(FLAGS, source)
    if not outcome.is_object:
        raise SandboxError(f"compile a library: {_reason(outcome.stopped or outcome.messages)}")
    with tempfile.TemporaryDirectory(prefix="dynmon-") as name:
        folder = Path(name)
        (folder / "library.o").write_bytes(outcome.output)
        command = [str(linker), *LINK, "-o", "library.so", "library.o"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, env={}, timeout=PATIENCE_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxError(f"link a library: {error}") from error
        if done.returncode:
            raise SandboxError(f"link a library: {_reason(done.stderr)}")
        return (folder / "library.so").read_bytes()


def _reason(messages: str) -> str:
    return messages.strip().partition("\n")[0] or "no message"

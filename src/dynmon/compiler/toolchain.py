"""Find clang and what it needs to run, and say how it is called."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dynmon.compiler.spelling import Spelling
from dynmon.errors import UnsupportedError
from dynmon.models import Direction, Hook

# No header of the host is on the include path but the kernel's own: `include` and `sys` are folders of the
# header set (see headers.py), which is the compiler's working directory.
DIALECT = (
    "-std=gnu11",
    "-ffreestanding",
    "-I",
    "include/dialect",
    "-include",
    "dynmon/dialect.h",
    # Such a call can never be loaded, and here the line is still known.
    "-Werror=implicit-function-declaration",
    "-Werror=undefined-internal",
)
# Programs that others wrote: what passes clang without any option must pass here.
LIBBPF = (
    "-I",
    "include/libbpf",
    "-Wno-error=implicit-function-declaration",
)
# Code that was built in the kernel's own tree.
KERNEL_WORDS = ("-include", "dynmon/kernel_words.h")
COMMON = (
    "-target",
    "bpf",
    "-mcpu=v3",
    "-O2",
    "-g",
    "-nostdinc",
    "-I",
    "include/common",
    "-isystem",
    "sys",
    "-fdebug-compilation-dir=.",
    # Findings are read by a program, which has the source itself.
    "-fno-caret-diagnostics",
    "-fno-color-diagnostics",
    "-fno-diagnostics-show-option",
    "-fno-crash-diagnostics",
    "-ferror-limit=50",
    "-ftemplate-backtrace-limit=1",
    # What the original's compiler lets pass must pass here.
    "-Wno-pointer-sign",
    "-Wno-incompatible-pointer-types",
    "-Wno-incompatible-function-pointer-types",
    "-Wno-int-conversion",
    "-Wno-int-to-pointer-cast",
    "-Wno-address-of-packed-member",
    "-Wno-gnu-variable-sized-type-not-at-end",
    "-Wno-macro-redefined",
    "-Wno-unknown-warning-option",
    "-Wno-unused-value",
    "-Wno-unknown-attributes",
    "-Wno-ignored-attributes",
    "-Wno-return-type",
    "-Wuninitialized",
    "-Wsometimes-uninitialized",
)
FROM_STDIN_TO_STDOUT = ("-c", "-o", "-", "-")
# How bpf_tracing.h calls the machines whose registers it knows.
TRACED_MACHINES = {"x86_64": "x86", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64le": "powerpc"}

CLANG_VARIABLE = "DYNMON_CLANG"
PROGRAMS = {Direction.INGRESS: "dynmon_ingress", Direction.EGRESS: "dynmon_egress"}
PROOF = "dynmon_passive"
PROGRAM_TYPES = {Direction.INGRESS: "0", Direction.EGRESS: "1"}


class ClangNotFound(UnsupportedError):
    """No clang on this machine."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"compile eBPF code: {name} is not installed; install it with: apt-get install clang libbpf-dev"
        )


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A clang, the libraries that it loads, and a digest that changes when any of them does."""

    clang: Path
    libraries: tuple[Path, ...]

    @property
    def digest(self) -> str:
        """Changes with every other build of clang or of its libraries."""
        return digest_of_files((self.clang, *self.libraries))


def find_toolchain(clang: str | None = None) -> Toolchain:
    """The clang that `clang` or DYNMON_CLANG names, or else the first of ``clang`` and the newest ``clang-N``.

    Raises:
        ClangNotFound: There is none.
    """
    clang = clang or os.environ.get(CLANG_VARIABLE)
    found = shutil.which(clang or "clang") or (None if clang else _newest_numbered_clang())
    if found is None:
        raise ClangNotFound(clang or "clang")
    path = Path(found).resolve()
    return Toolchain(path, _libraries_of(path))


def flags_for(spelling: Spelling, direction: Direction, hook: Hook, *, passive: bool = False) -> tuple[str, ...]:
    """The whole command line behind ``clang``; nothing of it comes from a user. Only the dialect can be `passive`."""
    if spelling is Spelling.LIBBPF:
        return (*libbpf_flags(), "-x", "c", *FROM_STDIN_TO_STDOUT)
    defines = [f"-DPOLYCUBE_PROGRAM_TYPE={PROGRAM_TYPES[direction]}"]
    if hook is Hook.XDP:
        defines.append("-DDYNMON_HOOK_XDP=1")
    if passive:
        defines.append("-DDYNMON_PASSIVE=1")
    return (*defines, *DIALECT, *COMMON, "-x", "c", *FROM_STDIN_TO_STDOUT)


def libbpf_flags() -> tuple[str, ...]:
    """What libbpf C, and a header precompiled for it, are read with."""
    machine = platform.machine()
    return (f"-D__TARGET_ARCH_{TRACED_MACHINES.get(machine, machine)}", *LIBBPF, *COMMON)


def digest_of_files(paths: Iterable[Path]) -> str:
    """A digest of the files' names, sizes and times of change, not of their contents."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _newest_numbered_clang() -> str | None:
    numbered = [
        (int(match[1]), str(path))
        for folder in ("/usr/local/bin", "/usr/bin")
        for path in Path(folder).glob("clang-[0-9]*")
        if (match := re.fullmatch(r"clang-(\d+)", path.name))
    ]
    return max(numbered)[1] if numbered else None


def _libraries_of(binary: Path) -> tuple[Path, ...]:
    """Every file that the dynamic loader maps for `binary`, the loader included, under the names it asks for."""
    listing = subprocess.run(
        ["ldd", str(binary)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}, timeout=30
    )
    names = re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listing.stdout, re.MULTILINE)
    # Such as bin/../lib: a path through a folder that need not be there for the name without it.
    return tuple(Path(os.path.normpath(name)) for name in dict.fromkeys(names))

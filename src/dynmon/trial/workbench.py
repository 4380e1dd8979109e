"""What a trial needs when there is no daemon: a compiler and a loader for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from dynmon.bpf import Loader
from dynmon.compiler import Compiler
from dynmon.dataplane import Foundry, ProgramLog, PublicMaps
from dynmon.errors import UnsupportedError
from dynmon.settings import CompileLimits, MapLimits
from dynmon.trial.log_lines import LogLines

# linux/capability.h: CAP_BPF and CAP_NET_ADMIN; CAP_SYS_ADMIN does for the first.
CAPABILITIES = {"CAP_BPF": (39, 21), "CAP_NET_ADMIN": (12,)}


class NotPermitted(UnsupportedError):
    """This process may not load programs."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"cannot load eBPF programs without {' and '.join(missing)}; run it as root")
        self.missing = missing


@contextmanager
def workbench(cache_dir: Path) -> Iterator[Foundry]:
    """A foundry of this process alone; compiled objects are kept in `cache_dir`.

    Raises:
        NotPermitted: Only root, or who has the capabilities, can load programs.
        ClangNotFound, HeadersNotFound, KernelError: Something it needs is not here.
    """
    _check_capabilities()
    with Loader() as loader, Compiler(cache_dir, CompileLimits()) as compiler, LogLines(0) as log:
        yield Foundry(compiler, loader, cast(ProgramLog, log), PublicMaps(), MapLimits())


def _check_capabilities() -> None:
    status = Path("/proc/self/status").read_text()
    effective = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    missing = [name for name, bits in CAPABILITIES.items() if not any(effective >> bit & 1 for bit in bits)]
    if missing:
        raise NotPermitted(missing)

"""What a trial needs when there is no daemon: a compiler and a loader for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dynmon.bpf import Loader
from dynmon.bpf.capabilities import check_capabilities
from dynmon.compiler import Compiler
from dynmon.dataplane import Foundry, PublicMaps
from dynmon.settings import CompileLimits, MapLimits
from dynmon.trial.log_lines import LogLines


@contextmanager
def workbench(cache_dir: Path) -> Iterator[Foundry]:
    """A foundry of this process alone; compiled objects are kept in `cache_dir`.

    Raises:
        NotPermitted: Only root, or who has the capabilities, can load programs.
        ClangNotFound, HeadersNotFound, KernelError: Something it needs is not here.
    """
    check_capabilities()
    with Loader() as loader, Compiler(cache_dir, CompileLimits()) as compiler, LogLines(0) as log:
        yield Foundry(compiler, loader, log, PublicMaps(), MapLimits())

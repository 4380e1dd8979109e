"""Fixtures: cubes in this process, on whichever clang DYNMON_CLANG names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dynmon.bpf import Loader
from dynmon.compiler import Compiler
from dynmon.cubes import CubeRegistry
from dynmon.dataplane import Foundry, ProgramLog, PublicMaps
from dynmon.settings import CompileLimits, MapLimits


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CubeRegistry]:
    """One registry for all programs; a cube that is refused leaves nothing in it."""
    folder = tmp_path_factory.mktemp("cache")
    clang = os.environ.get("DYNMON_CLANG")
    with (
        ProgramLog() as log,
        Loader() as loader,
        Compiler(folder, CompileLimits(), clang=clang) as compiler,
        CubeRegistry(Foundry(compiler, loader, log, PublicMaps(), MapLimits()), log) as registry,
    ):
        yield registry

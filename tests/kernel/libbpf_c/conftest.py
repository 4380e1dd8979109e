"""Compile libbpf C as others write it, and load it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dynmon.bpf import Loader
from dynmon.compiler import Compiler
from dynmon.settings import CompileLimits


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiler]:
    """One compiler for all tests: the kernel's types are precompiled once."""
    with Compiler(tmp_path_factory.mktemp("cache"), CompileLimits()) as compiler:
        yield compiler


@pytest.fixture(scope="session")
def loader() -> Iterator[Loader]:
    """One loader for all tests."""
    with Loader() as loader:
        yield loader

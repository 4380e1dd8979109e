"""Fixtures for every suite."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Veth, open_descriptors, veth_pair


@pytest.fixture
def veth() -> Iterator[Veth]:
    """Two interfaces joined back to back, silent unless the test sends."""
    with veth_pair() as pair:
        yield pair


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail the test when it leaves a descriptor open that was not there before."""
    before = open_descriptors()
    yield
    gc.collect()
    leaked = {entry for entry in open_descriptors() - before if "anon_inode:bpf" in entry or "socket" in entry}
    assert not leaked, f"left open: {sorted(leaked)}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top folder of the project."""
    return Path(__file__).resolve().parent.parent

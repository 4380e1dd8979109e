"""Fixtures for every suite."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import Veth, isolate, open_descriptors, veth_pair

# What an example takes says more about the machine's load than about the code; benchmarks measure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Processes that run tests side by side have a network each: some tests want a port of a known number."""
    if hasattr(config, "workerinput") and os.environ.get("DYNMON_ISOLATED") == "yes":
        isolate()


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

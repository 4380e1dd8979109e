"""A real daemon for each module of tests, driven by its real clients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynmon.client import DynmonClient
from tests.daemon import Daemon, running_daemon


@pytest.fixture(scope="session")
def state_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of compiled objects for the whole run: what is compiled once need not be again."""
    return tmp_path_factory.mktemp("dynmon")


@pytest.fixture(scope="module")
def shared_daemon(state_root: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """The daemon that the tests of a module share."""
    with running_daemon(state_root / request.module.__name__.rpartition(".")[2], "--loglevel", "trace") as daemon:
        yield daemon


@pytest.fixture
def daemon(shared_daemon: Daemon) -> Iterator[Daemon]:
    """A daemon without cubes; those that a test makes are deleted after it."""
    yield shared_daemon
    with DynmonClient(shared_daemon.url) as client:
        for cube in itertools.chain.from_iterable(client.list().values()):
            client.request("DELETE", (cube["service-name"], cube["name"]))


@pytest.fixture
def client(daemon: Daemon) -> Iterator[DynmonClient]:
    """The daemon's API as Python methods."""
    with DynmonClient(daemon.url) as client:
        yield client

"""A real daemon for each module of tests, driven by its real clients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dynmon.client import DynmonClient
from tests.daemon import KERNELS, Daemon, running_daemon
from tests.prometheus import Prometheus, jobs_of, running_prometheus


@pytest.fixture(scope="session")
def state_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of compiled objects for the whole run: what is compiled once need not be again."""
    return tmp_path_factory.mktemp("dynmon")


@pytest.fixture(scope="module")
def shared_daemon(state_root: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """The daemon that the tests of a module share."""
    with running_daemon(state_root / request.module.__name__.rpartition(".")[2], "--loglevel", "trace") as daemon:
        yield daemon


@pytest.fixture(scope="module", params=KERNELS)
def any_daemon(state_root: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon with tcx, then one without; who wants all of its tests to have it makes it the `shared_daemon`."""
    state_dir = state_root / f"{request.module.__name__.rpartition('.')[2]}-{request.param}"
    with running_daemon(state_dir, environment=KERNELS[request.param]) as daemon:
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


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """Starts real Prometheuses, which end with the test; mark the test with ``needs("prometheus")``.

    Give it the URL of a daemon, which it scrapes in both formats, each as a job: ``openmetrics`` and ``text``. Or give
    it a list of ``scrape_configs`` of your own. Then send packets, wait for a scrape that began after that, and ask::

        server = prometheus(daemon.url)
        veth.send("ingress", FRAME, count=7)
        server.wait_for_scrape()
        assert 7 == server.value('packets_total{job="text"}')

    Prometheus takes five seconds to its first scrape; tests of a module can share one by `running_prometheus`.
    """
    numbers = itertools.count()
    with ExitStack() as running:

        def start(target: str | list[dict[str, object]]) -> Prometheus:
            jobs = jobs_of(target) if isinstance(target, str) else target
            return running.enter_context(running_prometheus(tmp_path / f"prometheus{next(numbers)}", jobs))

        yield start

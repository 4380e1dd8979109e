"""Fixtures: cubes of this process, each on an interface of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.metrics import Page, Reading
from dynmon.models import AttachRequest, CubeConfig, Direction
from dynmon.monitor.workshop import Workshop
from tests.kernel.cubes import interfaces
from tests.kernel.cubes.interfaces import FRAME
from tests.kernel.cubes.monitors import Monitors, document
from tests.support import Veth, needs, veth_pair


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/kernel/cubes" in str(item.path):
            item.add_marker(needs("kernel", "clang"))


@dataclass(frozen=True)
class Bench:
    """A cube on an interface, and what a test does with it."""

    cube: DynmonCube
    veth: Veth

    def send(self, count: int, direction: str = "ingress", *, size: int = len(FRAME)) -> None:
        """Let the cube see `count` packets of one length."""
        self.veth.send(direction, FRAME.ljust(size, b"x"), count=count)

    def inject(self, **paths: Mapping[str, Any]) -> dict[str, Any]:
        """Run other code: `ingress`, `egress`, or both."""
        return self.cube.inject(document(paths))

    def reading(self, name: str, direction: str = "ingress", **how: Any) -> Reading:
        """A read of a metric, as JSON clients have it."""
        return self.cube.read_metric(Direction(direction), name, **{"drain": True, **how})

    def value(self, name: str, direction: str = "ingress", **how: Any) -> Any:
        """The value of such a read."""
        return self.reading(name, direction, **how).value

    def pages(self, name: str, limit: int) -> list[list[Any]]:
        """All pages of a metric."""
        found, cursor = [], None
        for _ in range(100):
            reading = self.reading(name, page=Page(limit, cursor))
            found.append(reading.value)
            cursor = reading.cursor
            if cursor is None:
                return found
        raise AssertionError("the pages have no end")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CubeRegistry]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        workshop = Workshop()
        yield workshop.enter()
        workshop.leave()


@pytest.fixture
def bench(registry: CubeRegistry) -> Iterator[Callable[..., Bench]]:
    """Makes cubes on interfaces; they are gone after the test."""
    numbers = itertools.count()
    with veth_pair() as veth:

        def made(**paths: Mapping[str, Any]) -> Bench:
            name = f"cube{next(numbers)}"
            cube = registry.create(name, CubeConfig(dataplane_config=document(paths)))
            registry.attach(AttachRequest(cube=name, port=veth.host))
            return Bench(cube, veth)

        yield made
        for cube in registry.cubes():
            registry.delete(cube.name)


@pytest.fixture
def monitors(registry: CubeRegistry) -> Iterator[Monitors]:
    """Makes monitors; they are gone after the test, and so are switches."""
    made = Monitors(registry)
    yield made
    made.clear()


@pytest.fixture
def wires(monitors: Monitors) -> Iterator[None]:
    """Interfaces that a test makes with names that begin with w are gone after it, before the monitors are."""
    with interfaces.removed_at_the_end():
        yield

"""Fixtures: cubes of this process on interfaces of its own, and traffic to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dynmon.bpf import Loader
from dynmon.bpf.features import HIDE_VARIABLE
from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.models import AttachRequest, CubeConfig, CubeType, Direction
from dynmon.monitor.workshop import Workshop
from tests.kernel.exactness.counting import TIMEOUT_SECONDS, Hook
from tests.support import Veth, needs, veth_pair
from tests.traffic import Wire, wire


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of these count packets in the kernel, for as long as they are told to, or as any test may take."""
    seconds = max(TIMEOUT_SECONDS, float(config.getini("timeout")))
    for item in items:
        if "tests/kernel/exactness" in str(item.path):
            item.add_marker(needs("kernel", "clang"))
            item.add_marker(pytest.mark.timeout(seconds))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CubeRegistry]:
    """The cubes of this process; what is compiled once is not compiled again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        workshop = Workshop()
        yield workshop.enter()
        workshop.leave()


@pytest.fixture(scope="module")
def line() -> Iterator[Veth]:
    """One pair of interfaces for a whole module."""
    with veth_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def wire_to(line: Veth) -> Iterator[Callable[[Hook], Wire]]:
    """Gives the wire that leads to a hook; each is made once."""
    made: dict[tuple[Direction, bool], Wire] = {}
    with Loader() as loader, ExitStack() as parts:

        def give(hook: Hook) -> Wire:
            kind = (hook.direction, hook.direction is Direction.INGRESS and hook.cube_type is CubeType.XDP_SKB)
            if kind not in made:
                made[kind] = parts.enter_context(wire(loader, line, hook.direction, is_generic=kind[1]))
            return made[kind]

        yield give


@pytest.fixture
def place(
    registry: CubeRegistry, line: Veth, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Hook, dict[str, Any]], DynmonCube]]:
    """Makes a cube for a hook, with a dataplane as in JSON, and attaches it; it is gone after the test."""
    numbers = itertools.count()
    names: list[str] = []

    def attached(hook: Hook, dataplane: dict[str, Any]) -> DynmonCube:
        monkeypatch.setenv(HIDE_VARIABLE, hook.without)
        document = {"type": hook.cube_type, "dataplane-config": dataplane}
        name = f"exact{next(numbers)}"
        cube = registry.create(name, CubeConfig.model_validate(document, by_alias=True))
        names.append(name)
        registry.attach(AttachRequest(cube=name, port=line.host))
        return cube

    yield attached
    for name in names:
        registry.delete(name)

"""A chain at tc, put together out of order, runs in its order: by links, and by filters where there are none."""

import pytest

from dynmon.bpf.features import HIDE_VARIABLE
from dynmon.models import AttachRequest, CubeConfig, Direction
from tests.kernel.cubes.conftest import Bench
from tests.kernel.cubes.test_reads import COUNTING, metric, path
from tests.support import eventually, needs

IN_ORDER = ["th1", "th2", "th3", "th4", "th5"]
PLACES = {
    "th3": {},
    "th1": {"position": "first"},
    "th5": {"position": "last"},
    "th2": {"after": "th1"},
    "th4": {"before": "th5"},
}
DROPPING = COUNTING.replace("RX_OK", "RX_DROP")
PACKETS = metric("packets", "COUNTS")


@pytest.fixture
def chain(registry, veth):
    """The cubes by their names."""
    for name, place in PLACES.items():
        registry.create(name, CubeConfig())
        registry.attach(AttachRequest(cube=name, port=veth.host, **place))
    yield {name: Bench(registry.get(name), veth) for name in IN_ORDER}
    for name in PLACES:
        registry.delete(name)


@pytest.fixture(params=[pytest.param("", marks=needs("tcx")), "tcx"], ids=["tcx", "clsact"], autouse=True)
def _means(request, monkeypatch):
    monkeypatch.setenv(HIDE_VARIABLE, request.param)


@pytest.mark.parametrize("direction", list(Direction))
def test_who_drops_hides_packets_from_all_behind(chain, direction):
    """The first is nearest the wire: packets that come in meet it first, those that go out last."""
    way = IN_ORDER if direction is Direction.INGRESS else IN_ORDER[::-1]
    for dropping in way:
        for name, cube in chain.items():
            cube.inject(**{direction: path(DROPPING if name == dropping else COUNTING, PACKETS)})
        chain["th1"].send(7, direction)

        reached = way[: way.index(dropping) + 1]
        eventually(
            lambda: [name for name in way if [7] == chain[name].value("packets", direction, drain=False)], reached
        )
        assert [[0]] * (5 - len(reached)) == [
            chain[name].value("packets", direction, drain=False) for name in way[len(reached) :]
        ]

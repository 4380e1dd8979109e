"""A metric that is split per interface: what each interface counted, wherever it comes from and goes to."""

from __future__ import annotations

import pytest

from dynmon.cubes import DynmonCube
from dynmon.models import CubeConfig, CubeType, Direction
from tests.kernel.cubes.interfaces import make, send
from tests.kernel.cubes.monitors import CODE, Monitors, document
from tests.support import eventually

SPLIT = {"name": "packets", "map-name": "PACKETS", "per-interface": True}
OPTIONS = {
    "as-it-is": {},
    "swap": {"swap-on-read": True},
    "empty": {"empty-on-read": True},
    "both": {"swap-on-read": True, "empty-on-read": True},
}

pytestmark = pytest.mark.usefixtures("wires")


def split(name: str = "as-it-is", **more: object) -> dict[str, object]:
    """A path that counts packets per interface."""
    metric = SPLIT | {"extraction-options": OPTIONS[name], **more}
    return {"name": "split", "code": CODE % "RX_OK", "metric-configs": [metric]}


def monitor(monitors: Monitors, path: dict[str, object], kind: CubeType = CubeType.TC, name: str = "m") -> DynmonCube:
    return monitors.registry.create(name, CubeConfig(type=kind, dataplane_config=document({"ingress": path})))


def counts(cube: DynmonCube, *, drain: bool = True, since: str | None = None) -> dict[str, int]:
    value = cube.read_metric(Direction.INGRESS, "packets", drain=drain, since=since).value
    return {each["interface"]: each["value"][0] for each in value}


def expect(cube: DynmonCube, **expected: int) -> None:
    eventually(lambda: counts(cube, drain=False), expected)


@pytest.mark.parametrize("kind", [CubeType.TC, CubeType.XDP_SKB])
@pytest.mark.parametrize("options", list(OPTIONS))
def test_each_interface_has_its_own_count(monitors, kind, options):
    make("w0", "w1", "w2")
    cube = monitor(monitors, split(options), kind)
    for name in ("w0", "w1", "w2"):
        monitors.attach("m", name)
    for count, name in enumerate(("w0", "w1", "w2"), 3):
        send(name, count)

    expect(cube, w0=3, w1=4, w2=5)
    assert {"w0": 3, "w1": 4, "w2": 5} == counts(cube)
    send("w1", 2)
    empties = "empty-on-read" in OPTIONS[options]
    assert ({"w0": 0, "w1": 2, "w2": 0} if empties else {"w0": 3, "w1": 6, "w2": 5}) == counts(cube)

"""Monitors for tests about places: what each saw, in both directions, whatever its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.models import AttachRequest, CubeConfig, CubeType, DataplaneConfig, DetachRequest, Direction
from tests.support import eventually

CODE = """
BPF_ARRAY(PACKETS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int key = 0;
	u64 *count = PACKETS.lookup(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return %s;
}
"""
METRIC = {"name": "packets", "map-name": "PACKETS"}


def document(paths: Mapping[str, Mapping[str, Any]]) -> DataplaneConfig:
    """Paths by their direction, as in JSON."""
    return DataplaneConfig.model_validate({f"{way}-path": path for way, path in paths.items()}, by_alias=True)


@dataclass(frozen=True)
class Monitors:
    """Makes monitors that count every packet, and knows what they counted."""

    registry: CubeRegistry

    def make(
        self,
        name: str,
        verdict: str = "RX_OK",
        kind: CubeType = CubeType.TC,
        directions: Sequence[str] = tuple(Direction),
        *,
        swaps: bool = False,
    ) -> DynmonCube:
        """A monitor that is attached to nothing."""
        metric = METRIC | ({"extraction-options": {"swap-on-read": True}} if swaps else {})
        path = {"name": name, "code": CODE % verdict, "metric-configs": [metric]}
        config = CubeConfig(type=kind, dataplane_config=document(dict.fromkeys(directions, path)))
        return self.registry.create(name, config)

    def attach(self, name: str, port: str, **how: Any) -> None:
        self.registry.attach(AttachRequest(cube=name, port=port, **how))

    def detach(self, name: str, port: str) -> None:
        self.registry.detach(DetachRequest(cube=name, port=port))

    def on(self, port: str, *names: str, **how: Any) -> None:
        """Monitors on a port, in this order."""
        for name in names:
            self.make(name, **how)
            self.attach(name, port)

    def counts(self, *names: str) -> list[list[int]]:
        """Received and sent packets of each."""
        cubes = [self.registry.get(name) for name in names]
        return [
            [
                cube.read_metric(way, "packets", drain=False).value[0] if cube.metric_names(way) else 0
                for way in Direction
            ]
            for cube in cubes
        ]

    def expect(self, **counts: list[int]) -> None:
        """Wait for these counts; a packet more that is under way would show in the next ones."""
        eventually(lambda: dict(zip(counts, self.counts(*counts), strict=True)), counts)

    def states(self, name: str) -> list[tuple[str, str]]:
        """The ports of a monitor, and the state of each."""
        return [(each.port, each.state) for each in self.registry.get(name).attachments.status()]

    def clear(self) -> None:
        for cube in self.registry.all_cubes():
            self.registry.delete(cube.name)

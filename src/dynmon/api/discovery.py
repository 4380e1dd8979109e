"""HTTP service discovery: a target for the daemon itself and one for each of its cubes, as Prometheus asks for them.

All are at the address under which this daemon was asked, at paths of their own. Series have the same labels as in a
scrape of everything: those of a cube carry its name themselves. Its target has it too, as the label by which Prometheus
tells the ``up`` of one from that of another.
"""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.operations import Operations
from dynmon.api.responses import JsonResponse
from dynmon.cubes import CubeRegistry, DynmonCube


class TargetGroup(BaseModel):
    """Targets with the labels that they share."""

    targets: list[str]
    labels: dict[str, str]


def add_discovery(operations: Operations, registry: CubeRegistry) -> None:
    """Serve the list of targets."""

    def discover(request: Request) -> Response:
        labels = [{"__metrics_path__": "/metrics/daemon"}, *map(_labels, registry.cubes())]
        return JsonResponse([{"targets": [request.url.netloc], "labels": each} for each in labels])

    summary = "What Prometheus can scrape here, for its http_sd_configs"
    operations.add("GET", "/sd", discover, summary, tag="metrics", answer=list[TargetGroup])


def _labels(cube: DynmonCube) -> dict[str, str]:
    return {
        "__metrics_path__": f"/metrics/cubes/{cube.name}",
        "__meta_dynmon_type": cube.type.value,
        "__meta_dynmon_parent": cube.parent,
        "cube": cube.name,
    }

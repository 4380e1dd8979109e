"""The routes of `/dynmon`: reads and help out of the tree of resources, writes out of their table."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dynmon.api import help as helps
from dynmon.api.bodies import read_json
from dynmon.api.changes import Changes
from dynmon.api.dry_run_schemas import DryRun, DryRunForm, DryRunReport
from dynmon.api.dry_runs import asks_for_dry_run, dry_run, read_dry_run
from dynmon.api.exposition import exposition_format, exposition_response
from dynmon.api.operations import Endpoint, Operations
from dynmon.api.paths import DRY_RUN, may_drain
from dynmon.api.resources import CUBE, SERVICE, cube_trails, summary
from dynmon.api.responses import BASE, JsonResponse
from dynmon.api.schemas import CubeChange, CubeSummary, KeptMaps
from dynmon.api.service_routes import ServiceRoutes
from dynmon.api.tree import Trail
from dynmon.api.writes import Write, Writer, writes
from dynmon.cubes import CubeRegistry
from dynmon.models import CubeConfig
from dynmon.settings import RequestLimits

COLLECTION = f"{BASE}/{SERVICE}"
OPEN_METRICS = "open-metrics"


def add_cube_routes(
    operations: Operations, registry: CubeRegistry, changes: Changes, trials: Changes, writer: Writer
) -> None:
    """Serve every resource of dynmon cubes; `trials` takes the place of `changes` in dry runs.

    Routes are tried in the order they were added, a few microseconds each: what is read often comes first.
    """
    _add_open_metrics(operations, registry)
    service = ServiceRoutes(operations, SERVICE, registry.get)
    trails = sorted(cube_trails().values(), key=lambda trail: not _is_metric(trail))
    for trail in trails:
        if trail.template != OPEN_METRICS:
            service.add_read(trail, tag="metrics" if _is_metric(trail) else "cubes")
    _add_collection(operations, registry, changes, trials, writer)
    for write, trial in zip(writes(changes), writes(trials), strict=True):
        operations.add(
            write.method,
            _path(write.template),
            _write(write, trial, writer),
            write.summary,
            tag="cubes",
            status=write.status,
            other_statuses=write.also,
            answer=dict[str, KeptMaps] if write.has_dry_run else None,
            body=write.body,
            has_dry_run=write.has_dry_run,
        )
    for trail in trails:
        service.add_help(trail)


def _is_metric(trail: Trail) -> bool:
    return trail.template.partition("/")[0] == "metrics"


def _path(template: str) -> str:
    return f"{COLLECTION}/{{name}}/{template}".rstrip("/")


def _write(write: Write, trial: Write, writer: Writer) -> Endpoint:
    async def change(request: Request) -> Response:
        name = request.path_params["name"]
        chosen = trial if asks_for_dry_run(request) else write
        if write.method == "DELETE":
            return await writer.run(chosen.apply, name)
        return await writer.run(chosen.apply, name, await read_json(request))

    return change


def _add_open_metrics(operations: Operations, registry: CubeRegistry) -> None:
    def get(request: Request) -> Response:
        cube = registry.get(request.path_params["name"])
        form = exposition_format(request.headers.get("accept", ""))
        return exposition_response(request, cube.open_metrics(form, drain=may_drain(request.scope)), form)

    operations.add(
        "GET",
        _path(OPEN_METRICS),
        get,
        "Read all metrics as OpenMetrics text",
        tag="metrics",
        answer=str,
        media_type="application/openmetrics-text",
    )


def add_dry_run(operations: Operations, registry: CubeRegistry, writer: Writer, limits: RequestLimits) -> None:
    """Serve the dry run of a cube: code on the packets of a capture."""

    async def post(request: Request) -> Response:
        given, capture = await read_dry_run(request, limits)
        return await writer.run(dry_run, registry, request.path_params["name"], given, capture)

    operations.add(
        "POST",
        _path(DRY_RUN),
        post,
        "Try code as the cube would run it, on the packets of a capture",
        tag="cubes",
        body=DryRun,
        form=DryRunForm,
        answer=DryRunReport,
    )


def _add_collection(
    operations: Operations, registry: CubeRegistry, changes: Changes, trials: Changes, writer: Writer
) -> None:
    def chosen(request: Request) -> Changes:
        return trials if asks_for_dry_run(request) else changes

    def get(request: Request) -> Response:
        return JsonResponse([summary(cube) for cube in registry.cubes()])

    async def post(request: Request) -> Response:
        return await writer.run(chosen(request).create_named, await read_json(request))

    async def patch(request: Request) -> Response:
        return await writer.run(chosen(request).patch_named, await read_json(request))

    def options(request: Request) -> Response:
        names = [cube.name for cube in registry.cubes()]
        return JsonResponse(helps.about_list(CUBE.key, names, helps.help_request(request), CUBE))

    operations.add("GET", COLLECTION, get, "All dynmon cubes", tag="cubes", answer=list[CubeSummary])
    operations.add(
        "POST",
        COLLECTION,
        post,
        "Create the cube named in the body",
        tag="cubes",
        status=201,
        body=CubeConfig,
        has_dry_run=True,
    )
    operations.add(
        "PATCH",
        COLLECTION,
        patch,
        "Change the cube named in the body",
        tag="cubes",
        body=CubeChange,
        has_dry_run=True,
    )
    operations.add_help(COLLECTION, options)

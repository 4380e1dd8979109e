"""Put the REST application together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from dynmon.api import problems
from dynmon.api.bridge_changes import BridgeChanges
from dynmon.api.bridge_routes import add_bridge_routes
from dynmon.api.changes import Changes
from dynmon.api.cube_routes import add_cube_routes, add_dry_run
from dynmon.api.daemon_routes import DaemonRoutes
from dynmon.api.discovery import add_discovery
from dynmon.api.effects import Live, Tried
from dynmon.api.events import Listeners, add_events
from dynmon.api.exposition import daemon_exposition
from dynmon.api.limits import BodyLimitMiddleware
from dynmon.api.metrics import Telemetry, TelemetryMiddleware
from dynmon.api.operations import Operations
from dynmon.api.pages import add_pages
from dynmon.api.paths import PathMiddleware
from dynmon.api.responses import JsonResponse
from dynmon.api.schemas import Healthy
from dynmon.api.scrapes import Scrapes
from dynmon.api.writes import Writer
from dynmon.cubes import CubeRegistry
from dynmon.errors import NotFoundError
from dynmon.metrics import ExpositionFormat
from dynmon.models.cube import RESERVED_CUBE_NAMES
from dynmon.settings import Settings

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(registry: CubeRegistry, settings: Settings, lifespan: Lifespan | None = None) -> Starlette:
    """The whole REST API over `registry`, whose owner keeps owning it."""
    app = Starlette(lifespan=lifespan)
    app.router.redirect_slashes = False  # PathMiddleware knows better
    telemetry = Telemetry(registry)
    operations = Operations(app)
    bridges = BridgeChanges(registry)
    changes = Changes(registry, Live(registry, telemetry), bridges)
    trials = Changes(registry, Tried(registry), bridges)
    writer = Writer()
    app.state.listeners = listeners = Listeners()
    app.state.exposition = lambda: daemon_exposition(registry, telemetry, ExpositionFormat.OPENMETRICS)
    _add_health(operations)
    Scrapes(operations, registry, telemetry).add()
    add_discovery(operations, registry)
    add_events(operations, registry, listeners)
    add_cube_routes(operations, registry, changes, trials, writer)
    add_dry_run(operations, registry, writer, settings.request_limits)
    add_bridge_routes(operations, registry, bridges, writer)
    DaemonRoutes(operations, registry, changes, writer).add()
    add_pages(operations)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(PathMiddleware, service_of=_service_of(registry))
    app.add_middleware(BodyLimitMiddleware, limits=settings.request_limits)
    app.add_middleware(TelemetryMiddleware, telemetry=telemetry)
    return app


def _add_health(operations: Operations) -> None:
    async def healthy(request: Request) -> Response:
        return JsonResponse({"status": "ok"})

    operations.add("GET", "/healthz", healthy, "Whether the daemon answers", tag="daemon", answer=Healthy)


def _service_of(registry: CubeRegistry) -> Callable[[str], str | None]:
    def service_of(word: str) -> str | None:
        if word in RESERVED_CUBE_NAMES:
            return None
        try:
            return registry.find(word).service_name
        except NotFoundError:
            return None

    return service_of

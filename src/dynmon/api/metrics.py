"""What the daemon counts about itself and the requests it answers."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dynmon import __version__
from dynmon.api.cube_metrics import CubeCollector
from dynmon.api.paths import ROUTED
from dynmon.api.problems import METHODS
from dynmon.cubes import CubeRegistry
from dynmon.errors import InjectionError

DURATION_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10)
UNROUTED = "none"


class Telemetry:
    """What the daemon counts about itself; each daemon has its own registry."""

    def __init__(self, registry: CubeRegistry) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Info("dynmon_build", "Version of the daemon", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self.registry.register(CubeCollector(registry))
        self.requests = Counter(
            "dynmon_http_requests",
            "HTTP requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.durations = Histogram(
            "dynmon_http_request_duration_seconds",
            "Time from the head of a request to the end of its answer",
            ["method", "route"],
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge("dynmon_http_requests_in_flight", "HTTP requests being answered", registry=self.registry)
        self.injections = Counter(
            "dynmon_injections",
            "Dataplane configurations taken or refused, by the stage that refused them",
            ["result"],
            registry=self.registry,
        )

    @contextmanager
    def injection(self) -> Iterator[None]:
        """Count what happens within as one injection."""
        try:
            yield
        except InjectionError as error:
            self.injections.labels(error.stage).inc()
            raise
        self.injections.labels("ok").inc()


class TelemetryMiddleware:
    """Count and time every request, by the route it took; the path itself would make a series per cube."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app = app
        self.telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self.telemetry.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, note_status)
            finally:
                self._count(scope, status, time.perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get(ROUTED, scope).get("route"), "path", UNROUTED)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.telemetry.requests.labels(method, route, str(status)).inc()
        self.telemetry.durations.labels(method, route).observe(seconds)

"""The routes for scrapers: everything at once, the daemon alone, or one cube."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.exposition import (
    cube_exposition,
    daemon_exposition,
    exposition_format,
    exposition_response,
    own_exposition,
)
from dynmon.api.metrics import Telemetry
from dynmon.api.operations import Operations
from dynmon.api.queries import DIGITS, InvalidQuery, single
from dynmon.api.responses import BASE
from dynmon.cubes import CubeRegistry
from dynmon.cubes.timing import MAX_SECONDS
from dynmon.metrics import ExpositionFormat

FORMAT, TIMING = "format", "bpf-stats"
FORMATS = {"openmetrics": ExpositionFormat.OPENMETRICS, "text": ExpositionFormat.TEXT}
QUERY: list[dict[str, Any]] = [
    {
        "name": FORMAT,
        "in": "query",
        "description": "the format of the text, whatever Accept says",
        "schema": {"type": "string", "enum": list(FORMATS)},
    },
    {
        "name": TIMING,
        "in": "query",
        "description": "let the kernel count and time the runs of programs for so many seconds from now",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_SECONDS},
    },
]
Text = Callable[[Request, ExpositionFormat], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Scrapes:
    """Handlers that need the registry."""

    operations: Operations
    registry: CubeRegistry
    telemetry: Telemetry

    def add(self) -> None:
        """Serve all of them."""
        for root in ("", BASE):
            self._get(f"{root}/metrics", self._everything, "Metrics of every cube and of the daemon")
            self._get(f"{root}/metrics/daemon", self._daemon, "Metrics of the daemon alone")
            self._get(f"{root}/metrics/cubes/{{name}}", self._cube, "Metrics of one cube, as they are among all")

    def _get(self, path: str, text: Text, summary: str) -> None:
        def scrape(request: Request) -> Response:
            form = _format(request)
            if seconds := _seconds(request.query_params):
                self.registry.timing.extend(seconds)
            return exposition_response(request, text(request, form), form)

        self.operations.add(
            "GET",
            path,
            scrape,
            summary,
            tag="metrics",
            answer=str,
            media_type="application/openmetrics-text",
            query=QUERY,
        )

    def _everything(self, request: Request, form: ExpositionFormat) -> Iterable[bytes]:
        return daemon_exposition(self.registry, self.telemetry, form)

    def _daemon(self, request: Request, form: ExpositionFormat) -> Iterable[bytes]:
        return own_exposition(self.telemetry, form)

    def _cube(self, request: Request, form: ExpositionFormat) -> Iterable[bytes]:
        return cube_exposition(self.registry.get(request.path_params["name"]), form)


def _format(request: Request) -> ExpositionFormat:
    """What the query asks for, or else what the client accepts.

    Raises:
        InvalidQuery: There is no such format.
    """
    name = single(request.query_params, FORMAT)
    if name is None:
        return exposition_format(request.headers.get("accept", ""))
    if name not in FORMATS:
        raise InvalidQuery(FORMAT, f"must be {' or '.join(FORMATS)}, not {name!r}")
    return FORMATS[name]


def _seconds(query: QueryParams) -> int | None:
    text = single(query, TIMING)
    if text is None:
        return None
    if not (DIGITS.fullmatch(text) and 1 <= int(text) <= MAX_SECONDS):
        raise InvalidQuery(TIMING, f"must be a number of seconds, 1 to {MAX_SECONDS}, not {text!r}")
    return int(text)

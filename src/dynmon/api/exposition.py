"""Which exposition format a scraper gets, and the text of the whole daemon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.metrics import Telemetry
from dynmon.api.negotiation import qualities
from dynmon.api.streams import body_response
from dynmon.cubes import CubeRegistry
from dynmon.metrics import ExpositionFormat, Family, expose, family_from_prometheus


def exposition_format(accept: str) -> ExpositionFormat:
    """OpenMetrics, unless `accept` prefers the older text."""
    wanted = qualities(accept)
    openmetrics = _quality(wanted, ExpositionFormat.OPENMETRICS)
    text = _quality(wanted, ExpositionFormat.TEXT)
    return ExpositionFormat.TEXT if text > openmetrics else ExpositionFormat.OPENMETRICS


def exposition_response(request: Request, pieces: Iterable[bytes], form: ExpositionFormat) -> Response:
    """The text with its content type."""
    return body_response(request, pieces, {"content-type": form.content_type, "vary": "Accept"})


def daemon_exposition(registry: CubeRegistry, telemetry: Telemetry, form: ExpositionFormat) -> Iterator[bytes]:
    """Every cube's families and the daemon's own; nothing is drained."""
    own = [family_from_prometheus(metric) for metric in telemetry.registry.collect()]
    return expose(_of_cubes(registry), form, own)


def _of_cubes(registry: CubeRegistry) -> Iterator[Family]:
    for cube in registry.cubes():
        yield from cube.families()


def _quality(wanted: dict[str, float], media_type: str) -> float:
    """The quality of a type: its own or that of the wildcard that covers it; without a header all are welcome."""
    if not wanted:
        return 1.0
    for pattern in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if pattern in wanted:
            return wanted[pattern]
    return 0.0

"""Which exposition format a scraper gets, and the text of the whole daemon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.responses import Response

from dynmon.api.metrics import Telemetry
from dynmon.cubes import CubeRegistry
from dynmon.metrics import ExpositionFormat, Family, expose, family_from_prometheus


def exposition_format(accept: str) -> ExpositionFormat:
    """OpenMetrics, unless `accept` prefers the older text."""
    qualities = dict(_accepted(accept))
    openmetrics = _quality(qualities, ExpositionFormat.OPENMETRICS)
    text = _quality(qualities, ExpositionFormat.TEXT)
    return ExpositionFormat.TEXT if text > openmetrics else ExpositionFormat.OPENMETRICS


def exposition_response(pieces: Iterable[bytes], form: ExpositionFormat) -> Response:
    """The text with its content type."""
    return Response(b"".join(pieces), headers={"content-type": form.content_type, "vary": "Accept"})


def daemon_exposition(registry: CubeRegistry, telemetry: Telemetry, form: ExpositionFormat) -> Iterator[bytes]:
    """Every cube's families and the daemon's own; nothing is drained."""
    own = [family_from_prometheus(metric) for metric in telemetry.registry.collect()]
    return expose(_of_cubes(registry), form, own)


def _of_cubes(registry: CubeRegistry) -> Iterator[Family]:
    for cube in registry.cubes():
        yield from cube.families()


def _accepted(accept: str) -> Iterator[tuple[str, float]]:
    """The media types of an Accept header with their qualities (RFC 9110, section 12.5.1)."""
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if media_type:
            yield media_type, quality


def _quality(qualities: dict[str, float], wanted: str) -> float:
    """The quality of `wanted`: its own or that of the wildcard that covers it; without a header all are welcome."""
    if not qualities:
        return 1.0
    for pattern in (wanted, wanted.partition("/")[0] + "/*", "*/*"):
        if pattern in qualities:
            return qualities[pattern]
    return 0.0

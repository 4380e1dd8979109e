"""Which exposition format a scraper gets, and the text of the whole daemon."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.metrics import Telemetry
from dynmon.api.negotiation import qualities
from dynmon.api.streams import body_response
from dynmon.cubes import CubeRegistry, DynmonCube
from dynmon.errors import DynmonError
from dynmon.metrics import ExpositionFormat, Family, expose, family_from_prometheus

_log = logging.getLogger(__name__)


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
    of_cubes = list(_of_cubes(registry))  # before the daemon says how that went
    return expose(of_cubes, form, _own(telemetry))


def own_exposition(telemetry: Telemetry, form: ExpositionFormat) -> Iterator[bytes]:
    """The daemon's own families alone."""
    return expose((), form, _own(telemetry))


def cube_exposition(cube: DynmonCube, form: ExpositionFormat) -> Iterator[bytes]:
    """What `cube` has in the exposition of the daemon, with the same labels.

    Raises:
        DynmonError: It cannot be read at one moment; nothing is lost.
    """
    return expose(cube.families(), form)


def _own(telemetry: Telemetry) -> list[Family]:
    return [family_from_prometheus(metric) for metric in telemetry.registry.collect()]


def _of_cubes(registry: CubeRegistry) -> Iterator[Family]:
    for cube in registry.cubes():
        try:
            yield from cube.families()
        except DynmonError as error:  # the other cubes are worth having; `dynmon_cube_failed_scrapes` counts it
            _log.warning("cube %r cannot be scraped: %s", cube.name, error)


def _quality(wanted: dict[str, float], media_type: str) -> float:
    """The quality of a type: its own or that of the wildcard that covers it; without a header all are welcome."""
    if not wanted:
        return 1.0
    for pattern in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if pattern in wanted:
            return wanted[pattern]
    return 0.0

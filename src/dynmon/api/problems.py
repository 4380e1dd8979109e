"""Every failure becomes one JSON problem (RFC 9457) with a human sentence in `detail`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from dynmon.api.responses import BASE, JsonResponse
from dynmon.errors import (
    ConflictError,
    DynmonError,
    GoneError,
    InjectionError,
    InvalidInputError,
    KernelError,
    NotFoundError,
    UnsupportedError,
)
from dynmon.metrics.extraction import TooMuchToRead
from dynmon.models.cube import RESERVED_CUBE_NAMES

STATUSES: tuple[tuple[type[DynmonError], HTTPStatus], ...] = (
    (TooMuchToRead, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidInputError, HTTPStatus.BAD_REQUEST),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (GoneError, HTTPStatus.GONE),
    (GoneError, HTTPStatus.GONE),
    (ConflictError, HTTPStatus.CONFLICT),
    (InjectionError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnsupportedError, HTTPStatus.NOT_IMPLEMENTED),
    (KernelError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
RESERVED_MEMBERS = frozenset({"type", "title", "status", "detail"})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_log = logging.getLogger(__name__)


class ProblemResponse(JsonResponse):
    """A JSON problem."""

    media_type = "application/problem+json"


def status_of(error: DynmonError) -> HTTPStatus:
    """The HTTP status that the kind of the error calls for."""
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(
    status: int,
    detail: str,
    fields: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """The response for a failure; a field that is called like a standard member is left out."""
    extra = {key: value for key, value in (fields or {}).items() if key not in RESERVED_MEMBERS}
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        **extra,
    }
    return ProblemResponse(body, status_code=int(status), headers=dict(headers or {}))


def allowed_methods(app: Starlette, request: Request) -> list[str]:
    """What any of the routes at the request's path takes."""
    allowed: set[str] = set()
    for route in app.router.routes:
        if _matches(route, request):
            allowed |= getattr(route, "methods", None) or set()
    if "GET" in allowed:
        allowed.add("HEAD")
    return [method for method in METHODS if method in allowed]


def _matches(route: BaseRoute, request: Request) -> bool:
    return route.matches(request.scope)[0] is not Match.NONE


def _for_dynmon_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DynmonError)
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s %s: %s", request.method, request.url.path, error)
    return problem(status, str(error), error.fields())


def _for_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(404, _nothing_at(request.scope["path"]))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = allowed_methods(request.app, request)
        return problem(
            405,
            f"{request.method} is not possible on {request.scope['path']!r}, only {', '.join(allowed)}",
            {"allowed": allowed},
            {"Allow": ", ".join(allowed)},
        )
    return problem(error.status_code, str(error.detail), headers=error.headers)


def _nothing_at(path: str) -> str:
    # A first word that is none of the API's is the short form of a cube, so that is what the client looked for.
    word = path.removeprefix(f"{BASE}/").partition("/")[0]
    is_cube_word = path.startswith(f"{BASE}/") and word not in RESERVED_CUBE_NAMES
    return f"there is no cube {word!r}" if is_cube_word else f"there is no resource at {path!r}"


def _for_anything_else(request: Request, error: Exception) -> Response:
    # The server logs the traceback itself; it does not know which request it was.
    _log.error("%s %s failed unexpectedly: %r", request.method, request.url.path, error)
    return problem(500, "the daemon failed unexpectedly; its log says where")


def install(app: Starlette) -> None:
    """Make the application answer every failure with a problem."""
    app.add_exception_handler(DynmonError, _for_dynmon_error)
    app.add_exception_handler(HTTPException, _for_http_exception)
    app.add_exception_handler(Exception, _for_anything_else)

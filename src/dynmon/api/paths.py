"""Before routing: tidy paths, HEAD as GET, and the shortcut from /NAME/… to /dynmon/NAME/…."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dynmon.api.responses import BASE, SEGMENT_SAFE

# Set in the scope of a request whose answer has no body: it must not empty what it reads.
HEAD_FLAG = "dynmon.head"
# Where the server's scope refers to the one that was routed.
ROUTED = "dynmon.routed"
# What stands at the end of the path of a request that may carry a capture.
DRY_RUN = "dry-run"
BASE_SEGMENTS = tuple(BASE.strip("/").split("/"))


def segments_of(raw_path: bytes) -> list[str]:
    """The decoded segments of a path, repeated and trailing slashes dropped.

    A ``%2F`` is part of a name and does not separate: it stays as it is written, and no resource has such a name.
    """
    segments = [segment for segment in raw_path.split(b"/") if segment]
    decoded = [unquote_to_bytes(segment).decode("utf-8", "replace") for segment in segments]
    return [segment.replace("/", "%2F") for segment in decoded]


class PathMiddleware:
    """Give the application the one spelling of each path that its routes have.

    ``service_of`` names the service of a running cube, None for a word that is no cube.
    """

    def __init__(self, app: ASGIApp, service_of: Callable[[str], str | None]) -> None:
        self.app = app
        self.service_of = service_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        segments = segments_of(scope.get("raw_path") or quote(scope["path"]).encode())
        service = self._service(segments)
        if service is not None:
            await _redirect(scope, service, segments)(scope, receive, send)
            return
        # A copy, because the server writes its log and frames its answer by the request as it came.
        routed = {**scope, "path": "/" + "/".join(segments)}
        scope[ROUTED] = routed
        if scope["method"] == "HEAD":
            routed.update({"method": "GET", HEAD_FLAG: True})
            send = _without_body(send)
        await self.app(routed, receive, send)

    def _service(self, segments: list[str]) -> str | None:
        if len(segments) <= len(BASE_SEGMENTS) or tuple(segments[: len(BASE_SEGMENTS)]) != BASE_SEGMENTS:
            return None
        return self.service_of(segments[len(BASE_SEGMENTS)])


def _redirect(scope: Scope, service: str, segments: list[str]) -> Response:
    below = "/".join(quote(segment, safe=SEGMENT_SAFE) for segment in segments[len(BASE_SEGMENTS) :])
    location = f"{BASE}/{service}/{below}"
    if scope["path"].endswith("/"):
        location += "/"
    if scope["query_string"]:
        location += "?" + scope["query_string"].decode("latin-1")
    # 308, not 301: the client must keep the method and the body.
    return Response(status_code=308, headers={"location": location})


def _without_body(send: Send) -> Send:
    async def send_headers(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_headers


def may_drain(scope: MutableMapping[str, Any]) -> bool:
    """Whether whoever asks also gets the answer: HEAD does not."""
    return HEAD_FLAG not in scope

"""Bodies have a size and a time: too big is 413, too slow is 408, both as problems."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dynmon.api.paths import DRY_RUN, segments_of
from dynmon.api.problems import ProblemResponse, problem
from dynmon.settings import RequestLimits

# A client that is still sending does not read its answer, and closing on it resets the connection before it can.
# So a body that is too big is read to its end and thrown away, if that end is this near.
DISCARDED_BODIES = 4
CAPTURES_AT_A_TIME = 2
CLOSE = {"Connection": "close"}


class _Refused(Exception):
    """The body is not accepted; carries the answer."""

    def __init__(self, response: ProblemResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Disconnected(Exception):
    """The client went away while sending."""


class BodyLimitMiddleware:
    """Receive the whole body before the application starts, within its limits.

    Bodies are small here and each is parsed as a whole, so nothing is lost by waiting; and no handler has to know.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits) -> None:
        self.app = app
        self.limits = limits
        self._captures = asyncio.Semaphore(CAPTURES_AT_A_TIME)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        if _may_carry_capture(scope):
            # Until its answer is sent: the capture is in memory for as long.
            async with self._captures:
                await self._run(scope, receive, send, self.limits.capture_body_bytes)
        else:
            await self._run(scope, receive, send, self.limits.body_bytes)

    async def _run(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        try:
            body = await self._body(Headers(scope=scope), receive, limit)
        except _Refused as refused:
            await refused.response(scope, receive, send)
        except _Disconnected:
            return
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _body(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        length = int(headers.get("content-length", "0"))
        if length > limit and "expect" in headers:
            # It asked before sending: the answer is no, and nothing has to be thrown away.
            raise _Refused(_too_big(limit))
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                return await _collect(receive, limit)
        except TimeoutError:
            seconds = self.limits.body_seconds
            raise _Refused(problem(408, f"the body did not arrive within {seconds:g} seconds", headers=CLOSE)) from None


async def _collect(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= limit * DISCARDED_BODIES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        more = message.get("more_body", False)
        if size > limit:
            chunks.clear()
        else:
            chunks.append(chunk)
    if size > limit:
        raise _Refused(_too_big(limit))
    return b"".join(chunks)


def _too_big(limit: int) -> ProblemResponse:
    return problem(413, f"the body is larger than {limit} bytes", {"limit-bytes": limit}, headers=CLOSE)


def _may_carry_capture(scope: Scope) -> bool:
    return scope["method"] == "POST" and segments_of(scope.get("raw_path") or scope["path"].encode())[-1:] == [DRY_RUN]


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once, then whatever comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay

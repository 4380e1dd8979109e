"""The HTTP server around the application: uvicorn, with limits on connections and on the time of a request's head."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from dynmon.api.limits import CLOSE
from dynmon.api.problems import problem
from dynmon.settings import Settings

KEEP_ALIVE_SECONDS = 30
GRACEFUL_SHUTDOWN_SECONDS = 5
# Each connection may hold one body in memory while it comes in.
MAX_CONNECTIONS = 512


class HeadTimeoutProtocol(H11Protocol):
    """HTTP/1.1 that drops a connection whose request line and headers do not come in time.

    uvicorn limits how long a connection may stay idle between requests, but not how slowly one may begin: a
    client that sends a byte a second would hold its connection for ever. The clock runs from the connection, or
    from the first byte of a further request, until the head is complete.
    """

    head_seconds: float = 10.0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request; a connection too many gets an answer, but no more than that."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.app = _busy
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Follow the state of the connection: the clock runs while a head is incomplete."""
        super().handle_events()
        # IDLE also between two requests, when nothing of the next has come: then the keep-alive clock runs.
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._start_timer()
        else:
            self._stop_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, as a problem like any other; an answer that has begun is left as it is."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_answer(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP"))
        self.transport.close()

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._head_timed_out)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            detail = f"the head of the request did not arrive within {self.head_seconds:g} seconds"
            self.transport.write(_answer(HTTPStatus.REQUEST_TIMEOUT, detail))
        self.transport.close()


class DateMiddleware:
    """Say when an answer was made (RFC 9110, section 6.6.1).

    uvicorn can, but takes the time from a clock that it wakes up for, requests or not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", formatdate(usegmt=True).encode())
                message = {**message, "headers": [date, *message.get("headers", ())]}
            await send(message)

        await self.app(scope, receive, send_dated)


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request of a connection too many."""
    detail = f"the daemon has {MAX_CONNECTIONS} connections already; try again later"
    await problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=CLOSE)(scope, receive, send)


def _answer(status: HTTPStatus, detail: str) -> bytes:
    """A problem where there is no request that the application could answer."""
    response = problem(status, detail, headers=CLOSE)
    head = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
    return f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() + head + b"\r\n" + bytes(response.body)


def server_config(app: Starlette, settings: Settings, **options: Any) -> uvicorn.Config:
    """What uvicorn needs to serve `app` as `settings` say; `options` go to uvicorn as they are."""
    protocol = type(
        "LimitedHeadTimeoutProtocol",
        (HeadTimeoutProtocol,),
        {"head_seconds": settings.request_limits.header_seconds},
    )
    defaults: dict[str, Any] = {
        "host": settings.address,
        "port": settings.port,
        "http": protocol,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": False,  # see DateMiddleware
        "proxy_headers": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_SECONDS,
    }
    return uvicorn.Config(DateMiddleware(app), **{**defaults, **options})

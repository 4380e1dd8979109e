"""A real server on a socket of its own, around as much of the application as needs no kernel."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.limits import BodyLimitMiddleware
from dynmon.api.server import server_config
from dynmon.settings import RequestLimits, Settings
from tests.support import wait_until

LIMITS = RequestLimits(body_bytes=1000, header_seconds=0.4, body_seconds=0.4)
Serve = Callable[[Starlette], "Path"]


def echo_app() -> Starlette:
    """Gives back what it gets, within LIMITS."""
    app = Starlette()

    async def echo(request: Request) -> Response:
        return Response(await request.body())

    app.router.add_route("/", echo, methods=["GET", "PUT"])
    app.add_middleware(BodyLimitMiddleware, limits=LIMITS)
    return app


@contextmanager
def serving(app: Starlette, place: Path) -> Iterator[Path]:
    """Serve `app` on the Unix socket `place`."""
    server = uvicorn.Server(server_config(app, Settings(request_limits=LIMITS), uds=str(place), host=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server to listen")
        yield place
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Path]:
    """The socket of a server that echoes."""
    with serving(echo_app(), tmp_path / "api.sock") as place:
        yield place


@pytest.fixture
def dial(echo: Path) -> Iterator[Callable[[], socket.socket]]:
    """Makes connections to the echo server."""
    made: list[socket.socket] = []

    def connect() -> socket.socket:
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].settimeout(10)
        made[-1].connect(str(echo))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()

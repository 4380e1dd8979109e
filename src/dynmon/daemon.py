"""dynmond: put the parts together, run them, take them apart."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from dynmon import __version__
from dynmon.api import create_app, server_config
from dynmon.arguments import LOG_LEVELS, parse_arguments
from dynmon.bpf import Loader
from dynmon.bpf.capabilities import check_capabilities
from dynmon.bpf.pins import remove_leftovers
from dynmon.compiler import Compiler
from dynmon.cubes import CubeRegistry
from dynmon.dataplane import Foundry, ProgramLog, PublicMaps
from dynmon.errors import DynmonError
from dynmon.otlp import Pusher, require_sdk
from dynmon.rendering import ENGINE
from dynmon.settings import Settings

LOG_LINE = "[%(asctime)s.%(msecs)03d] [%(name)s] [%(levelname)s] %(message)s"
EXIT_FAILED = 1

_log = logging.getLogger("dynmond")


class AlreadyRunning(DynmonError):
    """Another daemon uses the same state directory."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(f"another dynmond uses {state_dir}; give this one a directory of its own with --state-dir")
        self.state_dir = state_dir


class CannotStart(DynmonError):
    """The daemon lacks something it cannot do without."""


class Server(uvicorn.Server):
    """uvicorn that says in one line when and where it listens, and sleeps when there is nothing to do.

    uvicorn wakes up ten times a second to see whether it should exit and what time it is; here a signal wakes it.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        """`end_streams` ends the answers that would go on for ever: the server waits for all answers."""
        super().__init__(config)
        self._end_streams = end_streams
        self._exit_wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then say so."""
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for listening in server.sockets:
                address, port = listening.getsockname()[:2]
                host = f"[{address}]" if ":" in address else address
                print(f"dynmond {__version__} listens on http://{host}:{port}/polycube/v1/", flush=True)

    async def main_loop(self) -> None:
        """Wait for the end."""
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._exit_wanted.wait()

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Let answers under way end, then close."""
        self._end_streams()
        await super().shutdown(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks for the end; the second one does not wait for requests under way."""
        super().handle_exit(sig, frame)
        if self._loop:
            self._loop.call_soon_threadsafe(self._exit_wanted.set)


@contextmanager
def only_user_of(state_dir: Path) -> Iterator[None]:
    """Hold the state directory: two daemons in one would mix up their files.

    Raises:
        AlreadyRunning: Somebody else holds it.
        CannotStart: It cannot be made.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(state_dir / "dynmond.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot use the state directory {state_dir}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AlreadyRunning(state_dir) from error
    else:
        yield
    finally:
        os.close(lock)


def listen(address: str, port: int) -> socket.socket:
    """A socket bound to `address`, IPv4 or IPv6, before anything slow is started.

    Raises:
        CannotStart: The address is not ours, or the port is in use.
    """
    try:
        family, _, _, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(target, family=family)
    except OSError as error:
        raise CannotStart(f"cannot listen on {address} port {port}: {error.strerror}") from error
    # Connections inherit it. asyncio would set it, but not on sockets made with protocol 0 as this one is.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def raise_descriptor_limit() -> None:
    """Each map, program, link and connection is a descriptor; the usual 1024 are few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit status."""
    raise_descriptor_limit()
    if settings.otlp:
        require_sdk()
    with ExitStack() as parts:
        parts.enter_context(only_user_of(settings.state_dir))
        listening = parts.enter_context(listen(settings.address, settings.port))
        loader = parts.enter_context(Loader())
        compiler = Compiler(settings.cache_dir, settings.compile_limits, settings.clang)
        parts.callback(compiler.close)
        parts.enter_context(ENGINE.built_by(compiler.shared_object))
        log = parts.enter_context(ProgramLog())
        foundry = Foundry(compiler, loader, log, PublicMaps(), settings.map_limits, settings.pin_roots)
        remove_leftovers(settings.pins_dir)
        cubes = CubeRegistry(foundry, log, settings.pins_dir, settings.read_limits, passive=settings.passive)
        registry = parts.enter_context(cubes)
        # What is there by now stays. A full collection would go through it for 30 ms or more, and answer nobody.
        gc.freeze()
        app = create_app(registry, settings)
        if to := settings.otlp:
            parts.enter_context(Pusher(to.endpoint, to.interval_seconds, app.state.exposition, __version__))
        server = Server(server_config(app, settings), app.state.listeners.end)
        with shutdown_signals(server):
            server.run(sockets=[listening])
        return 0 if server.started else EXIT_FAILED


@contextmanager
def shutdown_signals(server: Server) -> Iterator[None]:
    """Let signals end the server in order, also those that come while cubes are still being taken down."""

    def stop(number: int, frame: FrameType | None) -> None:
        _log.info("%s: shutting down", signal.Signals(number).name)
        server.handle_exit(number, frame)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``dynmond``."""
    settings = parse_arguments(arguments)
    logging.basicConfig(level=LOG_LEVELS[settings.log_level], format=LOG_LINE, datefmt="%Y-%m-%d %H:%M:%S")
    try:
        check_capabilities()
        return run(settings)
    except (DynmonError, OSError) as error:
        print(f"dynmond: {error}", file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())

"""Compile dialect code and load it, without an interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from dynmon.bpf import LoadedObject, Loader, LoadRequest, ProgramType, RingBuffer
from dynmon.compiler import Compiler
from dynmon.models import Direction, Hook
from dynmon.settings import CompileLimits

PROGRAM_TYPES = {Hook.TC: ProgramType.SCHED_CLS, Hook.XDP: ProgramType.XDP}
LOG_BYTES = 1 << 16
HANDLER = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)"
PASS = {Hook.TC: -1, Hook.XDP: 2}
DROP = {Hook.TC: 2, Hook.XDP: 1}


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiler]:
    """One compiler for all tests."""
    with Compiler(tmp_path_factory.mktemp("cache"), CompileLimits()) as compiler:
        yield compiler


@pytest.fixture(scope="session")
def loader() -> Iterator[Loader]:
    """One loader for all tests."""
    loader = Loader()
    yield loader
    loader.close()


@dataclass
class Dialect:
    """Turns source into a loaded object that lives as long as the test."""

    compiler: Compiler
    loader: Loader
    stack: ExitStack

    def load(
        self,
        source: str,
        hook: Hook = Hook.TC,
        direction: Direction = Direction.INGRESS,
        *,
        constants: Mapping[str, int] | None = None,
        reuse: Mapping[str, int] | None = None,
        offers: Mapping[str, int] | None = None,
    ) -> LoadedObject:
        """The object of a whole source."""
        artifact = self.compiler.compile(source, direction, hook)
        request = LoadRequest(
            object=artifact.object,
            program=artifact.program,
            program_type=PROGRAM_TYPES[hook],
            file=direction.value,
            memory_bytes=1 << 28,
            constants=constants or {},
            reuse=reuse or {},
            offers=offers or {},
        )
        return self.stack.enter_context(self.loader.load(request))

    def handler(self, body: str, hook: Hook = Hook.TC, declarations: str = "", **options: object) -> LoadedObject:
        """The object of a handler's body, and what stands before it."""
        return self.load(f"{declarations}\n{HANDLER}\n{{\n{body}\n}}\n", hook, **options)

    def ring(self) -> RingBuffer:
        """A ring buffer to log into."""
        ring = RingBuffer.create(LOG_BYTES, "dynmon_log")
        self.stack.callback(ring.close)
        return ring


@pytest.fixture
def dialect(compiler: Compiler, loader: Loader) -> Iterator[Dialect]:
    """Compile and load; everything is let go of at the end."""
    with ExitStack() as stack:
        yield Dialect(compiler, loader, stack)


@pytest.fixture
def records() -> Callable[[RingBuffer], list[bytes]]:
    """Read all that is in a ring buffer."""

    def drain(ring: RingBuffer) -> list[bytes]:
        found: list[bytes] = []
        ring.drain(found.append, 1000)
        return found

    return drain

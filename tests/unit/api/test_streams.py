"""Bodies that are made while they are sent: whole where they are small, one part ahead, ended with the client."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from dynmon.api.streams import PART_BYTES, WORTH_COMPRESSING_BYTES, body_response

TYPE = {"content-type": "text/plain"}


def received(pieces: Any, **headers: str) -> tuple[dict[str, str], list[bytes]]:
    """The headers and the parts of the body that a client gets."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw}
    messages: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        messages.append(message)

    response = body_response(Request(scope), pieces, TYPE)
    asyncio.run(response(scope, receive, send))
    start, *body = messages
    told = {name.decode(): value.decode() for name, value in start["headers"]}
    return told, [message["body"] for message in body if message["body"]]


@pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"b"], [b"x"] * 1000])
def test_what_is_small_is_whole(pieces: list[bytes]) -> None:
    headers, body = received(pieces)

    assert (b"".join(pieces), str(sum(map(len, pieces)))) == (b"".join(body), headers["content-length"])


def test_pieces_are_put_together_to_parts() -> None:
    headers, body = received([b"x" * 1000] * 1000)

    assert b"x" * 1_000_000 == b"".join(body)
    assert -(-1_000_000 // (PART_BYTES + 1000)) <= len(body) <= 1_000_000 // PART_BYTES + 1
    assert "content-length" not in headers


@pytest.mark.parametrize("size", [WORTH_COMPRESSING_BYTES, 3 * PART_BYTES])
def test_compressed(size: int) -> None:
    headers, body = received([b"x" * (size // 4)] * 4, accept_encoding="gzip")

    assert b"x" * size == gzip.decompress(b"".join(body))
    assert ("gzip", "Accept-Encoding") == (headers["content-encoding"], headers["vary"])


def test_what_fits_into_a_packet_is_not_compressed() -> None:
    headers, body = received([b"x" * (WORTH_COMPRESSING_BYTES - 1)], accept_encoding="gzip")

    assert "content-encoding" not in headers
    assert [b"x" * (WORTH_COMPRESSING_BYTES - 1)] == body


def test_the_next_part_is_made_while_one_is_sent() -> None:
    """The one after that is not."""
    third, made_by_then = threading.Event(), []

    def pieces() -> Iterator[bytes]:
        for number in range(6):
            made_by_then.append(number)
            if number == 2:
                third.set()
            yield b"x" * PART_BYTES

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    seen = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            seen.append(len(made_by_then))
            if len(seen) == 2:  # two were made before the answer began
                assert await asyncio.to_thread(third.wait, 5)
                assert 3 == len(made_by_then)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(body_response(Request(scope), pieces(), TYPE)(scope, receive, send))

    assert list(range(6)) == made_by_then
    assert 2 == seen[0]

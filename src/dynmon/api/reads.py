"""Answers that hold what maps held: small ones at once, big ones part by part, with where the next read begins.

An answer about a million entries takes seconds to write. It is written in a worker thread and never in one step: what
holds the interpreter for long (one ``json.dumps``, one list of everything) would keep the event loop, and with it every
other request, waiting. The client's own speed sets the pace, so beyond the columns themselves there is one part in
memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from dynmon.api.paths import may_drain
from dynmon.api.queries import CURSOR, LIMIT, SINCE
from dynmon.api.responses import JSON_TYPE, JsonResponse, encoded, json_text
from dynmon.metrics import Reading

# Answers with more entries are written part by part.
WHOLE_ENTRIES = 4096
# The encoder holds the interpreter for about two microseconds a number.
WRITTEN_AT_ONCE = 256
CHUNK_CHARACTERS = 64 << 10
# A client that takes nothing for so long does not want the rest.
STALLED_SECONDS = 30.0

_log = logging.getLogger(__name__)


def answer(request: Request, document: Any) -> Response:
    """`document` as JSON, with the value of every Reading where that stands, and a link to what follows."""
    readings = list(_readings_in(document))
    if not readings:
        return JsonResponse(document)
    headers = _link(request, readings)
    whole = [each for reading in readings for each in reading.split or (reading,)]
    if sum(len(reading.entries) for reading in whole if reading.entries is not None) <= WHOLE_ENTRIES:
        return Response(b"".join(_chunks(_pieces(document))), headers=headers, media_type=JSON_TYPE)
    if not may_drain(request.scope):  # HEAD: nobody would see the body
        return StreamedResponse((), headers=headers)
    return StreamedResponse(_chunks(_pieces(document)), headers=headers)


class StreamedResponse(StreamingResponse):
    """JSON that is sent while it is made."""

    media_type = JSON_TYPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(STALLED_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            _log.warning("%s: dropped a client that took nothing for %g seconds", scope["path"], STALLED_SECONDS)


def _readings_in(document: Any) -> Iterator[Reading]:
    """Those that stand in the place of a value."""
    match document:
        case Reading():
            yield document
        case dict():
            for member in document.values():
                yield from _readings_in(member)
        case list():
            for member in document:
                yield from _readings_in(member)


def _link(request: Request, readings: list[Reading]) -> dict[str, str]:
    """The header that leads to the next page or window (RFC 8288); all readings of an answer have one token."""
    first = readings[0]
    if first.cursor is not None:
        query = {LIMIT: request.query_params[LIMIT], CURSOR: first.cursor}
    elif first.since is not None:
        query = {SINCE: first.since}
    else:
        return {}
    return {"link": f'<?{urlencode(query)}>; rel="next"'}


def _pieces(document: Any) -> Iterator[str]:
    """The JSON text of `document` in small steps."""
    match document:
        case Reading(split=tuple(parts)):
            yield from _pieces([{"interface": each.metric.interface, "value": each} for each in parts])
        case Reading():
            yield "["
            yield from _separated([text] for text in _entries(document))
            yield "]"
        case dict():
            yield "{"
            yield from _separated(_member(key, value) for key, value in document.items())
            yield "}"
        case list():
            yield "["
            yield from _separated(map(_pieces, document))
            yield "]"
        case _:
            yield json_text(document)


def _member(key: str, value: Any) -> Iterator[str]:
    yield f"{json_text(key)}:"
    yield from _pieces(value)


def _entries(reading: Reading) -> Iterator[str]:
    for part in reading.parts():
        for start in range(0, len(part), WRITTEN_AT_ONCE):
            yield json_text(part[start : start + WRITTEN_AT_ONCE])[1:-1]


def _separated(members: Iterable[Iterable[str]]) -> Iterator[str]:
    for number, member in enumerate(members):
        if number:
            yield ","
        yield from member


def _chunks(pieces: Iterable[str]) -> Iterator[bytes]:
    """Pieces put together until they are worth a packet."""
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK_CHARACTERS:
            yield encoded("".join(waiting))
            waiting.clear()
            size = 0
    yield encoded("".join(waiting))

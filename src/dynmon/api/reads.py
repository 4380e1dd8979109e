"""Answers that hold what maps held: small ones at once, big ones part by part, with where the next read begins.

An answer about a million entries is never written in one step: what holds the interpreter for long (one
``json.dumps``, one list of everything) would keep the event loop, and with it every other request, waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.queries import CURSOR, LIMIT, SINCE
from dynmon.api.responses import JSON_TYPE, JsonResponse, encoded, json_text
from dynmon.api.streams import body_response
from dynmon.metrics import Reading

# The encoder holds the interpreter for about two microseconds a number.
WRITTEN_AT_ONCE = 256


def answer(request: Request, document: Any) -> Response:
    """`document` as JSON, with the value of every Reading where that stands, and a link to what follows."""
    readings = list(_readings_in(document))
    if not readings:
        return JsonResponse(document)
    return body_response(request, _pieces(document), {"content-type": JSON_TYPE, **_link(request, readings)})


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


def _pieces(document: Any) -> Iterator[bytes]:
    """The JSON text of `document` in small steps."""
    match document:
        case Reading(split=tuple(parts)):
            yield from _pieces([{"interface": each.metric.interface, "value": each} for each in parts])
        case Reading():
            yield b"["
            yield from _entries(document)
            yield b"]"
        case dict():
            yield b"{"
            yield from _separated(_member(key, value) for key, value in document.items())
            yield b"}"
        case list():
            yield b"["
            yield from _separated(map(_pieces, document))
            yield b"]"
        case _:
            yield encoded(json_text(document))


def _member(key: str, value: Any) -> Iterator[bytes]:
    yield encoded(f"{json_text(key)}:")
    yield from _pieces(value)


def _entries(reading: Reading) -> Iterator[bytes]:
    written = reading.json()
    return _separated([text] for text in _decoded(reading)) if written is None else written


def _decoded(reading: Reading) -> Iterator[bytes]:
    for part in reading.parts():
        for start in range(0, len(part), WRITTEN_AT_ONCE):
            yield encoded(json_text(part[start : start + WRITTEN_AT_ONCE])[1:-1])


def _separated(members: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    for number, member in enumerate(members):
        if number:
            yield b","
        yield from member

"""Events as they happen: server-sent events (the WHATWG's HTML standard, section 9.2) for any number of metrics.

A listener waits in the event loop and holds no thread. The kernel's records come from a consumer's thread, which only
wakes the loop; they are decoded here, a part at a time, at the pace of the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from anyio import CancelScope, create_task_group, move_on_after, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dynmon.api.operations import Operations
from dynmon.api.paths import may_drain
from dynmon.api.problems import problem
from dynmon.api.queries import DIGITS, LIMIT, InvalidQuery
from dynmon.api.responses import BASE, encoded, json_text
from dynmon.cubes import CubeRegistry
from dynmon.cubes.events import PART_RECORDS, End, Event, EventStream, Lost
from dynmon.models import Direction

MEDIA_TYPE = "text/event-stream"
MAX_LISTENERS = 64
HEARTBEAT_SECONDS = 15.0
DIRECTION, METRIC = "direction", "metric"
STOPPING = "the daemon ends"
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": METRIC,
        "in": "query",
        "description": "the events of this metric only; several times for several",
        "schema": {"type": "array", "items": {"type": "string"}},
    },
    {
        "name": DIRECTION,
        "in": "query",
        "description": "the events of this direction only",
        "schema": {"enum": [direction.value for direction in Direction]},
    },
    {
        "name": LIMIT,
        "in": "query",
        "description": "end after so many events",
        "schema": {"type": "integer", "minimum": 1},
    },
]


class Listeners:
    """Those who listen at the moment."""

    def __init__(self) -> None:
        self._streams: set[EventStream] = set()
        self._coming = 0

    def end(self) -> None:
        """Let all of them go, for a server does not end before its answers do."""
        for stream in self._streams:
            stream.end(STOPPING)

    async def answer(self, open_stream: Callable[[], EventStream], limit: int | None) -> Response:
        """A stream, if there is room for one more."""
        if len(self._streams) + self._coming >= MAX_LISTENERS:
            return problem(503, f"{MAX_LISTENERS} clients listen to events already; try again when one has left")
        self._coming += 1
        try:
            stream = await to_thread.run_sync(open_stream)
        finally:
            self._coming -= 1
        self._streams.add(stream)
        return EventResponse(stream, limit, self._streams.discard)


class EventResponse(Response):
    """Sends what a stream has until it ends, `limit` events are sent, or the client goes; then it closes the stream."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: EventStream, limit: int | None, left: Callable[[EventStream], None]) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._stream = stream
        self._limit = limit
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                await self._send_all(send)
                tasks.cancel_scope.cancel()
        finally:
            self._left(self._stream)
            with CancelScope(shield=True):
                await to_thread.run_sync(self._stream.close)

    async def _send_all(self, send: Send) -> None:
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody is there to be woken
                loop.call_soon_threadsafe(ready.set)

        self._stream.notify(wake)
        await _send(send, ": listening\n\n")
        sent = 0
        is_over = False
        while not is_over and (self._limit is None or sent < self._limit):
            ready.clear()
            items = self._stream.take(min(PART_RECORDS, self._limit - sent if self._limit else PART_RECORDS))
            if items:
                await _send(send, _text(items))
                sent += sum(isinstance(item, Event) for item in items)
                is_over = isinstance(items[-1], End)
                await asyncio.sleep(0)  # sending does not wait unless the client is slow; others want their turn
            else:
                with move_on_after(HEARTBEAT_SECONDS) as patience:
                    await ready.wait()
                if patience.cancelled_caught:
                    await _send(send, ": nothing new\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def add_events(operations: Operations, registry: CubeRegistry, listeners: Listeners) -> None:
    """Serve the events of cubes."""

    async def get(request: Request) -> Response:
        cube = registry.get(request.path_params["name"])
        direction = _direction_of(request)
        limit = _limit_of(request)
        names = request.query_params.getlist(METRIC)
        if not may_drain(request.scope):  # HEAD: the answer has no body that could end
            return Response(media_type=MEDIA_TYPE)
        return await listeners.answer(lambda: cube.events(direction, names), limit)

    operations.add(
        "GET",
        f"{BASE}/dynmon/{{name}}/events",
        get,
        "The records of ring buffers and perf event arrays, as they come",
        tag="metrics",
        answer=str,
        media_type=MEDIA_TYPE,
        query=PARAMETERS,
    )


def _direction_of(request: Request) -> Direction | None:
    text = request.query_params.get(DIRECTION)
    if text is None:
        return None
    try:
        return Direction(text)
    except ValueError as error:
        possible = " or ".join(direction.value for direction in Direction)
        raise InvalidQuery(DIRECTION, f"must be {possible}, not {text!r}") from error


def _limit_of(request: Request) -> int | None:
    text = request.query_params.get(LIMIT)
    if text is None:
        return None
    if not DIGITS.fullmatch(text) or int(text) < 1:
        raise InvalidQuery(LIMIT, f"must be a number of events, at least 1, not {text!r}")
    return int(text)


async def _until_gone(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": encoded(text), "more_body": True})


def _text(items: Iterable[Event | Lost | End]) -> str:
    return "".join(map(_block, items))


def _block(item: Event | Lost | End) -> str:
    match item:
        case Event():
            return f"event: {item.metric.name}\nid: {item.number}\ndata: {json_text(_event_data(item))}\n\n"
        case Lost():
            data = {"direction": item.metric.direction, "metric": item.metric.name, "count": item.count}
            return f"event: lost\ndata: {json_text(data)}\n\n"
        case End():
            return f"event: end\ndata: {json_text({'reason': item.reason})}\n\n"


def _event_data(event: Event) -> dict[str, Any]:
    record = event.record
    return {
        "direction": event.metric.direction,
        "metric": event.metric.name,
        "timestamp": record.timestamp,
        **({} if record.cpu is None else {"cpu": record.cpu}),
        "value": event.value,
        **({"note": event.note} if event.note else {}),
    }

"""What of a cube can be changed or tried: the table of its write operations, and the threads they run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.responses import Response

from dynmon.api.changes import Changes
from dynmon.api.effects import Outcome
from dynmon.api.responses import JsonResponse, empty
from dynmon.api.schemas import CubeChange
from dynmon.models import CubeConfig, DataplaneConfig, Direction, LogLevel, PathConfig

# Changes may compile for seconds; they must not take all the threads that reads need.
CHANGING_THREADS = 8


class Writer:
    """Runs changes in threads of their own."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(CHANGING_THREADS)

    async def run(self, apply: Callable[..., Outcome], *arguments: Any) -> Response:
        """Apply the change and answer with the status or the document that it gives."""
        outcome = await to_thread.run_sync(partial(apply, *arguments), limiter=self._limiter)
        return empty(outcome) if isinstance(outcome, int) else JsonResponse(outcome.document, outcome.status)


@dataclass(frozen=True, slots=True)
class Write:
    """One way to change a resource; `apply` takes the cube's name and, unless it deletes, the body."""

    template: str
    method: str
    apply: Callable[..., Outcome]
    summary: str
    body: Any = None
    status: int = 200
    also: dict[int, str] | None = None

    @property
    def has_dry_run(self) -> bool:
        """Whether it is about code, which can be tried."""
        return self.body in (CubeConfig, CubeChange, DataplaneConfig, PathConfig)


def writes(changes: Changes) -> Iterator[Write]:
    """All of them; `template` is the place below the cube, as in the tree of resources."""
    yield Write("", "POST", changes.create, "Create a cube", CubeConfig, 201)
    yield Write("", "PUT", changes.put, "Create a cube or update the one there is", CubeConfig, 201, {200: "Updated"})
    yield Write("", "PATCH", changes.patch, "Change log level and code, both or neither", CubeChange)
    yield Write("", "DELETE", changes.delete, "Delete the cube")
    yield Write("loglevel", "PATCH", changes.set_loglevel, "Change how much the code logs", LogLevel)
    place = "dataplane-config"
    patch = "Inject the paths mentioned; without code, keep the code"
    for method in ("POST", "PUT"):
        yield Write(place, method, changes.put_dataplane, "Inject the paths mentioned", DataplaneConfig, 201)
    yield Write(place, "PATCH", changes.patch_dataplane, patch, DataplaneConfig)
    yield Write(place, "DELETE", partial(changes.reset, None), "Back to the default code", status=204)
    for direction in Direction:
        yield from _writes_of_path(changes, direction)


def _writes_of_path(changes: Changes, direction: Direction) -> Iterator[Write]:
    place = f"dataplane-config/{direction.path_name}"
    put = partial(changes.put_path, direction)
    patch = partial(changes.patch_path, direction)
    reset = partial(changes.reset, direction)
    for method in ("POST", "PUT"):
        yield Write(place, method, put, f"Inject the {direction} path", PathConfig, 201)
    yield Write(place, "PATCH", patch, f"Inject the {direction} path; without code, keep the code", PathConfig)
    yield Write(place, "DELETE", reset, f"Back to the default {direction} code", status=204)

"""The hook map of an interface as JSON: everybody on its hooks, in the order in which packets meet them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from dynmon.api.schemas import Answer
from dynmon.cubes import CubeRegistry, HookEntry, Occupant
from dynmon.models import Direction

MOMENT = "%Y-%m-%dT%H:%M:%SZ"
HIDDEN = "names and verdicts of programs of others are hidden from a daemon without CAP_SYS_ADMIN"


class HookOccupant(Answer):
    """A program or filter on a hook; what does not apply, or is not known, is left out."""

    index: int = Field(description="Its place in running order, over all hooks of its direction.")
    hook: Literal["xdp", "tcx", "clsact"]
    kind: str = Field(description="native, generic or offloaded; link or program; bpf, flower, matchall, …")
    cube: str | None = Field(default=None, description="The cube whose it is.")
    name: str | None = None
    program_id: int | None = None
    dispatcher_id: int | None = Field(default=None, description="The program at XDP that calls it, with others.")
    tag: str | None = None
    loaded: str | None = Field(default=None, description="When it was loaded, as 2026-01-31T23:59:59Z.")
    link_id: int | None = None
    priority: int | None = None
    protocol: str | None = None
    handle: str | None = None
    chain: int | None = None
    verdicts: list[str] | None = Field(default=None, description="All that it can return, where that is known.")
    passes: bool | None = Field(description="Whether packets go on behind it: all, none, or null.")
    reached: bool | None = Field(description="Whether packets get to it: all, none, or null.")
    note: str | None = Field(default=None, description="Why none do, or on whom it depends.")


class HookMap(Answer):
    """Everybody on the hooks of an interface."""

    name: str
    note: str | None = None
    ingress: list[HookOccupant]
    egress: list[HookOccupant]


def hooks_of(registry: CubeRegistry, port: str) -> dict[str, Any]:
    """The hook map of an interface, or of the one that a port is plugged into.

    Raises:
        InvalidInputError, NotFoundError: There is none.
    """
    found = registry.placing.hooks(port)
    programs = [each.occupant.program for entries in found.values() for each in entries]
    note = {"note": HIDDEN} if any(program and program.is_hidden for program in programs) else {}
    return {"name": port, **note, **{str(way): _rows(found[way]) for way in Direction}}


def _rows(entries: list[HookEntry]) -> list[dict[str, Any]]:
    return [{"index": index, **_row(entry)} for index, entry in enumerate(entries)]


def _row(entry: HookEntry) -> dict[str, Any]:
    known = {
        "hook": entry.occupant.hook,
        "kind": entry.occupant.kind,
        "cube": entry.cube,
        **_program(entry.occupant),
        "dispatcher-id": entry.occupant.dispatcher_id,
        "link-id": entry.occupant.link_id,
        **_filter(entry.occupant),
        "verdicts": list(entry.verdicts or ()),
    }
    present = {key: value for key, value in known.items() if value}
    note = {"note": entry.note} if entry.note else {}
    return {**present, "passes": entry.passes, "reached": entry.reached, **note}


def _program(place: Occupant) -> dict[str, Any]:
    name = place.filter.name if place.filter else ""
    if (program := place.program) is None:
        return {"name": name}
    loaded = datetime.fromtimestamp(program.loaded_seconds, UTC).strftime(MOMENT) if program.loaded_seconds else ""
    return {"name": program.name or name, "program-id": program.id, "tag": program.tag, "loaded": loaded}


def _filter(place: Occupant) -> dict[str, Any]:
    if (tc_filter := place.filter) is None:
        return {}
    return {
        "priority": tc_filter.priority,
        "protocol": tc_filter.protocol,
        "handle": f"{tc_filter.handle:#x}",
        "chain": tc_filter.chain,
    }

"""The hook map of an interface as JSON: everybody on its hooks, in the order in which packets meet them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from dynmon.api.schemas import Answer
from dynmon.cubes import CubeRegistry, HookEntry

from dynmon.models import Direction

HIDDEN = "names and verdicts of programs of others are hidden from a daemon without CAP_SYS_ADMIN"


class HookOccupant(Answer):
    """A program or filter on a hook; what is not known or does not apply is left out, but for the last three."""

    index: int = Field(description="Its place in running order, over all hooks of its direction.")
    hook: Literal["xdp", "tcx", "clsact"]
    kind: str = Field(description="native, generic or offloaded; link or program; bpf, flower, matchall, …")
    cube: str | None = Field(default=None, description="The cube whose it is.")
    name: str | None = None
    program_id: int | None = None
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
    note: str = Field(default="", description="Why none do, or on whom it depends.")


class HookMap(Answer):
    """Everybody on the hooks of an interface."""

    name: str
    note: str | None = None
    ingress: list[HookOccupant]
    egress: list[HookOccupant]


def hooks_of(registry: CubeRegistry, interface: str) -> dict[str, Any]:
    """The hook map of an interface.

    Raises:
        InterfaceNotFound: There is no such interface.
    """
    found = registry.hooks(interface)
    programs = [each.occupant.program for entries in found.values() for each in entries]
    note = {"note": HIDDEN} if any(program and program.is_hidden for program in programs) else {}
    return {"name": interface, **note, **{str(way): _rows(found[way]) for way in Direction}}


def _rows(entries: list[HookEntry]) -> list[dict[str, Any]]:
    return [{"index": index, **_row(entry)} for index, entry in enumerate(entries)]


def _row(entry: HookEntry) -> dict[str, Any]:
    place, program, tc_filter = entry.occupant, entry.occupant.program, entry.occupant.filter
    known: dict[str, Any] = {"hook": place.hook, "kind": place.kind, "cube": entry.cube}
    if tc_filter:
        known["name"] = tc_filter.name
    if program:
        known |= {"name": program.name or known.get("name"), "program-id": program.id, "tag": program.tag}
        known["loaded"] = program.loaded_seconds and datetime.fromtimestamp(program.loaded_seconds, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
    known["link-id"] = place.link_id
    if tc_filter:
        known |= {"priority": tc_filter.priority, "protocol": tc_filter.protocol, "handle": f"{tc_filter.handle:#x}"}
        known["chain"] = tc_filter.chain
    known["verdicts"] = list(entry.verdicts or ())
    present = {key: value for key, value in known.items() if value}
    return {**present, "passes": entry.passes, "reached": entry.reached, "note": entry.note}

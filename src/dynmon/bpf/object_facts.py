"""Answer what an object has without loading it: its programs, its maps, its types."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dynmon.bpf import _libbpf
from dynmon.bpf.elf import text_at
from dynmon.bpf.facts import DeclaredMap, ObjectFacts, ProgramFacts
from dynmon.bpf.kinds import ProgramType
from dynmon.bpf.object_maps import Map, declared_maps
from dynmon.bpf.opening import Parsed, each_of, open_parsed

# What libbpf before 1.0 took any beginning for, and what it learned after 1.1.
SECTIONS = (
    (re.compile(r"(tcx?|classifier|action)([/_.].*)?"), ProgramType.SCHED_CLS),
    (re.compile(r"xdp([/_.].*)?"), ProgramType.XDP),
)


def inspect_object(raw: bytes, messages: Sequence[str]) -> ObjectFacts:
    """Open `raw` and say what is in it.

    Raises:
        Refusal: It cannot be opened, and why.
    """
    parsed = Parsed.parse(raw)
    handle = open_parsed(parsed, (), (), messages)
    license_section = parsed.elf.section("license")
    return ObjectFacts(
        programs=tuple(_program(parsed, each) for each in each_of(_libbpf.object_next_program, handle)),
        maps=tuple(_map(parsed, each) for each in declared_maps(handle, parsed.variables)),
        btf=parsed.btf,
        license=text_at(license_section.content, 0) if license_section else "",
    )


def _program(parsed: Parsed, handle: int) -> ProgramFacts:
    name = _libbpf.program_name(handle).decode(errors="replace")
    section = _libbpf.program_section(handle).decode(errors="replace")
    uses = parsed.code.reached_from([name])
    return ProgramFacts(
        name=name,
        section=section,
        program_type=_libbpf.program_type(handle) or _type_by_section(section),
        instructions=uses.instructions,
        helpers=tuple(sorted(uses.helpers)),
        maps=tuple(sorted(uses.maps)),
    )


def _type_by_section(section: str) -> int:
    return next((int(kind) for pattern, kind in SECTIONS if pattern.fullmatch(section)), 0)


def _map(parsed: Parsed, each: Map) -> DeclaredMap:
    return DeclaredMap(
        name=each.name,
        map_type=each.map_type,
        key_size=each.key_size,
        value_size=each.value_size,
        max_entries=each.max_entries,
        flags=each.flags,
        is_pinned=each.is_pinned,
        tags=each.tags,
        programs=parsed.programs_in(each.name),
    )

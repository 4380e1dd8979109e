"""What loaded code is and will do, in words and numbers, before a packet meets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynmon.bpf import MapType, ObjectFacts, ProgramFacts, map_memory
from dynmon.compiler import Spelling
from dynmon.dataplane import LoadedPath
from dynmon.dataplane.constants import READ_ONLY
from dynmon.dataplane.programs import hook_of, is_foreign
from dynmon.errors import diagnostics_as_data
from dynmon.metrics import BoundMetric, MetricDescription, describe
from dynmon.metrics.events import BoundEvents
from dynmon.trial.contents import Constant, constants, metric_of_map, own_maps
from dynmon.trial.helpers import helper_name


@dataclass(frozen=True, slots=True)
class ProgramExplanation:
    """A program of the object: `why` it was chosen, or was not."""

    name: str
    section: str
    hook: str
    instructions: int
    is_chosen: bool
    why: str


@dataclass(frozen=True, slots=True)
class MapExplanation:
    """A map of the object; `description` is how it would be read, `unread` why it cannot be.

    There are two `copies` of maps that are read by swapping; `memory_bytes` is what they take together.
    """

    name: str
    map_type: str
    key_bytes: int
    value_bytes: int
    max_entries: int
    memory_bytes: int
    copies: int
    is_made: bool
    description: MetricDescription | None
    unread: str


@dataclass(frozen=True, slots=True)
class TailCall:
    """A place in a prog array and the program that is put there."""

    map: str
    index: int
    program: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A path in words: its programs, what the verifier found, its helpers, maps and metrics.

    `instructions` are those of the chosen program in the object, `verified` those that the verifier went through.
    """

    name: str
    direction: str
    hook: str
    spelling: str
    passive: bool
    program: str
    instructions: int
    verified: int | None
    stack_bytes: int | None
    programs: tuple[ProgramExplanation, ...]
    helpers: tuple[str, ...]
    maps: tuple[MapExplanation, ...]
    constants: tuple[Constant, ...]
    tail_calls: tuple[TailCall, ...]
    metrics: tuple[MetricDescription, ...]
    warnings: tuple[Mapping[str, Any], ...]

    def wire(self) -> dict[str, Any]:
        """As a JSON object with kebab-case keys."""
        return {
            "name": self.name,
            "direction": self.direction,
            "hook": self.hook,
            "spelling": self.spelling,
            "passive": self.passive,
            "program": self.program,
            "instructions": self.instructions,
            "verified-instructions": self.verified,
            "stack-bytes": self.stack_bytes,
            "helpers": list(self.helpers),
            "programs": [_program_wire(each) for each in self.programs],
            "maps": [_map_wire(each) for each in self.maps],
            "memory-bytes": sum(each.memory_bytes for each in self.maps if each.is_made),
            "constants": [
                {"name": each.name, "type-name": each.type_name, "value": each.value} for each in self.constants
            ],
            "tail-calls": [{"map": call.map, "index": call.index, "program": call.program} for call in self.tail_calls],
            "metrics": [metric.wire() for metric in self.metrics],
            "warnings": list(self.warnings),
        }


def explain(path: LoadedPath, metrics: Sequence[BoundMetric | BoundEvents]) -> Explanation:
    """Explain a path that was built with ``verbose``, and what `metrics` will read and export of it."""
    facts = path.facts or ObjectFacts((), (), b"", "")
    chosen = path.blueprint.program
    uses = next((program for program in facts.programs if program.name == chosen), None)
    verification = path.loaded.verification
    return Explanation(
        name=path.config.name,
        direction=path.placement.direction.value,
        hook=path.placement.hook.value,
        spelling=path.artifact.spelling.value,
        passive=bool(path.artifact.proof),
        program=chosen,
        instructions=uses.instructions if uses else path.program.instructions,
        verified=verification.instructions_processed if verification else None,
        stack_bytes=verification.stack_bytes if verification else None,
        programs=tuple(_program(each, path, facts) for each in facts.programs),
        helpers=tuple(helper_name(number) for number in uses.helpers) if uses else (),
        maps=tuple(_maps(path, facts, metrics)),
        constants=tuple(constants(path)),
        tail_calls=tuple(_tail_calls(path, facts)),
        metrics=tuple(each.describe() if isinstance(each, BoundEvents) else describe(each) for each in metrics),
        warnings=tuple(diagnostics_as_data(path.artifact.warnings)),
    )


def _program(program: ProgramFacts, path: LoadedPath, facts: ObjectFacts) -> ProgramExplanation:
    hook = hook_of(program)
    return ProgramExplanation(
        name=program.name,
        section=program.section,
        hook=hook.value if hook else "foreign" if is_foreign(program) else "unknown",
        instructions=program.instructions,
        is_chosen=program.name == path.blueprint.program,
        why=_why(program, path, facts),
    )


def _why(program: ProgramFacts, path: LoadedPath, facts: ObjectFacts) -> str:
    place = path.placement
    if program.name == path.blueprint.program:
        if path.artifact.spelling is Spelling.DIALECT:
            return "what the dialect makes around handle_rx"
        if path.config.program:
            return 'asked for with "program"'
        return f"the one for {place.hook} {place.direction}"
    if program.name in {call.program for call in _tail_calls(path, facts)}:
        return "reached by a tail call"
    if program.name == path.artifact.proof:
        return "shows that the other is passive: it loads as a program that cannot write packets, and never runs"
    if is_foreign(program):
        return "does not run on packets of an interface"
    hook = hook_of(program)
    if hook not in (None, place.hook):
        return f"is for {hook}, this path runs at {place.hook}"
    return f"{path.blueprint.program} was chosen"


def _maps(
    path: LoadedPath, facts: ObjectFacts, metrics: Sequence[BoundMetric | BoundEvents]
) -> Iterator[MapExplanation]:
    made = own_maps(path)
    swapping = {each.bpf_map.info.name for each in metrics if isinstance(each, BoundMetric) and each.swaps}
    declared = {each.name: each for each in facts.maps if not each.name.startswith(READ_ONLY)}
    for name, bpf_map in made.items():
        metric, unread = metric_of_map(path, name)
        info = bpf_map.info
        copies = 2 if name in swapping else 1
        yield _map(name, info, copies, describe(metric) if metric else None, unread)
    unused = declared.keys() - path.maps.keys() if path.artifact.spelling is not Spelling.DIALECT else set()
    for name in sorted(unused):
        yield _map(name, declared[name], 0, None, "it is not made, because the program does not use it")


def _map(name: str, info: Any, copies: int, description: MetricDescription | None, unread: str) -> MapExplanation:
    """The explanation of a map that the kernel made (MapInfo), or of one that is only declared (DeclaredMap)."""
    memory_bytes = map_memory(info.map_type, info.key_size, info.value_size, info.max_entries)
    return MapExplanation(
        name=name,
        map_type=_type_name(info.map_type),
        key_bytes=info.key_size,
        value_bytes=info.value_size,
        max_entries=info.max_entries,
        memory_bytes=memory_bytes * max(1, copies),
        copies=copies,
        is_made=copies > 0,
        description=description,
        unread=unread,
    )


def _type_name(map_type: int) -> str:
    try:
        return MapType(map_type).name.lower()
    except ValueError:
        return str(map_type)


def _tail_calls(path: LoadedPath, facts: ObjectFacts) -> Iterator[TailCall]:
    """Those that can happen: a prog array of other programs of the object is not made."""
    configured = path.blueprint.tail_calls
    for declared in (each for each in facts.maps if each.name in path.maps):
        calls = dict(enumerate(declared.programs)) | dict(configured.get(declared.name, {}))
        for index, program in sorted(calls.items()):
            if program:
                yield TailCall(declared.name, index, program)


def _program_wire(program: ProgramExplanation) -> dict[str, Any]:
    return {
        "name": program.name,
        "section": program.section,
        "hook": program.hook,
        "instructions": program.instructions,
        "chosen": program.is_chosen,
        "why": program.why,
    }


def _map_wire(bpf_map: MapExplanation) -> dict[str, Any]:
    described = bpf_map.description.wire() if bpf_map.description else {"key": [], "value": []}
    return {
        "name": bpf_map.name,
        "type": bpf_map.map_type,
        "key-bytes": bpf_map.key_bytes,
        "value-bytes": bpf_map.value_bytes,
        "max-entries": bpf_map.max_entries,
        "memory-bytes": bpf_map.memory_bytes,
        "copies": bpf_map.copies,
        "made": bpf_map.is_made,
        "key": described["key"],
        "value": described["value"],
        "unread": bpf_map.unread or None,
    }

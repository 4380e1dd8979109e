"""Which of an object's programs sees the packets, when the object has several or was written for somebody else.

The dialect has one program with a name of ours. Other code says what its programs are by the section they are in:
``tc``, ``tcx/ingress``, ``classifier/egress``, ``xdp.frags``; some loaders take any word, such as ``tc_ingress``. Where
exactly one program fits the hook and the direction, that is the one; otherwise the user is asked, never surprised.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from dynmon.bpf import ObjectFacts, ProgramFacts, ProgramType
from dynmon.errors import InjectionError, did_you_mean
from dynmon.models import Direction, Hook, PathConfig

SCHED_ACT = 4  # runs at tc too, and returns the same verdicts
HOOK_OF_TYPE = {int(ProgramType.SCHED_CLS): Hook.TC, SCHED_ACT: Hook.TC, int(ProgramType.XDP): Hook.XDP}
# First words of sections that libbpf does not know, or not in this form.
HOOK_OF_WORD = {
    "tc": Hook.TC,
    "tcx": Hook.TC,
    "cls": Hook.TC,
    "classifier": Hook.TC,
    "action": Hook.TC,
    "act": Hook.TC,
    "ingress": Hook.TC,
    "egress": Hook.TC,
    "xdp": Hook.XDP,
}
# Run by another program's redirect, never by an interface.
IN_A_MAP = re.compile(r"xdp(\.frags)?/(devmap|cpumap)")
WORDS = re.compile(r"[A-Za-z]+")
CUBE_TYPES = {Hook.TC: "TC", Hook.XDP: "XDP_SKB"}


class UnusableProgram(InjectionError):
    """The object has no program that can be run here, or several and nobody said which."""

    stage: ClassVar[str] = "open"

    def __init__(self, direction: Direction, reason: str, programs: Sequence[ProgramFacts], hint: str) -> None:
        sentence = f"the {direction} code cannot run: {reason}"
        super().__init__(sentence, file=direction, message=reason, hint=hint)
        self.programs = tuple(programs)

    def fields(self) -> Mapping[str, Any]:
        listed = [{"name": each.name, "section": each.section} for each in self.programs]
        return {**super().fields(), "programs": listed}


def choose_program(
    config: PathConfig, facts: ObjectFacts, direction: Direction, hook: Hook, tail_calls: Collection[str]
) -> str:
    """The name of the program to run at `hook`; `tail_calls` are those that others call and that are never first.

    Raises:
        UnusableProgram: With the programs there are, and how to say which.
    """
    if config.program is not None:
        return _named(config.program, config, facts, direction, hook)
    own = [each for each in facts.programs if each.name not in tail_calls]
    fitting = [each for each in own if _may_run_at(each, hook, config.program_type)]
    # A program that says nothing of itself is only taken when no other does.
    telling = [each for each in fitting if hook_of(each) is hook] or fitting
    mine = [each for each in telling if direction in _directions(each)]
    neutral = [each for each in telling if not _directions(each)]
    for candidates in (mine, neutral, telling):
        if len(candidates) == 1:
            return candidates[0].name
        if candidates:
            raise UnusableProgram(
                direction,
                f"it has {len(candidates)} programs for {hook}: {_listed(candidates)}",
                candidates,
                f'say which one, such as "program": "{candidates[0].name}"',
            )
    raise _nothing_fits(facts, direction, hook)


def hook_of(program: ProgramFacts) -> Hook | None:
    """Where a program is meant to run, as far as its section says; None for no word of it, or a foreign kind."""
    if is_foreign(program):
        return None
    if program.program_type:
        return HOOK_OF_TYPE.get(program.program_type)
    words = _words(program.section)
    return HOOK_OF_WORD.get(words[0]) if words else None


def is_foreign(program: ProgramFacts) -> bool:
    """Whether it runs where no interface hands it packets, as a kprobe does, or a program in a devmap."""
    is_other_kind = program.program_type != 0 and program.program_type not in HOOK_OF_TYPE
    return is_other_kind or bool(IN_A_MAP.fullmatch(program.section))


def _named(name: str, config: PathConfig, facts: ObjectFacts, direction: Direction, hook: Hook) -> str:
    program = next((each for each in facts.programs if each.name == name), None)
    if program is None:
        raise UnusableProgram(
            direction,
            f"it has no program called {name!r}; it has: {_listed(facts.programs)}",
            facts.programs,
            did_you_mean(name, [each.name for each in facts.programs])
            or '"program" is the name of the C function, not of its section',
        )
    if not _may_run_at(program, hook, config.program_type):
        raise _wrong_hook(program, direction, hook)
    return name


def _may_run_at(program: ProgramFacts, hook: Hook, said: Hook | None) -> bool:
    """Whether the program's section, or what the user says of it, allows this hook."""
    if is_foreign(program):
        return False
    return (said or hook_of(program) or hook) is hook


def _wrong_hook(program: ProgramFacts, direction: Direction, hook: Hook) -> UnusableProgram:
    if is_foreign(program):
        return UnusableProgram(
            direction,
            f"program {program.name!r} (section {program.section!r}) does not run on packets of an interface",
            [program],
            'name a program of a section such as "tc" or "xdp"',
        )
    meant = hook_of(program) or (Hook.XDP if hook is Hook.TC else Hook.TC)
    return UnusableProgram(
        direction,
        f"program {program.name!r} (section {program.section!r}) is for {meant}, this path runs at {hook}",
        [program],
        _other_type(meant, direction),
    )


def _nothing_fits(facts: ObjectFacts, direction: Direction, hook: Hook) -> UnusableProgram:
    others = [each for each in facts.programs if hook_of(each) not in (None, hook)]
    if others:
        found, hint = _listed(others), _other_type(hook_of(others[0]) or hook, direction)
        return UnusableProgram(direction, f"it has no program for {hook}, but: {found}", facts.programs, hint)
    return UnusableProgram(
        direction,
        f"it has no program for {hook}; it has: {_listed(facts.programs) or 'none'}",
        facts.programs,
        f'a program is a function in SEC("{hook}")',
    )


def _other_type(meant: Hook, direction: Direction) -> str:
    if meant is Hook.XDP and direction is Direction.EGRESS:
        return "XDP sees received packets only: use it as ingress code, in a cube of type XDP_SKB or XDP_DRV"
    return f'make a cube of type {CUBE_TYPES[meant]}, or say "program-type" if the section is misleading'


def _directions(program: ProgramFacts) -> set[Direction]:
    """The directions that a program's section names, or its function's name if the section does not."""
    for text in (program.section, program.name):
        if found := {direction for direction in Direction if direction in _words(text)}:
            return found
    return set()


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORDS.findall(text)]


def _listed(programs: Sequence[ProgramFacts]) -> str:
    return ", ".join(f"{each.name} ({each.section})" for each in programs)

"""Which values a program in the kernel can return, as far as its instructions tell.

A walk along every way through the program, with what is known of each register on the way: the constants it may hold,
or nothing. No branch is thought impossible, so the answer is never too small. What a helper, another function or
memory gives is not known; a program that calls other programs (tail calls), or functions of the kernel that may end it
(``bpf_throw``), has no answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Low halves of what a register may hold (a verdict is 32 bits wide), None for anything.
Values = frozenset[int] | None
State = tuple[Values, ...]

LOW = 0xFFFFFFFF
REGISTERS = 11
MOST_VALUES = 8
MOST_STEPS = 50_000  # each takes some 12 us

LD, LDX, STX, ALU, JMP, JMP32, ALU64 = 0, 1, 3, 4, 5, 6, 7  # classes
LOAD_CONSTANT = 0x18
MOVES = (0xB7, 0xB4)
COPIES = (0xBF, 0xBC)
PLAIN_STORE = 0x60
GOTO, GOTO_FAR, CALL, EXIT = 0x05, 0x06, 0x85, 0x95
TO_A_REGISTER = (0x0D, 0x8D)  # jumps and calls
IF_EQUAL = (0x15, 0x16)
IF_DIFFERENT = (0x55, 0x56)
TAIL_CALL = 12
OF_THE_KERNEL = 2
CLOBBERED = range(6)
INSTRUCTION = struct.Struct("=BBhi")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of eBPF."""

    code: int
    target: int
    source: int
    offset: int
    immediate: int


def possible_verdicts(translated: bytes) -> frozenset[int] | None:
    """All values that the translated instructions of a program can return, None when they do not tell."""
    if len(translated) // INSTRUCTION.size > MOST_STEPS:
        return None
    code = [
        Instruction(op, registers & 15, registers >> 4, offset, immediate)
        for op, registers, offset, immediate in INSTRUCTION.iter_unpack(translated)
    ]
    if not code or any(map(_leaves, code)):
        return None
    verdicts: set[int] = set()
    states: dict[int, State] = {0: (None,) * REGISTERS}
    waiting = [0]
    for _ in range(MOST_STEPS):
        if not waiting:
            return frozenset(value - (1 << 32) if value >> 31 else value for value in verdicts)
        place = waiting.pop()
        if code[place].code == EXIT:
            if (values := states[place][0]) is None:
                return None
            verdicts |= values
            continue
        for following, state in _steps(code[place], place, states[place]):
            if following >= len(code):
                return None
            known = states.get(following)
            merged = state if known is None else tuple(map(_either, known, state))
            if merged != known:
                states[following] = merged
                waiting.append(following)
    return None


def _leaves(step: Instruction) -> bool:
    if step.code == CALL:
        return step.source == OF_THE_KERNEL or (step.source == 0 and step.immediate == TAIL_CALL)
    return step.code in TO_A_REGISTER


def _either(some: Values, others: Values) -> Values:
    if some is None or others is None:
        return None
    both = some | others
    return both if len(both) <= MOST_VALUES else None


def _steps(step: Instruction, place: int, state: State) -> Iterator[tuple[int, State]]:
    """Where the program may go on, and what is known there."""
    if step.code in (GOTO, GOTO_FAR):
        yield place + 1 + (step.offset if step.code == GOTO else step.immediate), state
    elif step.code == CALL:
        yield place + 1, _forget(state, *CLOBBERED)
    elif step.code & 7 in (JMP, JMP32):
        equal = _know(state, step.target, step.immediate)
        yield place + 1 + step.offset, equal if step.code in IF_EQUAL else state
        yield place + 1, equal if step.code in IF_DIFFERENT else state
    elif step.code == LOAD_CONSTANT:
        yield place + 2, _forget(state, step.target) if step.source else _know(state, step.target, step.immediate)
    else:
        yield place + 1, _after(step, state)


def _after(step: Instruction, state: State) -> State:
    if step.code in MOVES:
        return _know(state, step.target, step.immediate)
    if step.code in COPIES and step.offset == 0:
        return _put(state, step.target, state[step.source])
    kind = step.code & 7
    if kind == LD:  # legacy packet access, a call in disguise
        return _forget(state, *CLOBBERED)
    if kind in (LDX, ALU, ALU64):
        return _forget(state, step.target)
    if kind == STX and step.code & 0xE0 != PLAIN_STORE:  # an atomic one, which may fetch into one of these
        return _forget(state, 0, step.source, step.target)
    return state


def _know(state: State, register: int, value: int) -> State:
    return _put(state, register, frozenset({value & LOW}))


def _forget(state: State, *registers: int) -> State:
    return tuple(None if number in registers else values for number, values in enumerate(state))


def _put(state: State, register: int, values: Values) -> State:
    return (*state[:register], values, *state[register + 1 :])

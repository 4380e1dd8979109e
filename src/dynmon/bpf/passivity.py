"""See to it that a program can neither drop nor change packets, before and after the kernel has looked at it.

The dialect's header passive.h says how: two programs call one function, and the second, the proof, is of a type that
cannot write packets. What is left for us is what the verifier does not see. CGROUP_SKB has a helper that changes a
packet all the same; a tail call goes on in a program that nobody looked at; and kernel functions are no fixed set, and
may do in one type of program what they do not in another (a dynptr to a packet is read-only in the proof, and writing
to it then fails when it runs, not when it is loaded). Those are refused by their numbers: there will be no new helpers.

And the two programs must have the same function. What is compared is what the kernel was given: behind the
instructions of a program's own stand, in libbpf's order, all functions that it calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.bpf.opening import Parsed
from dynmon.bpf.reach import CALL, FUNCTION, HELPER, INSTRUCTION, Function, Uses
from dynmon.bpf.refusals import Refusal
from dynmon.bpf.source_lines import source_lines
from dynmon.bpf.source_text import USER_FILE

STAGE = "passive"
FORBIDDEN_HELPERS = {
    12: ("bpf_tail_call", "goes on in a program that is not part of the proof"),
    97: ("bpf_skb_ecn_set_ce", "changes the packet"),
}
OTHER_CUBE = "leave it out, or make a cube that is not passive"


def check_calls(parsed: Parsed, uses: Uses) -> None:
    """Refuse code that calls what a passive cube must not, with the line that does.

    Raises:
        Refusal: With what it calls.
    """
    for function in sorted(uses.functions, key=lambda each: (each.section, each.start)):
        for instruction, reason in _forbidden_in(parsed, function):
            raise Refusal(STAGE, reason, OTHER_CUBE, lines=_line_of(parsed, function, instruction))


def check_same(parsed: Parsed, programs: dict[str, int], program: str, proof: str) -> None:
    """Refuse a program whose functions are not those of its proof.

    Raises:
        Refusal: They differ.
    """
    called = [_called(parsed, programs[name], name) for name in (program, proof)]
    if called[0] != called[1]:
        raise Refusal(STAGE, "the instructions that would run are not those of the proof", "leave assembly out")
    for code, registers, _, number in INSTRUCTION.iter_unpack(called[0]):
        if code == CALL and (reason := _why_forbidden(registers >> 4, number, "")):
            raise Refusal(STAGE, reason, OTHER_CUBE)


def _called(parsed: Parsed, handle: int, name: str) -> bytes:
    """The instructions behind those of the program's own, as the kernel was given them."""
    own = parsed.code.function(name)
    assert own, "a loaded program is in the object"
    count = _libbpf.program_instruction_count(handle)
    raw = ctypes.string_at(_libbpf.program_instructions(handle), count * INSTRUCTION.size)
    return raw[(own.end - own.start) * INSTRUCTION.size :]


def _forbidden_in(parsed: Parsed, function: Function) -> Iterator[tuple[int, str]]:
    relocations = parsed.elf.relocations(function.section)
    content = parsed.elf.sections[function.section].content
    own = content[function.start * INSTRUCTION.size : function.end * INSTRUCTION.size]
    for index, (code, registers, _, number) in enumerate(INSTRUCTION.iter_unpack(own), function.start):
        if code == CALL:
            symbol = relocations.get(index * INSTRUCTION.size)
            kernels = symbol.name if symbol and not symbol.section else ""
            if reason := _why_forbidden(registers >> 4, number, kernels):
                yield index, reason


def _why_forbidden(kind: int, number: int, kernel_function: str) -> str:
    """Why a passive cube must not make a call of this kind; "" if it may."""
    if kernel_function or kind not in (HELPER, FUNCTION):
        named = f"kernel function {kernel_function!r}" if kernel_function else "a kernel function"
        return f"it calls {named}, of which nobody knows whether it changes packets"
    if kind == HELPER and number in FORBIDDEN_HELPERS:
        name, effect = FORBIDDEN_HELPERS[number]
        return f"it calls {name}, which {effect}"
    return ""


def _line_of(parsed: Parsed, function: Function, instruction: int) -> list[Any]:
    """The last line record of the user's at or before the instruction."""
    section = parsed.elf.sections[function.section].name
    before = [
        [line.instruction, line.file, line.line, line.column, line.text]
        for line in source_lines(parsed.elf, {section})
        if function.start <= line.instruction <= instruction and line.file.endswith(USER_FILE) and line.line
    ]
    return before[-1:]

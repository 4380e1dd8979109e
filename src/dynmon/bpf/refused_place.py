"""Which of the user's own lines the verifier was at when it refused.

The log has the source lines in between the instructions that come from them:

    ; value->count++; @ <stdin>:12          (since Linux 6.10; before, the text alone)
    5: (79) r1 = *(u64 *)(r0 +0)

The last one may be of a header: a function of it, inlined. The user's line is then the last of their own before it on
this way through the program. User code comes to clang on standard input, and is called ``<stdin>``.

Methods of maps are made by the macro that declares the map, so that their code comes from its line, while what is
wrong is wrong where the method is called. (`__attribute__((nodebug))` would say so too, but clang 14 crashes when such
a function is not inlined.) The call is then looked for in the text, behind the user's last line on the way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynmon.bpf.source_text import USER_FILE, SourceText, base_name

# libbpf puts the name of a relocation that this kernel cannot have in the place of its instruction.
INSTRUCTION = re.compile(r"^(\d+): (?:\([0-9a-f]{2}\) |(?=<invalid ))(.*)")
SOURCE = re.compile(r"^;(?P<text>.*?)(?: @ (?P<file>[^@]*):(?P<line>\d+))?$")
VALIDATING = re.compile(r"^Validating (\w+)\(\) func#")
JUMP = re.compile(r"^from (\d+) to (\d+)")
NAMED_INSTRUCTION = re.compile(r"\binsn (\d+)")
DECLARATION = re.compile(r"\s*BPF_[A-Z_]+\s*\(")
WORD = re.compile(r"\w+")
CALL = re.compile(r"call bpf_(\w+)#\d+")
# The methods that call a helper; where the helper is another, all of them are possible.
METHODS = {
    "map_lookup_elem": r"(?:lookup\w*|(?:atomic_)?increment)",
    "map_update_elem": r"(?:update|insert|lookup_or\w+|increment)",
    "map_delete_elem": "delete",
    "map_push_elem": "push",
    "map_pop_elem": "pop",
    "map_peek_elem": "peek",
    "tail_call": "call",
}


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """A line record of the object: code from `instruction` on comes from here.

    A record without file and line ends the code of a function.
    """

    instruction: int
    file: str
    line: int
    column: int
    text: str

    @property
    def base_name(self) -> str:
        """The file without its folder, as the kernel prints it."""
        return base_name(self.file)


def refused_place(
    lines: Sequence[str], places: Sequence[SourcePlace], reason: str, text: SourceText
) -> SourcePlace | None:
    """The user's line that the verifier stopped at, if the log or the line records tell."""
    users = [place for place in places if place.base_name in (USER_FILE, "")]
    if not any(text.lines.values()) and all(not place.file for place in users):
        users = list(places)  # an object that the user compiled: all files are theirs
    declared = {number for number, line in text.lines.items() if DECLARATION.match(line)}
    walk = [line for line in lines if not _is_at(line, declared)]
    outside = [place for place in users if place.base_name != USER_FILE or place.line not in declared]
    place = _place_of(walk, outside, reason)
    call = _method_call(lines, place, text) if place else None
    return call or place or _place_of(lines, users, reason) or _refused_function(lines, text)


def last_header_line(lines: Sequence[str], places: Sequence[SourcePlace], text: SourceText) -> tuple[str, int] | None:
    """The line of a header of the user's that the refused instruction comes from."""
    last = next((found for line in reversed(lines) if (found := SOURCE.match(line))), None)
    if last and last["file"]:
        file, line = last["file"], int(last["line"])
    elif place := _place_of_instruction(_last_instruction(lines), places):
        file, line = place.base_name, place.line
    else:
        return None
    return (file, line) if text.has_header(file) else None


def _is_at(line: str, numbers: set[int]) -> bool:
    found = SOURCE.match(line)
    return bool(found and found["file"] == USER_FILE and int(found["line"]) in numbers)


def _place_of(lines: Sequence[str], users: Sequence[SourcePlace], reason: str) -> SourcePlace | None:
    named = NAMED_INSTRUCTION.search(reason)
    if named:  # "unreachable insn 5": the walk has not been there
        return _place_of_instruction(int(named[1]), users)
    return _place_in_walk(lines, users) or _place_of_instruction(_last_instruction(lines), users)


def _place_in_walk(lines: Sequence[str], users: Sequence[SourcePlace]) -> SourcePlace | None:
    instruction = -1
    for line in reversed(lines):
        if jump := JUMP.match(line):  # what is printed before is another way through the program
            return _place_of_instruction(int(jump[2]), users)
        step, source = INSTRUCTION.match(line), SOURCE.match(line)
        if step:
            instruction = int(step[1])
        elif source:
            place = _place_of_source(source, instruction, users)
            if place:
                return place
    return None


def _place_of_source(source: re.Match[str], instruction: int, users: Sequence[SourcePlace]) -> SourcePlace | None:
    """The line record behind a source line of the log, if it is the user's."""
    text, file, line = source["text"].strip(), source["file"], source["line"]
    if line is None:
        same = [place for place in users if place.text.strip() == text]
    else:
        same = [place for place in users if place.line == int(line) and place.base_name == file]
    exact = [place for place in same if place.instruction == instruction]
    if exact or (same and (text or line)):
        return (exact or same)[0]
    is_users = file == USER_FILE and line != "0"  # zero: the compiler made it up
    return SourcePlace(instruction, file, int(line), 0, text) if is_users else None


def _place_of_instruction(instruction: int, users: Sequence[SourcePlace]) -> SourcePlace | None:
    """The last record at or before an instruction."""
    before = [place for place in users if place.instruction <= instruction]
    nearest = max(before, key=lambda place: place.instruction, default=None)
    return nearest if nearest and nearest.line else None


def _refused_function(lines: Sequence[str], text: SourceText) -> SourcePlace | None:
    """The function whose declaration was refused: before Linux 6.8 that comes before all instructions."""
    name = next((found[1] for line in reversed(lines) if (found := VALIDATING.match(line))), "")
    for number, line in sorted(text.lines.items()):
        found = re.search(rf"\b{name}\s*\(", line) if name and not line.rstrip().endswith(";") else None
        if found:
            return SourcePlace(0, USER_FILE, number, found.start() + 1, line)
    return None


def _last_instruction(lines: Sequence[str]) -> int:
    steps = (INSTRUCTION.match(line) for line in reversed(lines))
    return next((int(step[1]) for step in steps if step), -1)


def _method_call(lines: Sequence[str], place: SourcePlace, text: SourceText) -> SourcePlace | None:
    """Where the method is called whose code was refused: as often behind `place` as its helper was on the way."""
    found = _refused_method(lines, place)
    declaration = text.line(USER_FILE, found[1]) if found else ""
    if not found or not DECLARATION.match(declaration):
        return None
    helper, _, times = found
    method = METHODS.get(helper, helper if helper.startswith("ringbuf") else r"\w+")
    declared = set(WORD.findall(declaration))
    calls = [
        replace(place, line=number, column=call.start() + 1, text=line)
        for number, line in sorted(text.lines.items())
        if number >= place.line
        for call in re.finditer(rf"\b(\w+)\s*\.\s*{method}\s*\(", line)
        if call[1] in declared
    ]
    return calls[min(times, len(calls)) - 1] if calls else None


def _refused_method(lines: Sequence[str], place: SourcePlace) -> tuple[str, int, int] | None:
    """The helper that was called last, the line its code comes from, and how often it was called since `place`."""
    helper, number, times = "", 0, 0
    for line in reversed(lines):
        step, source = INSTRUCTION.match(line), SOURCE.match(line)
        if step:
            call = CALL.match(step[2])
            if not helper and not call:
                return None
            helper = helper or (call[1] if call else "")
            times += bool(call and call[1] == helper)
        elif source and source["file"] == USER_FILE:
            number = number or int(source["line"])
            if int(source["line"]) == place.line:
                break
        elif JUMP.match(line):
            break
    return (helper, number, times) if helper and number else None

"""Make sense of the verifier's log: what it refused, and which of the user's own lines it was at.

The log is a trace of the instructions as the verifier walks them, in between the source lines that they come from,
and at the end the reason of the refusal:

    ; value->count++; @ <stdin>:12          (since Linux 6.10; before, the text alone)
    5: (79) r1 = *(u64 *)(r0 +0)
    R0 invalid mem access 'map_value_or_null'
    processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

The last source line may be one of a header: a map's method, inlined. The user's line is then the last of their own
before it on this way through the program. User code comes to clang on standard input, and is called ``<stdin>``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dynmon.bpf.errors import VerifierError
from dynmon.errors import Diagnostic

USER_FILE = "<stdin>"
SHOWN_LINES = 20

INSTRUCTION = re.compile(r"^(\d+): \([0-9a-f]{2}\) ")
SOURCE = re.compile(r"^;(?P<text>.*?)(?: @ (?P<file>[^@]*):(?P<line>\d+))?$")
JUMP = re.compile(r"^from (\d+) to (\d+)")
STATE = re.compile(r"^(\d+: )?(R\d+(_\w+)?=|frame\d+:|fp-?\d+=|; )|^(last_idx|first_idx|regs=|parent |mark_precise)")
FOOTER = re.compile(
    r"^(processed \d+ insns|verification time|stack depth|-- (BEGIN|END) |max_states|insns processed)"
    r"|^(func#\d+ |Validating |Func#\d+ )|^(cur|old) state:"
)
# What the verifier means, for who does not read its log every day.
HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"'?\w+_or_null'?", "it may be NULL, and has to be compared with it first"),
        (r"invalid access to packet", "compare the end of what is read with data_end first"),
        (
            r"invalid mem access 'scalar'",
            "it is no pointer that the kernel knows; a packet begins at (void *)(long)ctx->data",
        ),
        (r"type=scalar expected=fp", "a pointer is wanted here, such as &key"),
        (r"type=map_value expected=map_ptr", "the map behind the macro's NAME is &dynmon_map_NAME"),
        (r"infinite loop|back-edge|too complex|program is too large", "give the loop a bound that is a small constant"),
        (r"invalid (?:indirect )?read from stack", "set all bytes first, those between the members too"),
        (
            r"unbounded|min value is negative|outside of the allowed memory range",
            "compare the number with its bounds first",
        ),
        (r"stack size|combined stack", "there are 512 bytes of stack; larger things go into a per-CPU array"),
    )
)
DECLARATION = re.compile(r"\s*BPF_[A-Z_]+\s*\(")
NAMED_INSTRUCTION = re.compile(r"\binsn (\d+)")


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """A line record of the object: code from `instruction` on comes from here.

    An instruction of -1 is somewhere in a subprogram. A record without file and line ends the program's own code.
    """

    instruction: int
    file: str
    line: int
    column: int
    text: str

    @property
    def base_name(self) -> str:
        """The file without its folder, as the kernel prints it."""
        return self.file.rpartition("/")[2]


def verifier_error(
    file: str, program: str, log: str, places: Sequence[SourcePlace], fallback: str, source: str = ""
) -> VerifierError:
    """The error that says what `log` says.

    `fallback` is the reason where the log has none, `source` the user's text, to quote the line from.
    """
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    reason = refusing_lines(lines)
    message = "; ".join(reason) or fallback
    place = refused_place(*_without_declarations(lines, places, source), reason) or refused_place(lines, places, reason)
    diagnostic = Diagnostic(
        file=file,
        line=place.line if place else 0,
        column=place.column if place else 0,
        severity="error",
        message=message,
        source_line=_text_of(place, source) if place else "",
        hint=hint_for(message),
    )
    return VerifierError(program, diagnostic, [], lines[-SHOWN_LINES:])


def hint_for(message: str) -> str:
    """What to do about a refusal; "" where nothing is known."""
    return next((hint for pattern, hint in HINTS if pattern.search(message)), "")


def _text_of(place: SourcePlace, source: str) -> str:
    """The text of the line; clang records it only with -gembed-source."""
    lines = source.split("\n") if place.base_name == USER_FILE else []
    return lines[place.line - 1].rstrip("\r") if 0 < place.line <= len(lines) else place.text


def refusing_lines(lines: Sequence[str]) -> list[str]:
    """The reason of the refusal: what the log says behind its last instruction."""
    reason: list[str] = []
    for line in reversed(lines):
        if FOOTER.match(line):
            continue
        if INSTRUCTION.match(line) or STATE.match(line) or JUMP.match(line):
            if reason:
                break
            continue
        reason.insert(0, line)
    return reason


def _without_declarations(
    lines: Sequence[str], places: Sequence[SourcePlace], source: str
) -> tuple[list[str], list[SourcePlace]]:
    """The log and the line records without the lines that declare maps.

    Methods are made by the macro that declares their map, so that their code comes from its line: what is wrong is
    wrong where the method is called. (`__attribute__((nodebug))` would say so too, but clang 14 crashes when such a
    function is not inlined.)
    """
    declarations = {number for number, text in enumerate(source.split("\n"), 1) if DECLARATION.match(text)}

    def is_declaration(file: str | None, line: int) -> bool:
        return file == USER_FILE and line in declarations

    return (
        [
            each
            for each in lines
            if not ((at := SOURCE.match(each)) and is_declaration(at["file"], int(at["line"] or 0)))
        ],
        [each for each in places if not is_declaration(each.base_name, each.line)],
    )


def refused_place(lines: Sequence[str], places: Sequence[SourcePlace], reason: Sequence[str]) -> SourcePlace | None:
    """The user's line that the verifier stopped at, if the log or the line records tell."""
    users = [place for place in places if place.base_name in (USER_FILE, "")]
    if all(not place.file for place in users):
        users = list(places)  # an object that the user compiled: all files are theirs
    named = NAMED_INSTRUCTION.search(" ".join(reason))
    if named:  # "unreachable insn 5": the walk has not been there
        return _place_of_instruction(int(named[1]), users)
    return _place_in_walk(lines, users) or _place_of_instruction(_last_instruction(lines), users)


def _place_in_walk(lines: Sequence[str], users: Sequence[SourcePlace]) -> SourcePlace | None:
    instruction = -1
    for line in reversed(lines):
        if JUMP.match(line):  # what is printed before is another way through the program
            return _place_of_instruction(int(JUMP.match(line)[2]), users)  # type: ignore[index]
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
    """The last record at or before an instruction of the program itself."""
    before = [place for place in users if 0 <= place.instruction <= instruction]
    nearest = max(before, key=lambda place: place.instruction, default=None)
    return nearest if nearest and nearest.line else None


def _last_instruction(lines: Sequence[str]) -> int:
    steps = (INSTRUCTION.match(line) for line in reversed(lines))
    return next((int(step[1]) for step in steps if step), -1)

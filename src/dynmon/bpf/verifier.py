"""Make sense of the verifier's log: what it refused, which of the user's own lines it was at, and what to do.

The log is a trace of the instructions as the verifier walks them, with the source lines that they come from and what
the registers hold, and at the end the reason of the refusal:

    ; value->count++; @ <stdin>:12
    5: (79) r1 = *(u64 *)(r0 +0)
    R0 invalid mem access 'map_value_or_null'
    processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dynmon.bpf import passivity_hints, verifier_hints
from dynmon.bpf.errors import NotPassive, VerifierError
from dynmon.bpf.refused_place import INSTRUCTION, JUMP, SourcePlace, last_header_line, refused_place
from dynmon.bpf.registers import Stop, in_words, last_stop, map_in_words
from dynmon.bpf.source_text import SourceText
from dynmon.bpf.verifier_hints import Rule, explain
from dynmon.errors import Diagnostic

__all__ = ["SourcePlace", "not_passive", "refusing_lines", "verifier_error"]

SHOWN_LINES = 20

STATE = re.compile(
    r"^(\d+: )?(R\d+(_\w+)?=|frame\d+:|fp-?\d+=|;(?: |$))|^(last_idx|first_idx|regs=|parent |mark_precise)"
)
FOOTER = re.compile(
    r"^(processed \d+ insns|verification time|stack depth|-- (BEGIN|END) |max_states|insns processed)"
    r"|^(func#\d+ |Validating |Func#\d+ )|^(cur|old) state:"
)


def verifier_error(
    file: str, program: str, log: str, places: Sequence[SourcePlace], fallback: str, source: str = ""
) -> VerifierError:
    """The error that says what `log` says.

    `fallback` is the reason where the log has none, `source` the user's text, to quote the line from.
    """
    return VerifierError(program, *_findings(file, log, places, fallback, source, verifier_hints.RULES))


def not_passive(
    file: str,
    program: str,
    log: str,
    places: Sequence[SourcePlace],
    fallback: str,
    source: str = "",
    hint: str = "",
) -> NotPassive:
    """The same for code that is to be passive; without a `log`, it is what `fallback` says at the one place."""
    if log:
        return NotPassive(program, *_findings(file, log, places, fallback, source, passivity_hints.RULES))
    place = places[0] if places else SourcePlace(0, "", 0, 0, "")
    quoted = SourceText(source).line(place.file, place.line) or place.text
    finding = Diagnostic(file, place.line, place.column, "error", fallback, quoted, hint)
    return NotPassive(program, finding, fallback, (), ())


def _findings(
    file: str, log: str, places: Sequence[SourcePlace], fallback: str, source: str, rules: Sequence[Rule]
) -> tuple[Diagnostic, str, list[str], list[str]]:
    """The finding, the kernel's reason, what the registers held, and the end of the log."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    text = SourceText(source)
    reason = "; ".join(refusing_lines(lines)) or fallback
    place = refused_place(lines, places, reason, text)
    stop = last_stop(lines)
    words, hint = explain(reason, _facts(stop, text, place.line if place else 0), rules)
    finding = Diagnostic(
        file=file,
        line=place.line if place else 0,
        column=place.column if place else 0,
        severity="error",
        message=_in_header(lines, places, text) + (f"{words} ({reason})" if words else reason),
        source_line=(text.line(place.file, place.line) or place.text) if place else "",
        hint=hint,
    )
    return finding, reason, list(in_words(stop, reason)), lines[-SHOWN_LINES:]


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


def _in_header(lines: Sequence[str], places: Sequence[SourcePlace], text: SourceText) -> str:
    """The line of the user's header that was refused, while the place is where their code led there."""
    place = last_header_line(lines, places, text)
    return text.quote_header(*place) if place else ""


def _facts(stop: Stop, text: SourceText, line: int) -> dict[str, str]:
    """What the sentences of the hints speak of: the map, and where and into what its value was looked up."""
    name = next((name for value in stop.registers.values() if (name := value.attributes.get("map"))), "")
    facts = {"map": map_in_words(name), "variable": "the value", "looked_up": ""}
    if looked_up := _lookup(name, text, line) if name else None:
        facts["looked_up"] = f" in line {looked_up[0]}"
        facts["variable"] = looked_up[1] or facts["variable"]
    return facts


def _lookup(map_name: str, text: SourceText, line: int) -> tuple[int, str] | None:
    """The last line up to `line` that looks `map_name` up, and what it puts the result into."""
    name = re.escape(map_name)
    method, helper = rf"\b{name}\s*\.\s*lookup", rf"lookup_elem\s*\(\s*&\s*{name}\b"
    call = re.compile(rf"(?:\b(\w+)\s*=(?!=)[^=;]*)?(?:{method}|{helper})")
    for number, written in sorted(text.lines.items(), reverse=True):
        if number <= line and (found := call.search(written)):
            return number, found[1] or ""
    return None

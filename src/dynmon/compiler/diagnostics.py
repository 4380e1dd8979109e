"""What clang said, as findings at places in the user's own text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dynmon.bpf.source_text import USER_FILE, SourceText
from dynmon.errors import Diagnostic, InjectionError
from dynmon.models import Direction

MAX_DIAGNOSTICS = 50
MAX_MESSAGE = 1000
HANDLER = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)"
MISSING_HANDLER = f"handle_rx is not defined: the code must have a function {HANDLER}"

# file:line:column: severity: message
LOCATED = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?P<column>\d+): "
    r"(?P<severity>fatal error|error|warning|note): (?P<message>.*)$"
)
# What stands before a finding in a header: the line of the user's that led there.
INCLUDED_FROM = re.compile(r"^(?:In file included from|\s+from) (?P<file>[^\s:][^:\n]*):(?P<line>\d+):$")
# The code generator turns it around: error: file:line:column: in function name type: message
FROM_BACKEND = re.compile(
    r"^(?P<severity>fatal error|error|warning): (?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)$"
)
UNLOCATED = re.compile(r"^(?:clang[-\d]*: )?(?P<severity>fatal error|error): (?P<message>.*)$")
MENTIONED = re.compile(rf"{USER_FILE}:(\d+):(\d+)")
# What the dialect's headers make clang say, and what is meant.
SENTENCES = (
    (re.compile(r"'handle_rx' has internal linkage but is not defined"), MISSING_HANDLER),
    (re.compile(r"^static_assert failed.* \"(.*)\"$"), r"\1"),  # until clang 15
    (re.compile(r"^static assertion failed(?: due to requirement '.*')?: (.+)$"), r"\1"),
    (re.compile(r"dynmon_the_leaf_is_not_an_integer"), "increment needs a map whose leaf is an integer"),
    (re.compile(r"(?:function|identifier) 'DYNMON_STORE_\w+'"), "pcn_log takes at most four arguments"),
    (re.compile(r"^(conflicting types for 'handle_rx')"), rf"\1: it must be {HANDLER}"),
    (
        re.compile(r"incomplete type 'dynmon_(?:key|leaf|number)_(\w+)'(?: \(aka '(.*)'\))?"),
        r"map '\1' is made of '\2', which is not declared before it",
    ),
    # A map is a struct without a name, and so may be a struct of the user's.
    (
        re.compile(r"^(.*)'(?:const )?struct \(unnamed(?: struct)? at <stdin>:(\d+):\d+\)'(.*)$"),
        r"\1what line \2 declares\3",
    ),
    (re.compile(r"redefinition of enumerator 'dynmon_type_(\w+)'"), r"map '\1' is declared twice"),
    (re.compile(r"^in function (\S+) .*?\): (.*)$"), r"in function \1: \2"),
    # The code generator speaks of its own data, in other words with every release.
    (
        re.compile(r"too many (?:args\b|arguments$)|stack arguments are not supported"),
        "a function that is not inlined takes more than 5 arguments",
    ),
    (
        re.compile(r"VarArgs or StructRet|aggregate returns|only (?:integer|small) returns|variadic functions"),
        "a function that is not inlined returns a struct, or takes a variable number of arguments",
    ),
    (re.compile(r"Cannot select: .* = sdiv|unsupported signed division"), "signed division is not supported"),
    (re.compile(r"Looks like the BPF stack limit"), "more than 512 bytes of stack are used here"),
    (re.compile(r"[Uu]nsupported dynamic stack allocation"), "the size of a variable on the stack is not constant"),
    (
        re.compile(r"(?:implicit declaration of|call to undeclared)(?: library)? function ('\w+')"),
        r"function \1 is not declared",
    ),
    (re.compile(r"implicitly declaring library function ('\w+')"), r"function \1 is not declared"),
)
# The driver's own closing words: there were errors, or nobody listens any more.
NOISE = re.compile(r"clang frontend command failed|linker command failed|IO failure on output stream")


class CompileError(InjectionError):
    """The code does not compile."""

    stage = "compile"

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [finding for finding in diagnostics if finding.severity == "error"] or list(diagnostics)
        first = errors[0]
        place = f" at line {first.line}" if first.line else ""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(
            f"the {first.file} code does not compile{place}: {first.message}{more}",
            file=first.file,
            message=first.message,
            hint=first.hint,
            diagnostics=diagnostics,
        )


@dataclass(slots=True)
class _Finding:
    """A finding, and the other places that clang named with it."""

    file: str
    line: int
    column: int
    severity: str
    message: str
    notes: list[tuple[str, int, int]] = field(default_factory=list)


def parse_diagnostics(messages: str, source: str, direction: Direction) -> tuple[Diagnostic, ...]:
    """Read clang's standard error; errors first, then warnings, at most MAX_DIAGNOSTICS.

    One use of a macro that is wrong has many consequences: of the findings at one place only the first is told.
    """
    text = SourceText(source)
    placed = [_place(finding, text, direction) for finding in _findings(messages)]
    told = {finding.message for finding in placed if finding.line}
    findings: dict[object, Diagnostic] = {}
    for finding in placed:
        if finding.line or finding.message not in told:
            place = (finding.line, finding.column, finding.severity) if finding.line else finding.message
            findings.setdefault(place, finding)
    ranked = sorted(findings.values(), key=lambda finding: finding.severity != "error")
    return tuple(ranked[:MAX_DIAGNOSTICS])


def _findings(messages: str) -> list[_Finding]:
    findings: list[_Finding] = []
    includes: list[tuple[str, int, int]] = []
    # clang tells the way to a header once, not again for the next finding in it.
    ways: dict[str, list[tuple[str, int, int]]] = {}
    for text in messages.splitlines():
        if match := INCLUDED_FROM.match(text):
            includes.append((match["file"], int(match["line"]), 0))
        elif match := LOCATED.match(text) or FROM_BACKEND.match(text):
            place = match["file"], int(match["line"]), int(match["column"])
            includes = ways.setdefault(match["file"], includes)
            if match["severity"] != "note":
                findings.append(_Finding(*place, match["severity"], match["message"], [*includes]))
            elif findings:
                findings[-1].notes += [place, *includes]
            includes = []
        elif (match := UNLOCATED.match(text)) and not NOISE.search(match["message"]):
            findings.append(_unlocated(match["severity"], match["message"]))
    return findings


def _unlocated(severity: str, message: str) -> _Finding:
    """What the code generator says, with the place in its middle if at all."""
    place = MENTIONED.search(message)
    if not place:
        return _Finding("", 0, 0, severity, message)
    return _Finding(USER_FILE, int(place[1]), int(place[2]), severity, message)


def _place(finding: _Finding, text: SourceText, direction: Direction) -> Diagnostic:
    """The finding in the user's text: where it is, or else the first note that points there."""
    from dynmon.compiler.hints import hint_for  # its patterns take a while to compile, and most code has no findings

    places = [(finding.file, finding.line, finding.column), *finding.notes]
    line, column = next(((line, column) for file, line, column in places if file == USER_FILE), (0, 0))
    source_line = text.line(USER_FILE, line)
    message = _sentence(finding.message)[:MAX_MESSAGE]
    written = text.line(finding.file, finding.line) if text.has_header(finding.file) else source_line
    quoted = text.quote_header(finding.file, finding.line) if text.has_header(finding.file) else ""
    return Diagnostic(
        direction.value,
        line,
        column,
        "warning" if finding.severity == "warning" else "error",
        (quoted + message)[:MAX_MESSAGE],
        source_line,
        hint_for(message, written, [file for file, _, _ in places]),
    )


def _sentence(message: str) -> str:
    """What clang said, in the words of the code's author where they are known."""
    for pattern, words in SENTENCES:
        if match := pattern.search(message):
            return match.expand(words)
    return message

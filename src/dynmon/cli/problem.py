"""A refused request in lines for people: the sentence, then each finding with the source line it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynmon.cli.text import printable

MAX_LOG_LINES = 20


def explain(detail: str, problem: Mapping[str, Any]) -> Iterator[str]:
    """`detail` and what the problem document adds to it: compiler or verifier findings, schema faults, the log."""
    findings = list(_objects(problem.get("diagnostics")))
    # What is below word for word need not be here.
    yield printable(detail.replace(f": {findings[0].get('message')}", "", 1) if findings else detail)
    for fault in _objects(problem.get("errors")):
        yield from _fault(fault, detail)
    for number, finding in enumerate(findings):
        yield from _diagnostic(finding, () if number else _texts(problem.get("registers")))
    if problem.get("hint") and not any(finding.get("hint") for finding in findings):
        yield printable(f"  = hint: {problem['hint']}")
    for line in _texts(problem.get("log"))[-MAX_LOG_LINES:]:
        yield printable(f"  | {line}")


def _texts(value: Any) -> list[str]:
    return value.splitlines() if isinstance(value, str) else [str(line) for line in value or ()]


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value or () if isinstance(item, Mapping))


def _fault(finding: Mapping[str, Any], detail: str) -> Iterator[str]:
    line = ": ".join(str(part) for part in (finding.get("path"), finding.get("message")) if part)
    if line not in detail:
        yield printable(f"  {line}")


def _diagnostic(finding: Mapping[str, Any], notes: Sequence[str]) -> Iterator[str]:
    """The place and the message; the line with its number, a caret under the column; what there is to know of it."""
    line, column = finding.get("line") or 0, finding.get("column") or 0
    place = f"{finding.get('file', 'code')}:{line}:{column}" if line else str(finding.get("file", "code"))
    yield printable(f"{place}: {finding.get('severity', 'error')}: {finding.get('message', '')}")
    source = str(finding.get("source-line") or "").rstrip("\r\n")
    margin = " " * (len(str(line)) + 1)
    if source.strip():
        yield printable(f" {line} | {source}")
        if column:
            yield f" {margin}| {_under(source, column)}^"
    for note in notes:
        yield printable(f" {margin}= note: {note}")
    if finding.get("hint"):
        yield printable(f" {margin}= hint: {finding['hint']}")


def _under(source: str, column: int) -> str:
    """Blanks as wide as what stands before `column` (in bytes, from one, as clang counts)."""
    before = source.encode()[: column - 1].decode(errors="ignore")
    return "".join("\t" if character == "\t" else " " for character in before)

"""A refused request in lines for people: the sentence, then each finding with the source line it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dynmon.cli.text import printable

MAX_LOG_LINES = 20


def explain(detail: str, problem: Mapping[str, Any]) -> Iterator[str]:
    """`detail` and what the problem document adds to it: compiler or verifier findings, schema faults, the log."""
    yield printable(detail)
    for fault in _objects(problem.get("errors")):
        yield from _fault(fault, detail)
    for finding in _objects(problem.get("diagnostics")):
        yield from _diagnostic(finding)
    log = problem.get("log")
    lines = log.splitlines() if isinstance(log, str) else [str(line) for line in log or ()]
    for line in lines[-MAX_LOG_LINES:]:
        yield printable(f"  | {line}")


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value or () if isinstance(item, Mapping))


def _fault(finding: Mapping[str, Any], detail: str) -> Iterator[str]:
    line = ": ".join(str(part) for part in (finding.get("path"), finding.get("message")) if part)
    if line not in detail:
        yield printable(f"  {line}")


def _diagnostic(finding: Mapping[str, Any]) -> Iterator[str]:
    line, column = finding.get("line") or 0, finding.get("column") or 0
    place = f"{finding.get('file', 'code')}:{line}:{column}" if line else str(finding.get("file", "code"))
    yield printable(f"{place}: {finding.get('severity', 'error')}: {finding.get('message', '')}")
    source = str(finding.get("source-line") or "").rstrip("\r\n")
    if source.strip():
        yield printable(source)
        if column:
            yield _under(source, column) + "^"


def _under(source: str, column: int) -> str:
    """Blanks as wide as what stands before `column` (in bytes, from one, as clang counts)."""
    before = source.encode()[: column - 1].decode(errors="ignore")
    return "".join("\t" if character == "\t" else " " for character in before)

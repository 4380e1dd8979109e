"""The bad programs beside this file, and what each says in its first comment about the refusal that it expects.

    /*
     * stage: verify                    one of schema, compile, open, load, verify, check, attach
     * line: 14                         of this file; without it the refusal has no line
     * says: may be NULL                the message, as a regular expression; kernels and compilers differ a little
     * hint: if \\(!count\\)              the hint
     * note: r0 was the result          one of the sentences about registers
     * hook: XDP_SKB                    the type of the cube; TC otherwise
     * passive: true                    whether the cube is passive
     * path: {"program": "count"}       more keys of the path, in JSON
     * needs: lazy-functions            what the kernel must have to refuse it like this, of tests/support.py
     */

A JSON file has the same keys in an object, and the document that is refused under ``config``; the code that is not to
blame is in the folder ``good``, and named by ``code-file``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynmon.cli.pack import resolve_code_files

FOLDER = Path(__file__).parent / "programs"
GOOD = Path(__file__).parent / "good"
EXPECTATION = re.compile(r"^ \* (\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is refused."""

    name: str
    stage: str
    says: str
    hint: str
    config: dict[str, Any]
    line: int = 0
    note: str = ""
    hook: str = "TC"
    passive: bool = False
    needs: str = ""
    path: dict[str, Any] = field(default_factory=dict)


def load_cases() -> list[Case]:
    """All of them, by name."""
    return [_of_c(file) for file in sorted(FOLDER.glob("*.c"))] + [
        _of_json(file) for file in sorted(FOLDER.glob("*.json"))
    ]


def _of_c(file: Path) -> Case:
    code = file.read_text()
    expected: dict[str, Any] = dict(EXPECTATION.findall(code[: code.index("*/")]))
    expected["line"] = int(expected.get("line", 0))
    expected["passive"] = expected.get("passive") == "true"
    expected["path"] = json.loads(expected.get("path", "{}"))
    return Case(file.stem, **expected, config={"ingress-path": {"name": file.stem, "code": code, **expected["path"]}})


def _of_json(file: Path) -> Case:
    expected = json.loads(file.read_text())
    return Case(file.stem, **{**expected, "config": resolve_code_files(expected["config"], GOOD)})

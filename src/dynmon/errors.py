"""The error tree: every error says what was tried, on what, what happened and what to do, and carries its parts.

The classes directly below DynmonError are what a caller can act on; the REST server gives each its HTTP status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, ClassVar


class DynmonError(Exception):
    """Root of every error that Dynmon raises on purpose.

    ``str(error)`` is one sentence for a person; ``fields()`` gives the same facts as data.
    """

    def fields(self) -> Mapping[str, Any]:
        """The facts of the error as JSON values, without the sentence."""
        return {}


class InvalidInputError(DynmonError):
    """What was asked cannot be understood or is not allowed (HTTP 400)."""


class NotFoundError(DynmonError):
    """What was asked for does not exist (HTTP 404)."""


class GoneError(DynmonError):
    """What was asked for existed, and does not any more (HTTP 410)."""


class ConflictError(DynmonError):
    """What was asked contradicts what is already there (HTTP 409)."""


class UnsupportedError(DynmonError):
    """This kernel, interface or installation cannot do what was asked (HTTP 501)."""


class InjectionError(DynmonError):
    """Code that cannot run: nothing was changed (HTTP 422).

    ``stage`` is one of ``compile``, ``open``, ``load``, ``verify``, ``check``; a document that is wrong (``schema``)
    or a place that is (``attach``) are errors of another kind, which say their stage in the same way. ``file`` is the
    direction whose code it is, "" where it is that of both. ``message`` is the reason without the attempt, ``hint``
    what to do about it ("" where nothing is known), ``diagnostics`` the places in the user's text.
    """

    stage: ClassVar[str]

    def __init__(
        self,
        sentence: str,
        *,
        file: str = "",
        message: str = "",
        hint: str = "",
        diagnostics: Sequence[Diagnostic] = (),
    ) -> None:
        super().__init__(sentence)
        self.file = str(file)
        self.message = message or sentence
        self.hint = hint
        self.diagnostics = tuple(diagnostics)
        if hint:  # for who sees the traceback only
            self.add_note(f"hint: {hint}")

    def fields(self) -> Mapping[str, Any]:
        return {
            "stage": self.stage,
            **({"path": f"{self.file}-path", "file": self.file} if self.file else {}),
            "message": self.message,
            **({"hint": self.hint} if self.hint else {}),
            **({"diagnostics": diagnostics_as_data(self.diagnostics)} if self.diagnostics else {}),
        }


class KernelError(DynmonError):
    """The kernel refused an operation that should have worked (HTTP 500)."""

    def __init__(self, attempt: str, error: OSError) -> None:
        super().__init__(f"{attempt}: {error.strerror or error}")
        self.errno = error.errno

    def fields(self) -> Mapping[str, Any]:
        return {"errno": self.errno}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about code or configuration, at a place in the user's own text.

    ``file`` is ``ingress`` or ``egress``; ``line`` and ``column`` count from one, zero is "unknown". ``hint`` says what
    to write instead, where that is known.
    """

    file: str
    line: int
    column: int
    severity: str
    message: str
    source_line: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.severity}: {self.message}"


def diagnostics_as_data(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics as JSON objects with kebab-case keys; no ``hint`` where none is known."""
    return [
        {key.replace("_", "-"): value for key, value in asdict(diagnostic).items() if value or key != "hint"}
        for diagnostic in diagnostics
    ]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the name that is nearest to `name`; "" where none is near."""
    found = get_close_matches(name, list(known), 1)
    return f"did you mean {found[0]!r}?" if found else ""

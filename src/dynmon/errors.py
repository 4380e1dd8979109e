"""The error tree: every error says what was tried, on what, what happened and what to do, and carries its parts.

The classes directly below DynmonError are what a caller can act on; the REST server gives each its HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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


class ConflictError(DynmonError):
    """What was asked contradicts what is already there (HTTP 409)."""


class UnsupportedError(DynmonError):
    """This kernel, interface or installation cannot do what was asked (HTTP 501)."""


class InjectionError(DynmonError):
    """Code that cannot run: nothing was changed (HTTP 422).

    ``stage`` is one of ``compile``, ``open``, ``load``, ``verify``, ``check``, ``attach``.
    """

    stage: ClassVar[str]


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

    ``file`` is ``ingress`` or ``egress``; ``line`` and ``column`` count from one, zero is "unknown".
    """

    file: str
    line: int
    column: int
    severity: str
    message: str
    source_line: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.severity}: {self.message}"


def diagnostics_as_data(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics as JSON objects with kebab-case keys."""
    return [{key.replace("_", "-"): value for key, value in asdict(diagnostic).items()} for diagnostic in diagnostics]

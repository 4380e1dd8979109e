"""Ways in which the kernel and libbpf refuse programs, maps and attachments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dynmon.errors import (
    ConflictError,
    Diagnostic,
    DynmonError,
    InjectionError,
    UnsupportedError,
    diagnostics_as_data,
)

# Of one tcx hook: BPF_MPROG_MAX is 64, and one place stays free (Linux 6.6, 053c8e1f235d).
MAX_PROGRAMS = 63


class _Refused(InjectionError):
    """Shared by what libbpf and the kernel say before the verifier has the word."""

    attempt: ClassVar[str]

    def __init__(self, file: str, message: str, log: Sequence[str] = ()) -> None:
        super().__init__(f"{self.attempt} the {file} code: {message}")
        self.file = file
        self.message = message
        self.log = list(log)

    def fields(self) -> Mapping[str, Any]:
        return {"stage": self.stage, "file": self.file, "message": self.message, "log": self.log}


class OpenError(_Refused):
    """The object is not one that can be loaded: not BPF, damaged, or it refers to what does not exist."""

    stage = "open"
    attempt = "open"


class LoadError(_Refused):
    """The kernel would not make the object's maps, or they would take too much memory."""

    stage = "load"
    attempt = "load"


class LoaderDied(_Refused):
    """The process that opens objects died or gave no answer in time; nothing else was harmed."""

    stage = "load"
    attempt = "load"


class VerifierError(InjectionError):
    """The kernel's verifier refused the program.

    ``diagnostics`` has the user's own line it stopped at, as far as that is known; ``log`` the verifier's last lines;
    ``hint`` what to do, where the reason is a common one.
    """

    stage = "verify"

    def __init__(
        self,
        file: str,
        program: str,
        message: str,
        diagnostics: Sequence[Diagnostic],
        log: Sequence[str],
        hint: str = "",
    ) -> None:
        place = next((f" at line {item.line}" for item in diagnostics if item.line), "")
        super().__init__(f"the kernel refused the {file} code{place}: {message}{f' ({hint})' if hint else ''}")
        self.file = file
        self.program = program
        self.message = message
        self.diagnostics = list(diagnostics)
        self.log = list(log)
        self.hint = hint

    def fields(self) -> Mapping[str, Any]:
        return {
            "stage": self.stage,
            "file": self.file,
            "program": self.program,
            "message": self.message,
            "hint": self.hint,
            "diagnostics": diagnostics_as_data(self.diagnostics),
            "log": self.log,
        }


class BatchTooSmall(DynmonError):
    """One hash bucket holds more entries than the buffers of a batch read; ask again with larger ones."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(f"read map {name!r}: {rows} rows are too few for one of its hash buckets")
        self.rows = rows


class InterfaceBusy(ConflictError):
    """Somebody's XDP program is on the interface already; there is room for one."""

    def __init__(self, interface: str, program_id: int) -> None:
        super().__init__(f"attach to {interface!r} ingress: interface already has an XDP program (id {program_id})")
        self.interface = interface
        self.program_id = program_id

    def fields(self) -> Mapping[str, Any]:
        return {"interface": self.interface, "program-id": self.program_id}


class HookFull(ConflictError):
    """The attach point has as many programs as the kernel takes."""

    def __init__(self, interface: str, direction: str) -> None:
        super().__init__(
            f"attach to {interface!r} {direction}: the kernel takes {MAX_PROGRAMS} programs there and no more; "
            "detach another one first"
        )
        self.interface = interface
        self.direction = direction

    def fields(self) -> Mapping[str, Any]:
        return {"interface": self.interface, "direction": str(self.direction)}


class ModeUnsupported(UnsupportedError):
    """The interface's driver cannot run XDP in the mode that was asked for."""

    def __init__(self, interface: str, mode: str) -> None:
        super().__init__(f"attach to {interface!r} ingress: its driver has no XDP in {mode!r} mode; try XDP_SKB")
        self.interface = interface
        self.mode = mode

    def fields(self) -> Mapping[str, Any]:
        return {"interface": self.interface, "mode": self.mode}

"""Ways in which the kernel and libbpf refuse programs, maps and attachments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dynmon.bpf.loading_hints import loading_hint
from dynmon.errors import (
    ConflictError,
    Diagnostic,
    DynmonError,
    InjectionError,
    UnsupportedError,
)

# Of one tcx hook: BPF_MPROG_MAX is 64, and one place stays free (Linux 6.6, 053c8e1f235d).
MAX_PROGRAMS = 63


class _Refused(InjectionError):
    """Shared by what libbpf and the kernel say before the verifier has the word."""

    attempt: ClassVar[str]

    def __init__(self, file: str, message: str, log: Sequence[str] = (), hint: str = "") -> None:
        hint = loading_hint(message, hint)
        super().__init__(f"{self.attempt} the {file} code: {message}", file=file, message=message, hint=hint)
        self.log = list(log)

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "log": self.log}


class OpenError(_Refused):
    """The object is not one that can be loaded: not BPF, damaged, or it refers to what does not exist.

    `undefined` is the map that the code calls ``extern`` and that nobody offers it, "" where the reason is another.
    """

    stage = "open"
    attempt = "open"

    def __init__(
        self, file: str, message: str, log: Sequence[str] = (), hint: str = "", *, undefined: str = ""
    ) -> None:
        super().__init__(file, message, log, hint)
        self.undefined = undefined

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), **({"map": self.undefined} if self.undefined else {})}


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

    ``diagnostics`` has the user's own line it stopped at, as far as that is known; ``reason`` is the kernel's own
    words, ``registers`` what was in the registers they are about, in sentences, ``log`` the verifier's last lines.
    """

    stage = "verify"
    attempt: ClassVar[str] = "the kernel refused"

    def __init__(
        self, program: str, finding: Diagnostic, reason: str, registers: Sequence[str], log: Sequence[str]
    ) -> None:
        place = f" at line {finding.line}" if finding.line else ""
        super().__init__(
            f"{self.attempt} the {finding.file} code{place}: {finding.message}",
            file=finding.file,
            message=finding.message,
            hint=finding.hint,
            diagnostics=[finding],
        )
        self.program = program
        self.reason = reason
        self.registers = list(registers)
        self.log = list(log)

    def fields(self) -> Mapping[str, Any]:
        return {
            **super().fields(),
            "program": self.program,
            "reason": self.reason,
            "registers": self.registers,
            "log": self.log,
        }


class NotPassive(VerifierError):
    """The code is for a passive cube, and nobody can show that it only looks at packets.

    The kernel refused to load it as a program that cannot write packets, or it calls what no passive cube may. It
    carries what a refusal of the verifier does.
    """

    stage = "check"
    attempt = "a passive cube cannot run"


class BatchTooSmall(DynmonError):
    """One hash bucket holds more entries than the buffers of a batch read; ask again with larger ones."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(f"read map {name!r}: {rows} rows are too few for one of its hash buckets")
        self.rows = rows


class AttachRefusal(DynmonError):
    """Shared by what the kernel says when code that runs could not be put where packets are."""

    def __init__(self, interface: str, direction: str, message: str, hint: str) -> None:
        super().__init__(f"attach to {interface!r} {direction}: {message}")
        self.add_note(f"hint: {hint}")
        self.interface = interface
        self.direction = direction
        self.message = message
        self.hint = hint

    def fields(self) -> Mapping[str, Any]:
        return {
            "stage": "attach",
            "path": f"{self.direction}-path",
            "message": self.message,
            "hint": self.hint,
            "interface": self.interface,
            "direction": str(self.direction),
        }


class InterfaceBusy(AttachRefusal, ConflictError):
    """An XDP program that is not ours is on the interface already; there is room for one."""

    def __init__(self, interface: str, program_id: int) -> None:
        namespace, _, name = interface.rpartition("/")
        device = name.rpartition(":")[2] + (" there" if namespace else "")
        super().__init__(
            interface,
            "ingress",
            f"interface already has an XDP program (id {program_id})",
            f"make the cube of type TC, or take the other program off (bpftool net detach xdp dev {device})",
        )
        self.program_id = program_id

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "program-id": self.program_id}


class HookFull(AttachRefusal, ConflictError):
    """The attach point has as many programs as the kernel takes."""

    def __init__(self, interface: str, direction: str) -> None:
        message = f"the kernel takes {MAX_PROGRAMS} programs there and no more"
        super().__init__(interface, direction, message, "detach another one first")


class ModeUnsupported(AttachRefusal, UnsupportedError):
    """The interface's driver cannot run XDP in the mode that was asked for."""

    def __init__(self, interface: str, mode: str, message: str = "", hint: str = "try XDP_SKB") -> None:
        super().__init__(interface, "ingress", message or f"its driver has no XDP in {mode!r} mode", hint)
        self.mode = mode

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "mode": self.mode}

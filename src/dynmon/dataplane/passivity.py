"""Which code can be shown to be passive: that whose verdict is given by a program of ours around it."""

from __future__ import annotations

from typing import ClassVar

from dynmon.compiler import Spelling
from dynmon.errors import InjectionError
from dynmon.models import Direction

WORDS = {Spelling.LIBBPF: "has programs of its own", Spelling.OBJECT: "is an object"}


class PassivityUnknown(InjectionError):
    """Code for a passive cube whose programs give the verdict themselves: what they do to packets is theirs."""

    stage: ClassVar[str] = "check"

    def __init__(self, direction: Direction, spelling: Spelling) -> None:
        message = f"the {direction} code {WORDS[spelling]}, whose verdicts nobody can take away; this cube is passive"
        hint = "write a handle_rx in the dialect, which a program of ours calls, or make a cube that is not passive"
        super().__init__(message, file=direction, hint=hint)

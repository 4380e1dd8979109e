"""A program of ours that runs others one after the other, and the slots that these are in."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from dynmon.bpf import LoadedObject, LoadRequest, Program, ProgramType
from dynmon.bpf.owner import Owner
from dynmon.dataplane.path import Foundry
from dynmon.models import Direction, Hook

SOURCE = Path(__file__).with_name("dispatcher.bpf.c")
PROGRAM = "dynmon_dispatch"
PROGRAM_FOR_FRAGMENTS = "dynmon_dispatch_fragments"
WORD = struct.Struct("=i")


class Dispatcher(Owner):
    """Owns the program and its slots. The kernel empties the slots when they are closed, so nobody may be in there."""

    def __init__(self, loaded: LoadedObject) -> None:
        self._loaded = loaded
        self.program = loaded.program
        self.slots = loaded.maps["slots"]

    @classmethod
    def of(cls, foundry: Foundry, programs: Sequence[Program]) -> Dispatcher:
        """One that runs `programs` in their order; all take packets in fragments, or none does.

        Raises:
            InjectionError: The kernel does not load it.
            KernelError: The kernel refused one of them.
        """
        artifact = foundry.compiler.compile(SOURCE.read_text(), Direction.INGRESS, Hook.XDP)
        request = LoadRequest(
            object=artifact.object,
            program=PROGRAM_FOR_FRAGMENTS if programs[0].takes_fragments else PROGRAM,
            program_type=ProgramType.XDP,
            file="dispatcher",
            memory_bytes=foundry.map_limits.total_bytes,
            constants={"members": len(programs)},
        )
        with ExitStack() as undo:
            made = undo.enter_context(cls(foundry.loader.load(request)))
            for slot, program in enumerate(programs):
                made.put(slot, program)
            undo.pop_all()
            return made

    def put(self, slot: int, program: Program) -> None:
        """From the next packet on, `slot` runs `program`.

        Raises:
            KernelError: The kernel refused; the slot is as it was.
        """
        self.slots.update(WORD.pack(slot), WORD.pack(program.fd))

    def empty(self, slot: int) -> None:
        """Pass over `slot` from the next packet on.

        Raises:
            KernelError: The kernel refused; the slot is as it was.
        """
        self.slots.delete(WORD.pack(slot))

    def close(self) -> None:
        """Let go of the program and the slots."""
        self._loaded.close()

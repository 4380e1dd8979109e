"""What an object says about itself before anybody loads it, and what the verifier said when it was loaded.

Made in the loader's child, of a stranger's bytes; plain values that travel to the daemon as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """A program of an object.

    `program_type` is the kernel's number, inferred from the section's name as libbpf does it, and did before
    version 1.0 for names such as ``xdp_prog`` and ``tc_ingress``; zero is unknown. `instructions`, `helpers` (their
    numbers) and `maps` are those of the program and of all functions it calls; programs behind a tail call are not.
    """

    name: str
    section: str
    program_type: int
    instructions: int
    helpers: tuple[int, ...]
    maps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeclaredMap:
    """A map of an object; a section with global variables is one too, as ``.bss``.

    `is_pinned` is libbpf's ``LIBBPF_PIN_BY_NAME``, `tags` are those that start with ``dynmon:``, and `programs` what
    the declaration of a prog array puts into it.
    """

    name: str
    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    is_pinned: bool
    tags: tuple[str, ...]
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """All programs and maps of an object; its BTF is as nobody has checked it, empty where there is none."""

    programs: tuple[ProgramFacts, ...]
    maps: tuple[DeclaredMap, ...]
    btf: bytes
    license: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verifier did with a program that it took; the stack is that of all its functions together."""

    instructions_processed: int
    stack_bytes: int
    seconds: float | None
    log: tuple[str, ...]

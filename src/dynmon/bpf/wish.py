"""What the daemon asks its loader for, as the loader's child sees it: with descriptors that are its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """A `LoadRequest` on the other side; bytes of constants are written as they are."""

    program: str
    program_type: int
    proof: str
    constants: Mapping[str, int | bytes]
    sizes: Mapping[str, int]
    wanted: frozenset[str] | None
    tail_calls: Mapping[str, Mapping[int, str]]
    reuse: Mapping[str, int]
    offers: Mapping[str, int]
    pinned: Mapping[str, int]
    public: Mapping[str, int]
    pin_roots: tuple[str, ...]
    memory_bytes: int
    is_verbose: bool

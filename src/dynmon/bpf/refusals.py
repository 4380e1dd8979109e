"""How the loader's child refuses an object, and libbpf's words for it in ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

LINK = "link the objects with: bpftool gen object out.o a.o b.o"
WEAK = "declare it __weak and ask with bpf_ksym_exists() whether it is there, or use another kernel"
# What libbpf says: what it means, and what to do about it. Groups fill the braces.
WORDS = tuple(
    (re.compile(pattern), meaning, hint)
    for pattern, meaning, hint in (
        (
            r"failed to find BTF for extern '(\w+)'",
            "function {0!r} is declared but not defined",
            f"define it, include the header that does, or {LINK}; a kernel function is declared with __ksym",
        ),
        (
            r"unrecognized extern section '([^']*)'",
            "something in section {0!r} is declared extern, and another object has it",
            f"{LINK}; or leave extern out",
        ),
        (r"extern \((?:var|func) ksym\) '(\w+)'.*not found in kernel", "the kernel has no {0!r}", WEAK),
        (r"extern '(\w+)' \(strong\): not resolved", "the kernel has no {0!r}", WEAK),
        (
            r"extern \(func ksym\) '(\w+)': func_proto .* incompatible",
            "the kernel's function {0!r} is declared otherwise in the code",
            "take its declaration from vmlinux.h",
        ),
        (
            r"program '(\w+)' is static and not supported",
            "program {0!r} is static",
            "a program with a SEC() of its own must not be static",
        ),
        (r"map '(\w+)': unsupported map linkage static", "map {0!r} is static", "leave static out"),
        (
            r"map '(\w+)': unknown field '(\w+)'",
            "map {0!r} is declared with a member {1!r} that libbpf does not know",
            "members are type, max_entries, key, value, key_size, value_size, map_flags, map_extra, pinning and values",
        ),
        (
            r"map '(\w+)': attr '(\w+)': expected PTR, got enum",
            "map {0!r} gives its {1} with __ulong(), which is not supported",
            "write __uint(map_extra, number); addresses, which only arenas need, cannot be given",
        ),
        (
            r"map '(\w+)': map type isn't specified",
            "map {0!r} is declared without a type",
            "add it: __uint(type, BPF_MAP_TYPE_HASH)",
        ),
        (
            r"map '(\w+)': conflicting (key|value) (?:type )?size (\d+) != (\d+)",
            "map {0!r} is declared with a {1} of {2} bytes and with one of {3}",
            "give its type or its size, not both",
        ),
        (
            r"map '([\w.]+)': can't determine (key|value) size for type",
            "the {1} of map {0!r} is a struct that the object declares and does not define",
            "clang leaves the struct out where only a map inside of a map has it: add a global variable of it, or "
            "write __uint(key_size, sizeof(…)) and __uint(value_size, sizeof(…)) in place of __type there",
        ),
        (
            r"bad map relo against '([^']*)' in section '([^']*)'",
            "map {0!r} is in section {1!r}, where libbpf does not look for maps",
            'declare it with SEC(".maps")',
        ),
    )
)


class Refusal(Exception):
    """The object cannot be used; `stage` is ``open``, ``load``, ``verify`` or ``passive``, `hint` what to do about it.

    `undefined` is the map that is declared ``extern`` and that nobody offers, "" where the reason is another.
    """

    def __init__(
        self,
        stage: str,
        message: str,
        hint: str = "",
        *,
        undefined: str = "",
        program: str = "",
        verifier_log: bytes = b"",
        lines: Sequence[Any] = (),
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.message = message
        self.hint = hint
        self.undefined = undefined
        self.program = program
        self.verifier_log = verifier_log
        self.lines = list(lines)


def refusal_of(stage: str, error: OSError, messages: Sequence[str]) -> Refusal:
    """What libbpf's messages say about its failure."""
    for message in messages:
        for pattern, meaning, hint in WORDS:
            if found := pattern.search(message):
                return Refusal(stage, meaning.format(*found.groups()), hint)
    return Refusal(stage, _first_failure(messages) or str(error.strerror))


def _first_failure(messages: Sequence[str]) -> str:
    """What libbpf complained of first is the cause; what follows are consequences."""
    texts = [message.removeprefix("libbpf: ") for message in messages]
    failures = (text for text in texts if ("fail" in text or "rror" in text) and "Retrying" not in text)
    return next(failures, texts[-1] if texts else "")

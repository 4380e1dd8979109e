"""What to do about an object that cannot be opened or loaded, where libbpf's own words do not say it."""

from __future__ import annotations

import re

from dynmon.bpf.names import header_of, hint_for_function

UNDEFINED_FUNCTION = re.compile(r"function '(\w+)' is declared but not defined")
HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (
            r"reference to undefined table",
            "inject the code that declares it first: BPF_TABLE_PUBLIC in any cube, or BPF_TABLE_SHARED in this cube's "
            "other path",
        ),
        (
            r"map not found: .* should be pinned",
            "whoever pins the map has to run first, on a BPF filesystem seen by the daemon",
        ),
        (r"no answer in \d+ seconds", "make the code smaller: the kernel checks each way through it"),
        (r"the process that loads it died", "the object is damaged, or is none of BPF's: compile it again"),
        (r"\bis damaged\b", "compile it again with clang -target bpf -O2 -g -c, and send the object as it is"),
    )
)


def loading_hint(message: str, given: str = "") -> str:
    """What to do about a refusal, if not what who refused says (`given`); "" where nothing is known."""
    if missing := UNDEFINED_FUNCTION.search(message):
        header = header_of(missing[1])
        known = f"names like this come from #include <{header}>" if header else hint_for_function(missing[1])
        return known or given
    return given or next((hint for pattern, hint in HINTS if pattern.search(message)), "")

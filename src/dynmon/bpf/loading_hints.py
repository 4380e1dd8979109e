"""What to do about an object that libbpf cannot open, or whose maps the kernel will not make."""

from __future__ import annotations

import re

HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (
            r"legacy map definitions|SEC\(\"maps\"\)|section 'maps'",
            "declare it as libbpf 1.0 wants it: struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); "
            '__type(key, __u32); __type(value, __u64); } NAME SEC(".maps")',
        ),
        (
            r"BTF is required|\.BTF.* (?:missing|not found)|no BTF",
            "compile with -g, which writes the types (BTF) into the object",
        ),
    )
)


def loading_hint(said: str) -> str:
    """What to do about what libbpf or the kernel `said`; "" where nothing is known."""
    return next((hint for pattern, hint in HINTS if pattern.search(said)), "")

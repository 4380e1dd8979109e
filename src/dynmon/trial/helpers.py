"""The names of the kernel's BPF helpers, from the header that libbpf installs."""

from __future__ import annotations

import functools
import re
from pathlib import Path

HEADER = Path("/usr/include/bpf/bpf_helper_defs.h")
# static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *) 1;
DEFINITION = re.compile(r"\(\*\s*(?:const\s+)?(\w+)\)\([^;]*?\)\s*=\s*\(void \*\)\s*(\d+);")


def helper_name(number: int) -> str:
    """What programmers call helper `number`; the number itself where nobody here knows."""
    return _names().get(number, str(number))


@functools.cache
def _names() -> dict[int, str]:
    try:
        text = HEADER.read_text(errors="replace")
    except OSError:
        return {}
    return {int(number): name for name, number in DEFINITION.findall(text)}

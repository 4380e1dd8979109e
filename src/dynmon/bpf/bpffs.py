"""Whether a file is on a BPF filesystem: only there are names of ours, and of maps that others share."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def is_on_bpffs(file: os.stat_result) -> bool:
    """Whether this file is on a BPF filesystem, wherever that is mounted."""
    number = f"{os.major(file.st_dev)}:{os.minor(file.st_dev)}"
    mounts = (line.partition(" - ") for line in MOUNTS.read_text().splitlines())
    return any(kind.startswith("bpf ") and fields.split()[2] == number for fields, _, kind in mounts)

"""What a process and all its children use, from /proc."""

from __future__ import annotations

from pathlib import Path


def family_of(pid: int) -> list[int]:
    """`pid` and the processes below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may have blanks.
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    family = [pid]
    for member in family:
        family.extend(children.get(member, ()))
    return family


def cpu_seconds(pid: int) -> float:
    """CPU time of every thread of the family, in the kernel's nanoseconds rather than its ticks."""
    spent = 0
    for member in family_of(pid):
        for entry in Path(f"/proc/{member}/task").glob("*/schedstat"):
            spent += int(entry.read_text().split()[0])
    return spent / 1e9


def resident_bytes(pid: int) -> int:
    """Resident memory of the family, each process for itself: pages that two of them share count twice."""
    return _sum(pid, "Rss:")


def proportional_bytes(pid: int) -> int:
    """Resident memory of the family, shared pages counted once."""
    return _sum(pid, "Pss:")


def _sum(pid: int, key: str) -> int:
    total = 0
    for member in family_of(pid):
        lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith(key))
    return total * 1024

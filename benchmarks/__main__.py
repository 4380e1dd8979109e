"""Measure everything and print one table: ``make bench``, as root, in a few minutes."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

from benchmarks import big_reads, bridge, chains, daemon, per_packet, scrape, switch, vmlinux
from benchmarks.figures import show

ISOLATED = Path(__file__).resolve().parent.parent / "scripts" / "isolated"


def main() -> None:
    """Run in namespaces of our own: nothing of the host is attached to or measured."""
    if os.environ.get("DYNMON_ISOLATED") != "yes":
        os.execv(ISOLATED, [str(ISOLATED), sys.executable, "-m", "benchmarks"])
    with tempfile.TemporaryDirectory(prefix="dynmon-bench-") as folder:
        scratch = Path(folder)
        figures = [
            *per_packet.figures(scratch),
            *switch.figures(scratch),
            *chains.figures(scratch),
            *vmlinux.figures(scratch),
            *bridge.figures(scratch),
        ]
        more, notes = daemon.figures(scratch)
        more += big_reads.figures(scratch)
        scraped, more_notes = scrape.figures(scratch)
    about = f"Linux {platform.release()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    show([*figures, *more, *scraped], [about, *notes, *more_notes])


if __name__ == "__main__":
    main()

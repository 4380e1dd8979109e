"""Which maps went on in new code, as the daemon says after an injection with ``keep-maps``, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dynmon.cli.text import printable


def kept_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """A line for the maps of each path that were kept, and one for each that was not."""
    for path, maps in report.items():
        if not isinstance(maps, dict):  # the answer of something else, as ``{"flushed": true}`` is
            continue
        if maps["kept"]:
            yield printable(f"{path}: kept {', '.join(maps['kept'])}")
        for other in maps["not-kept"]:
            yield printable(f"{path}: {other['map']} begins empty: {other['reason']}")

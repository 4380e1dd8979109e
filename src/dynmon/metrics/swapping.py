"""Why a metric cannot have a copy of its map: some maps are not the cube's alone."""

from __future__ import annotations

from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.errors import UnusableMap

REASONS = {
    "dynmon:public": "it is public: other cubes would go on counting in the copy that is read",
    "dynmon:pinned": "it is found at a path: whoever else has it would go on counting in the copy that is read",
    "dynmon:pin-by-name": "it is pinned by name: whoever opens the pin would see one of its two copies",
}
INSTEAD = "read it without empty-on-read and swap-on-read; since gives windows that take nothing from anybody"


def check_swaps(metric: BoundMetric, tags: tuple[str, ...]) -> None:
    """Refuse to swap a map that others write to; `tags` are those of its declaration.

    Raises:
        UnusableMap: With the reason.
    """
    if not metric.swaps:
        return
    for tag in tags:
        for prefix, reason in REASONS.items():
            if tag.startswith(prefix):
                name = metric.bpf_map.info.name
                raise UnusableMap(
                    metric.config.name,
                    f"map {name!r}",
                    metric.direction,
                    f"cannot be swapped or emptied: {reason}",
                    INSTEAD,
                )

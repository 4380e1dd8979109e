"""Why a metric cannot have copies of its map: some maps are not the path's or the cube's alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.errors import UnusableMap

REASONS = {
    "dynmon:public": "it is public: other cubes would go on counting in the copy that is read",
    "dynmon:pinned": "it is found at a path: whoever else has it would go on counting in the copy that is read",
    "dynmon:pin-by-name": "it is pinned by name: whoever opens the pin would see one of its two copies",
}
NOT_SPLIT = {
    "dynmon:public": "it is public: other cubes count in it, wherever they are attached",
    "dynmon:pinned": "it is found at a path, and there is one map at a path",
    "dynmon:pin-by-name": "it is pinned by name, and there is one map of a name",
    "dynmon:shared": "the other path counts in it, too",
}
WITHOUT = "read it without per-interface"
INSTEAD = "read it without empty-on-read and swap-on-read; since gives windows that take nothing from anybody"


def check_swaps(metric: BoundMetric, tags: tuple[str, ...]) -> None:
    """Refuse to swap a map that others write to; `tags` are those of its declaration.

    Raises:
        UnusableMap: With the reason.
    """
    reason = _reason(REASONS, tags)
    if metric.swaps and reason:
        raise _unusable(metric, f"cannot be swapped or emptied: {reason}", INSTEAD)


def check_splits(
    metric: BoundMetric, others: Sequence[BoundMetric], tags: tuple[str, ...], filled: Collection[str]
) -> None:
    """Refuse to split a map where that has no meaning; `tags` are those of its declaration.

    `others` are the other metrics of its path, and `filled` the maps that have entries from the beginning.

    Raises:
        UnusableMap: With the reason.
    """
    if not metric.config.per_interface:
        return
    name = metric.bpf_map.info.name
    whole = [each.config.name for each in others if each.bpf_map is metric.bpf_map and not each.config.per_interface]
    reason = _reason(NOT_SPLIT, tags)
    if name in filled:
        reason = "it has initial-entries, which belong to no interface"
    if reason:
        raise _unusable(metric, f"cannot be split per interface: {reason}", WITHOUT)
    if whole:
        listed = ", ".join(map(repr, whole))
        reason = f"cannot be split per interface for one metric and not for another: {listed} reads it as a whole"
        raise _unusable(metric, reason, f"say per-interface for {listed}, too, or for none")


def _reason(reasons: Mapping[str, str], tags: tuple[str, ...]) -> str | None:
    return next((why for tag in tags for prefix, why in reasons.items() if tag.startswith(prefix)), None)


def _unusable(metric: BoundMetric, reason: str, hint: str) -> UnusableMap:
    return UnusableMap(metric.config.name, f"map {metric.bpf_map.info.name!r}", metric.direction, reason, hint)

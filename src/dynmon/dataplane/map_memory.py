"""How much kernel memory the maps of a path take, and more copies of them would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynmon.bpf import BpfMap, LoadError, map_memory
from dynmon.dataplane.log import LOG_MAP
from dynmon.dataplane.shared_maps import EXTERN, maps_tagged

if TYPE_CHECKING:
    from dynmon.dataplane.path import LoadedPath


def check_copies(path: LoadedPath, copies: Sequence[str], limit: int, why: str, hint: str) -> None:
    """See to it that these maps of a path may be made once more, each as often as it is named.

    The sentences `why` and `hint` may speak of their `names`, and of the `largest`.

    Raises:
        LoadError: They would take more memory than the path may have.
    """
    own = path.maps.keys() - maps_tagged(path.loaded, EXTERN).keys() - {LOG_MAP}
    total = sum(_memory(path.maps[name]) for name in [*own, *copies])
    if copies and total > limit:
        words = {
            "names": ", ".join(sorted(set(copies))),
            "largest": max(copies, key=lambda name: _memory(path.maps[name])),
        }
        raise LoadError(
            path.placement.direction.value,
            f"its maps would take {total >> 20:,} MiB of kernel memory, {limit >> 20:,} MiB are allowed: "
            + why.format(**words),
            hint=hint.format(**words),
        )


def _memory(bpf_map: BpfMap) -> int:
    info = bpf_map.info
    return map_memory(info.map_type, info.key_size, info.value_size, info.max_entries)

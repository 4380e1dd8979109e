"""Name the maps in a verifier's log: kernels before 6.8 tell a register's map by its sizes alone.

Before: ``R0=map_value(off=0,ks=4,vs=8,imm=0)``. Since: ``R0=map_value(map=flows,ks=4,vs=8)``. Where a single map
that the code uses has these sizes, it is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from dynmon.bpf.object_maps import Map

UNNAMED = re.compile(rb"\bmap_\w+\((?![^()]*\bmap=)[^()]*?\b(?=ks=(?P<key>\d+),vs=(?P<value>\d+))")


def names_by_sizes(maps: Iterable[Map]) -> dict[tuple[int, int], str]:
    """The maps that no other has the same sizes of key and value as."""
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    for each in maps:
        names[each.key_size, each.value_size].append(each.name)
        if each.inner:
            _, key_size, value_size, _ = each.inner
            names[key_size, value_size] += ["", ""]  # any number of them, that have no names
    return {sizes: found[0] for sizes, found in names.items() if len(found) == 1}


def with_map_names(log: bytes, names: Mapping[tuple[int, int], str]) -> bytes:
    """The log as a newer kernel would write it, as far as `names_by_sizes` goes."""

    def named(found: re.Match[bytes]) -> bytes:
        name = names.get((int(found["key"]), int(found["value"])))
        return found[0] + (f"map={name},".encode() if name else b"")

    return UNNAMED.sub(named, log)

"""Maps that outlive one program: shared between the paths of a cube, or public to all cubes of the daemon."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from dynmon.bpf import LoadedObject
from dynmon.errors import InjectionError

SHARED = "dynmon:shared"
PUBLIC = "dynmon:public"
EXTERN = "dynmon:extern"


class MapAlreadyPublic(InjectionError):
    """Another cube already declares a public map of this name."""

    stage = "check"

    def __init__(self, map_name: str, owner: str) -> None:
        super().__init__(
            f"public map {map_name!r} is already declared by cube {owner!r}",
            hint=f'refer to it with BPF_TABLE("extern", ..., {map_name}, ...), or give this one another name',
        )
        self.map_name = map_name
        self.owner = owner

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "map": self.map_name, "owner": self.owner}


def maps_tagged(loaded: LoadedObject, tag: str) -> dict[str, int]:
    """The descriptors of the maps that `loaded` declares with `tag`, by name."""
    return {name: loaded.maps[name].fd for name, tags in loaded.tags.items() if tag in tags and name in loaded.maps}


class PublicMaps:
    """The public maps of the daemon: each belongs to the cube whose code declares it, for as long as that code runs."""

    def __init__(self) -> None:
        self._maps: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def check(self, owner: str, names: Mapping[str, int]) -> None:
        """Refuse `names` that another cube has declared.

        Raises:
            MapAlreadyPublic: With the cube that owns it.
        """
        with self._lock:
            for name in names:
                if name in self._maps and self._maps[name][0] != owner:
                    raise MapAlreadyPublic(name, self._maps[name][0])

    def publish(self, owner: str, maps: Mapping[str, int]) -> None:
        """Make `maps` (name to descriptor) the public maps of `owner`, in place of those it had.

        Raises:
            MapAlreadyPublic: Another cube has one of the names; nothing changed.
        """
        self.check(owner, maps)
        with self._lock:
            self._maps = {name: entry for name, entry in self._maps.items() if entry[0] != owner}
            self._maps |= {name: (owner, descriptor) for name, descriptor in maps.items()}

    def offers(self) -> dict[str, int]:
        """The descriptors that ``extern`` declarations may refer to, by map name."""
        with self._lock:
            return {name: descriptor for name, (_, descriptor) in self._maps.items()}

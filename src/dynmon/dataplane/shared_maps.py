"""Maps that outlive one program: shared between the paths of a cube, or public to all cubes of the daemon.

A public map lives as long as somebody uses it: the cube that declares it, or any whose code calls it ``extern``. So the
daemon has a descriptor of its own for each, and knows who declares it and who uses it. There is never a second map of a
name while the first is in use: who declares it again goes on in the map that is there, or is refused.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from dynmon.bpf import BpfMap, LoadedObject, OpenError
from dynmon.bpf.owner import Owner
from dynmon.btf import Btf
from dynmon.dataplane.map_layouts import MapLayout
from dynmon.dataplane.sharing_errors import (
    LayoutDiffers,
    MapAlreadyPublic,
    MapSharedTwice,
    PublicMapInUse,
    PublicMapReplaced,
)
from dynmon.errors import did_you_mean
from dynmon.models import Direction

SHARED = "dynmon:shared"
PUBLIC = "dynmon:public"
EXTERN = "dynmon:extern"
FOR_OTHERS = (SHARED, PUBLIC)
OPPOSITE = {Direction.INGRESS: Direction.EGRESS, Direction.EGRESS: Direction.INGRESS}


class UsesMaps(Protocol):
    """The code of one path, loaded."""

    @property
    def loaded(self) -> LoadedObject:
        """Its maps and their tags."""

    @property
    def btf(self) -> Btf:
        """Its types."""


Paths = Mapping[Direction, UsesMaps | None]


@dataclass(frozen=True, slots=True)
class SharedMap:
    """A map as the code of one direction (`file`) declares it or refers to it; `fd` belongs to somebody else."""

    file: str
    fd: int
    map_id: int
    layout: MapLayout


def maps_tagged(loaded: LoadedObject, tag: str) -> dict[str, int]:
    """The descriptors of the maps that `loaded` declares with `tag`, by name."""
    return {name: loaded.maps[name].fd for name, tags in loaded.tags.items() if tag in tags and name in loaded.maps}


def offered(path: UsesMaps) -> dict[str, int]:
    """The descriptors of the maps that the cube's other path may call ``extern``: those shared, and those public."""
    return {name: fd for tag in FOR_OTHERS for name, fd in maps_tagged(path.loaded, tag).items()}


def check_shared(paths: Paths) -> None:
    """See to it that the two paths of a cube agree on the maps that they share.

    Raises:
        MapSharedTwice: Both declare one.
        LayoutDiffers: What one calls ``extern`` is not what the other declares.
    """
    for direction, path in paths.items():
        opposite = OPPOSITE[direction]
        other = paths.get(opposite)
        if path is None or other is None:
            continue
        theirs = {name: each for tag in FOR_OTHERS for name, each in _with_tag(other, opposite, tag).items()}
        for name in offered(path):
            if name in theirs:
                raise MapSharedTwice(name)
        for name, ours in _with_tag(path, direction, EXTERN).items():
            if name in theirs:
                _check_layout(name, ours, theirs[name].layout, f"the {opposite} code")


def declared_tags(number: int, paths: Paths) -> tuple[str, ...]:
    """The tags of the map with this number where it is declared: not in these paths means in another cube's."""
    tags = [
        path.loaded.tags.get(name, ())
        for path in paths.values()
        for name, each in (path.loaded.maps.items() if path else ())
        if path and each.info.id == number
    ]
    declared = [each for each in tags if EXTERN not in each]
    return tuple(tag for each in declared for tag in each) if declared else (PUBLIC,)


def public_sides(paths: Paths) -> tuple[dict[str, SharedMap], dict[str, SharedMap]]:
    """The public maps that the paths of one cube declare, and those of others that they refer to."""
    declared: dict[str, SharedMap] = {}
    used: dict[str, SharedMap] = {}
    present = {direction: path for direction, path in paths.items() if path}
    own = {name for path in present.values() for name in offered(path)}
    for direction, path in present.items():
        declared |= _with_tag(path, direction, PUBLIC)
        used |= {name: each for name, each in _with_tag(path, direction, EXTERN).items() if name not in own}
    return declared, used


def _with_tag(path: UsesMaps, direction: Direction, tag: str) -> dict[str, SharedMap]:
    names = maps_tagged(path.loaded, tag)
    return {name: _shared(path.loaded.maps[name], path.btf, direction.value) for name in names}


def _shared(bpf_map: BpfMap, btf: Btf, file: str) -> SharedMap:
    return SharedMap(file, bpf_map.fd, bpf_map.info.id, MapLayout.of(bpf_map, btf))


def _check_layout(name: str, ours: SharedMap, theirs: MapLayout, whose: str) -> None:
    if difference := ours.layout.difference_from(theirs):
        raise LayoutDiffers(name, whose, difference, ours.file)


def explain_undefined(error: OpenError, shared: Collection[str], public: Mapping[str, str]) -> OpenError:
    """The error of code that refers to a table nobody has (`error.undefined`), with those that there are.

    `shared` are the maps of the cube's other path, `public` are those of the daemon with the cubes that declare them.
    """
    others = ", ".join(sorted(shared)) or "none"
    cubes = ", ".join(f"{name} (cube {owner!r})" if owner else name for name, owner in sorted(public.items())) or "none"
    guess = did_you_mean(error.undefined, [*shared, *public])
    told = OpenError(
        error.file,
        f"{error.message}; shared by the cube's other path: {others}; public: {cubes}",
        error.log,
        f"{guess} if not, {error.hint}" if guess else error.hint,
        undefined=error.undefined,
    )
    told.diagnostics = error.diagnostics
    return told


NOTHING: Mapping[str, SharedMap] = {}


@dataclass(frozen=True, slots=True)
class Lent:
    """Descriptors of public maps for one load.

    `offers` are for what the code calls ``extern``; `takeovers` are in use by other cubes, so that a declaration of the
    name goes on in them; `numbers` are the kernel's for these. `owners` are the cubes that declare those offered, ""
    where none does any more.
    """

    offers: Mapping[str, int]
    takeovers: Mapping[str, int]
    numbers: Mapping[str, int]
    owners: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Public:
    """A public map; `owner` is the cube that declares it, "" once none does, `users` those that refer to it."""

    shared: SharedMap
    owner: str
    users: frozenset[str] = field(default_factory=frozenset)

    def used_beside(self, cube: str) -> frozenset[str]:
        return self.users - {cube}


class PublicMaps(Owner):
    """The public maps of the daemon; every method may be called from any thread."""

    def __init__(self) -> None:
        self._maps: dict[str, _Public] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, cube: str) -> Iterator[Lent]:
        """Descriptors to load the code of `cube` with, whatever becomes of the maps meanwhile.

        A trial is of no cube (""): it takes nothing over, since what it counts is nobody's.
        """
        with ExitStack() as kept:
            with self._lock:
                maps = dict(self._maps)
                offers = {}
                for name, each in maps.items():
                    offers[name] = os.dup(each.shared.fd)
                    kept.callback(os.close, offers[name])
            takeovers = {
                name: offers[name]
                for name, each in maps.items()
                if cube and each.owner in (cube, "") and each.used_beside(cube)
            }
            numbers = {name: maps[name].shared.map_id for name in takeovers}
            yield Lent(offers, takeovers, numbers, {name: each.owner for name, each in maps.items()})

    def check(self, cube: str, declared: Mapping[str, SharedMap], used: Mapping[str, SharedMap] = NOTHING) -> None:
        """Raise what publishing maps of these layouts would raise: those of a trial are no public ones themselves."""
        with self._lock:
            self._settled(cube, declared, used, by_layout=True)

    def publish(self, cube: str, declared: Mapping[str, SharedMap], used: Mapping[str, SharedMap] = NOTHING) -> None:
        """From now on `cube` declares these public maps and uses those, in place of what it did: all or nothing.

        Publishing what it declared and used before takes that back, as long as nobody else publishes in between.

        Raises:
            MapAlreadyPublic: Another cube declares one of the names.
            PublicMapInUse: Others use a map of the name, and what is declared is not that map.
            LayoutDiffers: A map that is used is not what the code takes it for.
            PublicMapReplaced: A map that is used is not the public one any more.
        """
        with self._lock, ExitStack() as undo:
            before = {each.shared.fd for each in self._maps.values()}
            after = self._settled(cube, declared, used)
            for name, each in after.items():
                if each.shared.fd not in before:  # the cube's own, which it may close
                    fd = os.dup(each.shared.fd)
                    undo.callback(os.close, fd)
                    after[name] = replace(each, shared=replace(each.shared, fd=fd))
            undo.pop_all()
            self._maps = after
            for fd in before - {each.shared.fd for each in after.values()}:
                os.close(fd)

    def close(self) -> None:
        """Let go of all of them."""
        maps, self._maps = self._maps, {}
        for each in maps.values():
            os.close(each.shared.fd)

    def _settled(
        self,
        cube: str,
        declared: Mapping[str, SharedMap],
        used: Mapping[str, SharedMap],
        *,
        by_layout: bool = False,
    ) -> dict[str, _Public]:
        """What is public when `cube` declares and uses these maps; `by_layout` takes any map for the public one."""
        after = {}
        for name, each in self._maps.items():
            owner = "" if each.owner == cube else each.owner
            after[name] = replace(each, owner=owner, users=each.used_beside(cube))
        for sides, step in ((declared, _declared), (used, _used)):
            for name, ours in sides.items():
                there = after.get(name)
                is_it = there and (by_layout or ours.map_id == there.shared.map_id)
                after[name] = step(cube, name, ours, there, bool(is_it))
        return {name: each for name, each in after.items() if each.owner or each.users}


def _declared(cube: str, name: str, ours: SharedMap, there: _Public | None, is_it: bool) -> _Public:
    if there is None or not (there.owner or there.users):
        return _Public(ours, cube)
    if there.owner:
        raise MapAlreadyPublic(name, there.owner, ours.file)
    difference = ours.layout.difference_from(there.shared.layout, entries=True)
    if difference or not is_it:
        raise PublicMapInUse(name, there.users, difference, ours.file)
    return replace(there, owner=cube)


def _used(cube: str, name: str, ours: SharedMap, there: _Public | None, is_it: bool) -> _Public:
    if there is None or not (there.owner or there.users or is_it):
        return _Public(ours, "", frozenset({cube}))
    if not is_it:
        raise PublicMapReplaced(name, ours.file)
    whose = f"cube {there.owner!r}" if there.owner else "the public map"
    _check_layout(name, ours, there.shared.layout, whose)
    return replace(there, users=there.users | {cube})

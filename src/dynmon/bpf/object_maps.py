"""The maps of an opened object: which are made, how large, and whose descriptors take the place of which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dynmon.bpf import _libbpf, _syscall
from dynmon.bpf.kinds import MapType
from dynmon.bpf.memory import map_memory
from dynmon.bpf.opening import Parsed, each_of
from dynmon.bpf.pinned_maps import pinned_map
from dynmon.bpf.refusals import Refusal
from dynmon.bpf.variables import Variable
from dynmon.bpf.wish import Wish

TAG_PREFIX = "dynmon:"
PREDEFINED = "dynmon:predefined"
EXTERN = "dynmon:extern"
PIN_BY_NAME = "dynmon:pin-by-name"
PUBLIC = "dynmon:public"
FOR_OTHERS = frozenset({"dynmon:shared", PUBLIC})
# The macros leave where a map is pinned, and which map is the pattern of a map's inner maps.
PINNED = re.compile(r"dynmon:[a-z_]+:(.*)")
INNER = re.compile(r"dynmon:(?:array|hash)_of_maps\$(\w+)")
INNER_REFERENCE_BYTES = 4
MOST_MAPS = 1024  # each is a descriptor of the daemon's; a program uses no more than 64

KCONFIG = ".kconfig"
HIDDEN = (".rodata", KCONFIG)  # made by libbpf, of little use to anybody who reads maps
# The number of CPUs, where libbpf finds zero; and those that the kernel wants it for.
MAY_BE_EMPTY = frozenset(
    {
        MapType.PERF_EVENT_ARRAY,
        MapType.CGROUP_STORAGE,
        MapType.PERCPU_CGROUP_STORAGE,
        MapType.SK_STORAGE,
        MapType.INODE_STORAGE,
        MapType.TASK_STORAGE,
        MapType.CGRP_STORAGE,
    }
)
# Other loaders let a declaration say of which type the records are; the kernel has these sizes and no others.
SIZES_OF_EVENTS = {MapType.RINGBUF: (0, 0), MapType.PERF_EVENT_ARRAY: (4, 4)}


@dataclass(slots=True)
class Map:
    """A map of the opened object, as it was declared: reusing another map overwrites what libbpf says."""

    handle: int
    name: str
    is_internal: bool
    is_pinned: bool
    tags: tuple[str, ...]
    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    key_type_id: int
    value_type_id: int
    is_reused: bool = False
    is_wanted: bool = True

    @property
    def memory(self) -> int:
        """An upper estimate of what it takes, with one of the maps that are declared inside of it."""
        inside = map_memory(*self.inner) if self.inner else 0
        return inside + map_memory(self.map_type, self.key_size, self.value_size, self.max_entries)

    @property
    def inner(self) -> tuple[int, int, int, int] | None:
        """The type and sizes of the maps that are declared inside of it."""
        handle = _libbpf.map_inner(self.handle)
        return _sizes(handle) if handle else None

    @property
    def pinned_at(self) -> str | None:
        """Where the dialect says that it is pinned."""
        return _in_tags(PINNED, self.tags)

    @property
    def knows_its_type(self) -> bool:
        """Whether a map of another type cannot take its place; the dialect says hash of all that it calls extern."""
        if EXTERN in self.tags:
            return self.map_type != MapType.HASH
        return self.is_pinned or self.pinned_at is not None

    @property
    def inner_pattern(self) -> str | None:
        """The map that a map of maps of the dialect has for a pattern."""
        return _in_tags(INNER, self.tags)


def _sizes(handle: int) -> tuple[int, int, int, int]:
    return (
        _libbpf.map_type(handle),
        _libbpf.map_key_size(handle),
        _libbpf.map_value_size(handle),
        _libbpf.map_max_entries(handle),
    )


def declared_maps(handle: int, variables: Mapping[str, Variable]) -> list[Map]:
    """All maps of an opened object.

    Raises:
        Refusal: Two have the same name, which only a damaged object can bring about.
    """
    maps = [_declared(each, variables) for each in each_of(_libbpf.object_next_map, handle)]
    name, count = next(iter(Counter(each.name for each in maps).most_common(1)), ("", 0))
    if count > 1:
        raise Refusal("open", f"the object is damaged: it has {count} maps called {name!r}")
    return maps


def _declared(handle: int, variables: Mapping[str, Variable]) -> Map:
    name = _libbpf.map_name(handle).decode(errors="replace")
    is_internal = _libbpf.map_is_internal(handle)
    if is_internal:
        name = name[name.find(".") :]  # libbpf puts the object's name before the section's
    tags = variables[name].tags if name in variables else ()
    is_pinned = _libbpf.map_pin_path(handle) is not None
    ours = tuple(tag for tag in tags if tag.startswith(TAG_PREFIX) and tag != PIN_BY_NAME)
    _give_sizes_of_events(handle)
    kind, key_size, value_size, max_entries = _sizes(handle)
    return Map(
        handle=handle,
        name=name,
        is_internal=is_internal,
        is_pinned=is_pinned,
        tags=(*ours, PIN_BY_NAME) if is_pinned else ours,
        map_type=kind,
        key_size=key_size,
        value_size=value_size,
        max_entries=max_entries,
        flags=_libbpf.map_flags(handle),
        key_type_id=_libbpf.map_key_type(handle),
        value_type_id=_libbpf.map_value_type(handle),
    )


def _give_sizes_of_events(handle: int) -> None:
    kind, *declared, _ = _sizes(handle)
    if kind in SIZES_OF_EVENTS and SIZES_OF_EVENTS[MapType(kind)] != tuple(declared):
        key_size, value_size = SIZES_OF_EVENTS[MapType(kind)]
        _libbpf.map_set_key_size(handle, key_size)
        _libbpf.map_set_value_size(handle, value_size)


def prepare_maps(maps: list[Map], parsed: Parsed, wish: Wish, used: Collection[str], filled: Collection[str]) -> None:
    """Decide about each map before the object is loaded.

    `used` are the maps that the code to be loaded refers to, `filled` the prog arrays that it finds programs in.

    Raises:
        Refusal: A map cannot be what was asked for.
    """
    _give_sizes(maps, wish.sizes)
    made = _made(maps, parsed, wish, used)
    for each in maps:
        # LIBBPF_PIN_BY_NAME would pin below /sys/fs/bpf, or take over what is pinned there.
        _libbpf.map_set_pin_path(each.handle, None)
        each.is_wanted = each.name in made
        if not each.is_wanted:
            _libbpf.map_set_autocreate(each.handle, False)
        # A prog array belongs to the programs that are loaded with it: in another's, they would run at once.
        elif each.name not in filled:
            _replace(each, wish)
    if len(made) > MOST_MAPS:
        raise Refusal("open", f"{len(made)} maps would be made of it, {MOST_MAPS} are allowed")
    for each in maps:
        if each.is_wanted and not each.is_reused:
            _check_kind(each)
            _check_size(each)
    _check_memory(maps, wish.memory_bytes)
    for each in maps:
        if each.is_wanted and not each.is_reused:
            _give_pattern(each, maps)


def _check_kind(each: Map) -> None:
    if each.map_type == MapType.ARENA:
        raise Refusal(
            "open",
            f"map {each.name!r} is an arena, which is not supported",
            "keep the data in a hash or an array",
        )


def _check_size(each: Map) -> None:
    if not each.max_entries and each.map_type not in MAY_BE_EMPTY:
        raise Refusal(
            "open",
            f"map {each.name!r} has no max_entries: the code leaves its size open",
            f'give it in "map-sizes": {{"{each.name}": 1024}}',
        )
    if each.inner and not each.inner[3] and each.inner[0] not in MAY_BE_EMPTY:
        raise Refusal(
            "open",
            f"the maps inside of {each.name!r} have no max_entries",
            "add it to their declaration: __uint(max_entries, 1024)",
        )


def _give_sizes(maps: list[Map], sizes: Mapping[str, int]) -> None:
    by_name = {each.name: each for each in maps if not each.is_internal}
    for name, entries in sizes.items():
        each = by_name.get(name)
        if each is None:
            known = ", ".join(sorted(by_name)) or "none"
            raise Refusal("open", f"a size is given for map {name!r}, which is not declared; there are: {known}")
        try:
            _libbpf.map_set_max_entries(each.handle, entries)
        except OSError as error:
            raise Refusal("open", f"map {name!r} cannot have {entries} entries: {error.strerror}") from error
        each.max_entries = _libbpf.map_max_entries(each.handle)  # libbpf rounds up the size of a ring buffer


def _made(maps: list[Map], parsed: Parsed, wish: Wish, used: Collection[str]) -> set[str]:
    """The names of the maps to make: all, or those that somebody wants, with those that are in them."""
    if wish.wanted is None:
        return {each.name for each in maps if PREDEFINED not in each.tags or each.name in used}
    made = {each.name for each in maps if each.name == KCONFIG or FOR_OTHERS.intersection(each.tags)}
    ahead = made | set(used) | set(wish.wanted) | set(wish.tail_calls)
    while ahead:
        name = ahead.pop()
        made.add(name)
        ahead.update(set(parsed.inside.get(name, ())) - made)
    return made


def _replace(declared: Map, wish: Wish) -> None:
    replacement = _replacement(declared, wish)
    if replacement is None:
        return
    try:
        _libbpf.map_reuse_fd(declared.handle, replacement)
    except OSError as error:
        raise Refusal("load", f"map {declared.name!r} cannot be shared: {error.strerror}") from error
    _check_same_shape(declared)
    declared.is_reused = True


def _replacement(declared: Map, wish: Wish) -> int | None:
    if declared.name in wish.reuse:
        return wish.reuse[declared.name]
    if declared.is_pinned:
        return wish.pinned.get(declared.name)
    if EXTERN in declared.tags:
        if declared.name not in wish.offers:
            raise Refusal("open", f"reference to undefined table {declared.name!r}", undefined=declared.name)
        return wish.offers[declared.name]
    if PUBLIC in declared.tags:
        return _taken_over(declared, wish)
    return None if declared.pinned_at is None else pinned_map(declared.name, declared.pinned_at, wish.pin_roots)


def _taken_over(declared: Map, wish: Wish) -> int | None:
    """The public map whose place a declaration takes; a new one is made where that is not what is declared."""
    existing = wish.public.get(declared.name)
    if existing is None:
        return None
    facts = _syscall.MapFacts()
    _syscall.object_info(existing, facts)
    size = declared.max_entries or facts.max_entries
    found = (facts.type, facts.key_size, facts.value_size, facts.max_entries)
    return existing if found == (declared.map_type, declared.key_size, declared.value_size, size) else None


def _in_tags(pattern: re.Pattern[str], tags: tuple[str, ...]) -> str | None:
    return next((found[1] for tag in tags if (found := pattern.fullmatch(tag))), None)


def _check_same_shape(declared: Map) -> None:
    kind, key_size, value_size, _ = _sizes(declared.handle)
    if declared.knows_its_type and declared.map_type != kind:
        raise Refusal(
            "load",
            f"map {declared.name!r} is declared as {type_name(declared.map_type)}, "
            f"but the existing map is {type_name(kind)}",
        )
    for what, wanted, found in (("keys", declared.key_size, key_size), ("values", declared.value_size, value_size)):
        if wanted and wanted != found:
            raise Refusal(
                "load",
                f"map {declared.name!r} is declared with {what} of {wanted} bytes, but the existing map has {found}",
            )


def _check_memory(maps: list[Map], limit: int) -> None:
    # A pattern is one map more, even where its own declaration is not made.
    alone = {each.name: each.memory for each in maps}
    needs = {
        each.name: each.memory + alone.get(each.inner_pattern or "", 0)
        for each in maps
        if each.is_wanted and not each.is_reused
    }
    total = sum(needs.values())
    if total > limit:
        largest = max(needs, key=lambda name: needs[name])
        raise Refusal(
            "load",
            f"its maps would take {_mebibytes(total)} of kernel memory, {_mebibytes(limit)} are allowed; "
            f"the largest is {largest!r} with {_mebibytes(needs[largest])}",
            f'give it fewer entries, in the code or with "map-sizes": {{"{largest}": 1024}}',
        )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


def _give_pattern(outer: Map, maps: list[Map]) -> None:
    """A map of maps is made with a map to compare with; the kernel keeps its shape, so it may go with this process."""
    name = outer.inner_pattern
    if name is None:
        return
    inner = next((each for each in maps if each.name == name), None)
    if inner is None:
        raise Refusal("open", f"map {outer.name!r} holds maps like {name!r}, which is not declared")
    if outer.value_size != INNER_REFERENCE_BYTES:
        raise Refusal("open", f"map {outer.name!r} holds maps, so its values must have {INNER_REFERENCE_BYTES} bytes")
    try:
        pattern = _syscall.map_create(
            inner.map_type, inner.key_size, inner.value_size, inner.max_entries, inner.flags, inner.name
        )
        _libbpf.map_set_inner_fd(outer.handle, pattern)
    except OSError as error:
        raise Refusal("load", f"map {name!r} cannot be inside of {outer.name!r}: {error.strerror}") from error


def type_name(number: int) -> str:
    """The kernel's word for a type of map."""
    return MapType(number).name.lower() if number in list(MapType) else str(number)

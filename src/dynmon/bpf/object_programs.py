"""The programs of an opened object: which are loaded, as what, and which stand in prog arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dynmon.bpf import _libbpf, _syscall
from dynmon.bpf.kinds import MapType, ProgramType
from dynmon.bpf.object_maps import Map, type_name
from dynmon.bpf.opening import Parsed, each_of
from dynmon.bpf.reach import Uses
from dynmon.bpf.refusals import Refusal
from dynmon.bpf.wish import Wish

FRAGMENTS = "xdp.frags"
HAS_FRAGMENTS = 1 << 5  # BPF_F_XDP_HAS_FRAGS


@dataclass(frozen=True, slots=True)
class Selection:
    """The programs to load, what they use, and the prog arrays that have some of them in it."""

    names: frozenset[str]
    uses: Uses
    arrays: frozenset[str]


def select(parsed: Parsed, wish: Wish) -> Selection:
    """The wished program, those it can get to by a tail call, and those they can."""
    names = {
        wish.program,
        *([wish.proof] if wish.proof else []),
        *(name for calls in wish.tail_calls.values() for name in calls.values()),
    }
    while True:
        uses = parsed.code.reached_from(names)
        arrays = {name for name in uses.maps if parsed.programs_in(name)}
        called = {name for array in arrays for name in parsed.programs_in(array)}
        if called <= names:
            return Selection(frozenset(names), uses, frozenset(arrays | set(wish.tail_calls)))
        names |= called


def prepare_programs(handle: int, selection: Selection, wish: Wish) -> dict[str, int]:
    """Switch on the programs of the selection, and all others off; gives those that are on.

    Raises:
        Refusal: There is no program of that name.
    """
    programs = {
        _libbpf.program_name(each).decode(errors="replace"): each
        for each in each_of(_libbpf.object_next_program, handle)
    }
    listed = ", ".join(programs) or "none"
    if wish.program not in programs:
        raise Refusal("open", f"it has no program called {wish.program!r}; it has: {listed}")
    for array, calls in wish.tail_calls.items():
        for index, name in calls.items():
            if name not in programs:
                raise Refusal(
                    "open",
                    f"entry {index} of {array!r} is to be program {name!r}, which there is not; it has: {listed}",
                )
    for name, each in programs.items():
        _libbpf.program_set_autoload(each, name in selection.names)
    chosen = {name: each for name, each in programs.items() if name in selection.names}
    _make_alike([each for name, each in chosen.items() if name != wish.proof], wish.program_type)
    if wish.proof:
        _make_alike([chosen[wish.proof]], ProgramType.CGROUP_SKB)
    return chosen


def _make_alike(programs: Collection[int], program_type: int) -> None:
    """Programs that call each other must have all in common that the kernel keeps of a program's kind.

    A section name may imply an attach type that belongs to another kind of program, and must. Packets in fragments
    are what libbpf asks for by the section, whatever we say, so that one program there makes all others take them.
    """
    has_fragments = program_type == ProgramType.XDP and any(_section(each).startswith(FRAGMENTS) for each in programs)
    for each in programs:
        _libbpf.program_set_type(each, program_type)
        _libbpf.program_set_attach_type(each, 0)
        if has_fragments:
            _libbpf.program_set_flags(each, _libbpf.program_flags(each) | HAS_FRAGMENTS)


def takes_fragments(program: int) -> bool:
    """Whether a program that was prepared is for packets in fragments."""
    return bool(_libbpf.program_flags(program) & HAS_FRAGMENTS)


def _section(program: int) -> str:
    return str(_libbpf.program_section(program).decode(errors="replace"))


def check_tail_calls(maps: Sequence[Map], tail_calls: Mapping[str, Mapping[int, str]]) -> None:
    """Refuse entries for what is no prog array, or too small a one, before anything is loaded.

    Raises:
        Refusal: With what there is instead.
    """
    by_name = {each.name: each for each in maps}
    for name, calls in tail_calls.items():
        array = by_name.get(name)
        if array is None or array.map_type != MapType.PROG_ARRAY:
            there = ", ".join(each.name for each in maps if each.map_type == MapType.PROG_ARRAY) or "none"
            reason = f"is of type {type_name(array.map_type)}" if array else "is not declared"
            raise Refusal("open", f"programs are to be put into map {name!r}, which {reason}; prog arrays: {there}")
        for index in calls:
            if not 0 <= index < array.max_entries:
                raise Refusal(
                    "open",
                    f"prog array {name!r} has {array.max_entries} entries, so that it has none with the index {index}",
                    f'count from zero, or give it more entries with "map-sizes": {{"{name}": {index + 1}}}',
                )


def fill_prog_arrays(
    maps: Sequence[Map], programs: Mapping[str, int], tail_calls: Mapping[str, Mapping[int, str]]
) -> None:
    """Put loaded programs where the configuration wants them.

    Raises:
        Refusal: The kernel does not take one.
    """
    by_name = {each.name: each for each in maps}
    for array, calls in tail_calls.items():
        for index, name in calls.items():
            value = _libbpf.program_fd(programs[name]).to_bytes(4, "little")
            try:
                _syscall.map_element(
                    _syscall.MAP_UPDATE_ELEM,
                    _libbpf.map_fd(by_name[array].handle),
                    index.to_bytes(4, "little"),
                    _syscall.buffer(value),
                )
            except OSError as error:
                raise Refusal(
                    "load", f"program {name!r} cannot be entry {index} of {array!r}: {error.strerror}"
                ) from error

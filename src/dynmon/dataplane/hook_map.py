"""Who sees the packets of an interface, in which order, and who cannot because somebody in front ends the chain.

A packet walks from one to the next as long as each lets it go on: XDP by XDP_PASS, a program at tcx by TCX_NEXT, a
filter by TC_ACT_UNSPEC (or by not matching). A verdict that tcx does not know, such as TC_ACT_PIPE, ends the walk at
tcx, and the packet goes on to the filters. What somebody does with packets cannot be seen from outside, but often be
proved: from the instructions of a program, when they tell all values it can return, and from a filter that matches
everything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from dynmon.bpf import Link
from dynmon.bpf.clsact import ClsactLink
from dynmon.bpf.clsact_filter import HANDLE
from dynmon.bpf.occupants import Occupant, occupants
from dynmon.bpf.tc_filters import Filter
from dynmon.compiler import Spelling
from dynmon.dataplane.path import LoadedPath
from dynmon.dataplane.switch import Plug
from dynmon.dataplane.xdp_chain import XdpMember
from dynmon.models import Direction
from dynmon.netdev import InterfaceNotFound, Located, inside

XDP_PASS, TCX_NEXT = 2, -1
XDP_VERDICTS = {0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX", 4: "XDP_REDIRECT"}
TC_VERDICTS = {
    -1: "TC_ACT_UNSPEC",
    0: "TC_ACT_OK",
    1: "TC_ACT_RECLASSIFY",
    2: "TC_ACT_SHOT",
    3: "TC_ACT_PIPE",
    4: "TC_ACT_STOLEN",
    5: "TC_ACT_QUEUED",
    6: "TC_ACT_REPEAT",
    7: "TC_ACT_REDIRECT",
    8: "TC_ACT_TRAP",
}
VERDICTS = {"xdp": XDP_VERDICTS, "tcx": {**TC_VERDICTS, -1: "TCX_NEXT"}, "clsact": TC_VERDICTS}
# tcx_action_code() and cls_bpf_exec_opcode() take anything else for "next" (Linux 6.6 and 4.1).
TCX_ENDS = frozenset({0, 2, 7})
FILTER_ENDS = frozenset({0, 2, 4, 7, 8})
# What the dialect makes of any handler.
DIALECT_VERDICTS = {"xdp": frozenset({1, 2}), "tcx": frozenset({-1, 2}), "clsact": frozenset({-1, 2})}
SWITCH_VERDICTS = frozenset({2, 7})
MOST_NAMED = 3


def _xdp_goes_on(verdict: int) -> bool:
    return verdict == XDP_PASS


def _tcx_goes_on(verdict: int) -> bool:
    return verdict == TCX_NEXT


def _tcx_lets_filters_run(verdict: int) -> bool:
    return verdict not in TCX_ENDS


def _filter_goes_on(verdict: int) -> bool:
    return verdict not in FILTER_ENDS


def _program_matches(verdict: int) -> bool:
    return verdict != 0


# From one hook to another.
GOES_ON: Mapping[tuple[str, str], Callable[[int], bool]] = {
    ("xdp", "xdp"): _xdp_goes_on,
    ("xdp", "tcx"): _xdp_goes_on,
    ("xdp", "clsact"): _xdp_goes_on,
    ("tcx", "tcx"): _tcx_goes_on,
    ("tcx", "clsact"): _tcx_lets_filters_run,
}


@dataclass(frozen=True, slots=True)
class OwnProgram:
    """What a cube runs in one direction of an interface; or what a switch does, for its port there.

    `programs` has the descriptors of its copies by their ids. It is found again by its link, or as a filter by its
    priority. `verdicts` is all that it can return, None where only its instructions could tell. `dispatchers` has the
    slots of the program that calls it, by that program's id, where one does.
    """

    cube: str
    direction: Direction
    kind: str
    link_id: int | None
    priority: int | None
    programs: Mapping[int, int]
    verdicts: frozenset[int] | None
    dispatchers: Mapping[int, int]

    @classmethod
    def of(cls, cube: str, path: LoadedPath, link: Link) -> OwnProgram:
        """What `link` runs of `path`; of maps that swap there are two copies of the program."""
        copies = [path.program, *([path.idle.program] if path.idle else [])]
        dispatcher = link.dispatcher if isinstance(link, XdpMember) else None
        return cls(
            cube=cube,
            direction=path.placement.direction,
            kind=link.kind,
            link_id=link.id,
            priority=_priority(link),
            programs={each.id: each.fd for each in copies},
            verdicts=DIALECT_VERDICTS[link.kind] if path.artifact.spelling is Spelling.DIALECT else None,
            dispatchers={dispatcher.program.id: dispatcher.slots.fd} if dispatcher else {},
        )

    @classmethod
    def of_switch(cls, cube: str, plug: Plug) -> OwnProgram:
        """What the switch `cube` runs where one of its ports is plugged in."""
        return cls(
            cube=cube,
            direction=Direction.INGRESS,
            kind=plug.link.kind,
            link_id=plug.link.id,
            priority=_priority(plug.link),
            programs={plug.program.id: plug.program.fd},
            verdicts=SWITCH_VERDICTS,
            dispatchers={},
        )

    def kept(self, owner: ExitStack) -> OwnProgram:
        """The same with copies of the descriptors, closed by `owner`: the cube may run other code meanwhile."""
        return replace(self, programs=_copies(self.programs, owner), dispatchers=_copies(self.dispatchers, owner))

    def is_at(self, place: Occupant) -> bool:
        """Whether it is what we see there."""
        if place.hook != self.kind or place.program is None:
            return False
        if place.hook == "tcx":
            return place.link_id == self.link_id
        if place.filter and (place.filter.handle, place.filter.priority) != (HANDLE, self.priority):
            return False
        return place.program.id in self.programs


def _priority(link: Link) -> int | None:
    return link.priority if isinstance(link, ClsactLink) else None


def _copies(descriptors: Mapping[int, int], owner: ExitStack) -> dict[int, int]:
    copies = {number: os.dup(fd) for number, fd in descriptors.items()}
    for fd in copies.values():
        owner.callback(os.close, fd)
    return copies


@dataclass(frozen=True, slots=True)
class HookEntry:
    """Somebody on a hook, and whether packets get there.

    `passes` and `reached` are True (every packet), False (none) or None (not known, or only some); `note` says why
    packets do not get here, or on whom it depends.
    """

    occupant: Occupant
    cube: str | None
    verdicts: tuple[str, ...] | None
    passes: bool | None
    reached: bool | None
    note: str


def hook_map(located: Located, name: str, own: Sequence[OwnProgram]) -> dict[Direction, list[HookEntry]]:
    """Everybody on the interface's hooks, by direction, in the order in which packets meet them.

    Raises:
        InterfaceNotFound: It went away meanwhile, or its namespace.
        KernelError: The kernel would not say.
    """
    descriptors = {number: fd for each in own for number, fd in each.programs.items()}
    dispatchers = {number: fd for each in own for number, fd in each.dispatchers.items()}
    look = partial(occupants, located.index, name=name, own=descriptors, dispatchers=dispatchers)
    try:
        places = {direction: inside(located.namespace, look, direction) for direction in Direction}
    except OSError as error:
        raise InterfaceNotFound(name) from error
    return {way: list(reach(found, [each for each in own if each.direction is way])) for way, found in places.items()}


def reach(places: Iterable[Occupant], own: Sequence[OwnProgram]) -> Iterator[HookEntry]:
    """Who of `places`, in running order, is reached by packets."""
    before: list[_Guest] = []
    for place in places:
        guest = _Guest(place, next((each for each in own if each.is_at(place)), None))
        reached, note = _reached(guest, before)
        yield HookEntry(place, guest.cube, guest.verdict_names(), guest.lets_on(place.hook), reached, note)
        before.append(guest)


def _reached(guest: _Guest, before: Sequence[_Guest]) -> tuple[bool | None, str]:
    chain = guest.chain
    in_front = [other for other in before if not chain or other.place.hook != "clsact"]
    answers = [(other, other.lets_on(guest.place.hook)) for other in in_front]
    for other, lets_on in answers:
        if lets_on is False:
            return False, other.why_none_pass()
    if chain:
        return None, f"only packets that a filter sends to chain {chain}"
    doubtful = [str(other) for other, lets_on in answers if lets_on is None]
    return (None, f"only packets that {_listed(doubtful)} let go on") if doubtful else (True, "")


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[: MOST_NAMED - 1])} and {len(names) - MOST_NAMED + 1} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@dataclass(frozen=True, slots=True)
class _Guest:
    """Somebody on a hook, who may be ours."""

    place: Occupant
    own: OwnProgram | None

    @property
    def cube(self) -> str | None:
        return self.own.cube if self.own else None

    @property
    def chain(self) -> int:
        """The number of the chain of filters it is in."""
        return self.place.filter.chain if self.place.filter else 0

    @property
    def verdicts(self) -> frozenset[int] | None:
        """All that its program can return, as far as that is known."""
        known = self.place.program.verdicts if self.place.program else None
        return self.own.verdicts if known is None and self.own else known

    def verdict_names(self) -> tuple[str, ...] | None:
        if (verdicts := self.verdicts) is None:
            return None
        names = VERDICTS[self.place.hook]
        return tuple(names.get(verdict, str(verdict)) for verdict in sorted(verdicts))

    def lets_on(self, hook: str) -> bool | None:
        """Whether packets get from here to those behind on `hook`: all, none, or it is not known."""
        if self.place.filter:
            return self._filter_lets_on(self.place.filter)
        return self._by_verdict(GOES_ON[self.place.hook, hook])

    def _filter_lets_on(self, tc_filter: Filter) -> bool | None:
        if tc_filter.is_direct:
            answer = self._by_verdict(_filter_goes_on)
        else:
            matches = True if tc_filter.takes_all else self._by_verdict(_program_matches)
            answer = tc_filter.lets_on if matches or tc_filter.lets_on else True if matches is False else None
        is_for_all = tc_filter.protocol == "all" and not tc_filter.chain and not tc_filter.is_hardware_only
        return answer if answer or is_for_all else None

    def _by_verdict(self, is_so: Callable[[int], bool]) -> bool | None:
        """The one answer for all verdicts there can be."""
        answers = {is_so(verdict) for verdict in self.verdicts or ()}
        return answers.pop() if len(answers) == 1 else None

    def why_none_pass(self) -> str:
        """The reason for those behind."""
        names = self.verdict_names()
        if names and (not self.place.filter or self.place.filter.is_direct):
            returned = " or ".join(names)
            return f"{self} in front of it always returns {returned}, which ends the chain"
        return f"{self} in front of it takes every packet and ends the chain"

    def __str__(self) -> str:
        if self.own:
            return f"cube {self.own.cube!r}"
        place, program = self.place, self.place.program
        if place.filter and not (program and program.name):
            return f"the {place.kind} filter of priority {place.filter.priority}"
        assert program, "whoever is not a filter is a program"
        what = "XDP program" if place.hook == "xdp" else "program"
        return f"{what} {program.name!r} (id {program.id})" if program.name else f"{what} (id {program.id})"

"""Who is reached, worked out from what is known of those in front."""

from __future__ import annotations

import socket
import struct

import pytest

from dynmon.bpf.occupants import Occupant, SeenProgram
from dynmon.bpf.tc_filters import Filter, actions_let_on, filter_of
from dynmon.dataplane.hook_map import HookEntry, reach

OK, RECLASSIFY, SHOT, PIPE, STOLEN, REDIRECT, UNSPEC = 0, 1, 2, 3, 4, 7, -1
GOTO_CHAIN_3 = 2 << 28 | 3


def tcx(*verdicts: int, number: int = 12) -> Occupant:
    return Occupant("tcx", "link", SeenProgram(number, name="x", verdicts=frozenset(verdicts) or None), link_id=number)


def xdp(*verdicts: int) -> Occupant:
    return Occupant("xdp", "generic", SeenProgram(5, name="firewall", verdicts=frozenset(verdicts) or None))


def tc_filter(kind: str, *, lets_on: bool | None = False, protocol: str = "all", **facts: object) -> Occupant:
    known = {
        "priority": 3,
        "handle": 1,
        "chain": 0,
        "program_id": 0,
        "name": "",
        "is_direct": False,
        "takes_all": kind == "matchall",
        "is_hardware_only": False,
        **facts,
    }
    return Occupant("clsact", kind, None, filter=Filter(kind=kind, lets_on=lets_on, protocol=protocol, **known))


def direct(*verdicts: int, protocol: str = "all") -> Occupant:
    seen = SeenProgram(7, name="f", verdicts=frozenset(verdicts) or None)
    known = tc_filter("bpf", protocol=protocol, is_direct=True).filter
    return Occupant("clsact", "bpf", seen, filter=known)


def last(*places: Occupant) -> HookEntry:
    return list(reach(places, []))[-1]


FILTER = tc_filter("flower")


@pytest.mark.parametrize(
    ("verdict", "to_tcx", "to_filters"),
    [(UNSPEC, True, True), (OK, False, False), (SHOT, False, False), (REDIRECT, False, False), (PIPE, False, True)],
)
def test_behind_a_constant_verdict_at_tcx(verdict: int, to_tcx: bool, to_filters: bool) -> None:
    """A verdict that tcx does not know ends the walk there, but not the packet's way to the filters."""
    assert to_tcx is last(tcx(verdict), tcx(UNSPEC)).reached
    assert to_filters is last(tcx(verdict), FILTER).reached


@pytest.mark.parametrize(
    ("verdict", "reached"),
    [(UNSPEC, True), (PIPE, True), (RECLASSIFY, True), (OK, False), (SHOT, False), (STOLEN, False), (REDIRECT, False)],
)
def test_behind_a_constant_verdict_of_a_filter(verdict: int, reached: bool) -> None:
    assert reached is last(direct(verdict), FILTER).reached


@pytest.mark.parametrize(("verdicts", "reached"), [({2}, True), ({1}, False), ({0, 1, 3, 4}, False), ({1, 2}, None)])
def test_behind_xdp(verdicts: set[int], reached: bool | None) -> None:
    """Only what XDP passes gets to tc, to whatever hook."""
    for place in (tcx(UNSPEC), FILTER):
        assert reached is last(xdp(*verdicts), place).reached


def test_the_note_names_who_ends_the_chain() -> None:
    entry = last(tcx(OK), tcx(UNSPEC))

    assert "program 'x' (id 12) in front of it always returns TC_ACT_OK, which ends the chain" == entry.note
    assert "the matchall filter of priority 3 in front of it takes every packet and ends the chain" == (
        last(tc_filter("matchall"), FILTER).note
    )


def test_the_note_names_whom_it_depends_on() -> None:
    """One is enough to end the chain for sure, whoever else may."""
    doubtful = [tcx(UNSPEC, SHOT, number=number) for number in range(5)]

    assert "only packets that program 'x' (id 0) let go on" == last(*doubtful[:1], FILTER).note
    assert "only packets that program 'x' (id 0) and program 'x' (id 1) let go on" == (
        last(tcx(UNSPEC, SHOT, number=0), tcx(UNSPEC, number=3), tcx(number=1), FILTER).note
    )
    assert "only packets that program 'x' (id 0), program 'x' (id 1) and 3 others let go on" == (
        last(*doubtful, tcx(UNSPEC)).note
    )
    assert last(*doubtful, tcx(OK), tcx(UNSPEC)).reached is False


@pytest.mark.parametrize(
    ("place", "passes"),
    [
        (tc_filter("matchall"), False),
        (tc_filter("matchall", lets_on=True), True),
        (tc_filter("matchall", lets_on=None), None),
        (tc_filter("matchall", protocol="ip"), None),
        (tc_filter("matchall", is_hardware_only=True), None),
        (tc_filter("flower"), None),
        (tc_filter("flower", takes_all=True), False),
        (tc_filter("flower", lets_on=True), True),
        (direct(OK, protocol="ip"), None),
        (direct(UNSPEC, protocol="ip"), True),
        (direct(), None),
    ],
)
def test_filters(place: Occupant, passes: bool | None) -> None:
    """One that need not match, and one for some packets only, ends nothing for sure."""
    assert passes is last(place).passes
    assert passes is last(place, FILTER).reached


def test_chains_of_filters_are_entered_by_goto() -> None:
    """What ends chain 0 may have sent packets to chain 4 before."""
    elsewhere = tc_filter("flower", chain=4)

    entry = last(tc_filter("matchall"), elsewhere)
    assert (None, "only packets that a filter sends to chain 4") == (entry.reached, entry.note)
    assert last(tcx(SHOT), elsewhere).reached is False


def attribute(number: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)


def gact(verdict: int, *more: bytes) -> bytes:
    parameters = attribute(2, struct.pack("=IIiii", 1, 0, verdict, 1, 1))
    return attribute(1, b"gact\0") + attribute(2, b"".join((parameters, *more)))


def mirred(kind: int) -> bytes:
    return attribute(1, b"mirred\0") + attribute(2, attribute(2, struct.pack("=IIiiiiI", 1, 0, PIPE, 1, 1, kind, 9)))


@pytest.mark.parametrize(
    ("actions", "lets_on"),
    [
        ([], False),
        ([gact(OK)], False),
        ([gact(SHOT)], False),
        ([gact(STOLEN)], False),
        ([gact(UNSPEC)], True),
        ([gact(PIPE), gact(UNSPEC)], True),
        ([gact(PIPE)], False),
        ([gact(GOTO_CHAIN_3)], None),
        ([gact(RECLASSIFY)], None),
        ([gact(OK, attribute(3, bytes(8)))], None),  # by chance
        ([mirred(1)], False),
        ([mirred(2)], None),
        ([attribute(1, b"police\0")], None),
    ],
)
def test_actions(actions: list[bytes], lets_on: bool | None) -> None:
    """The first action that decides ends the list; where none does, the packet is accepted."""
    data = b"".join(attribute(place, action) for place, action in enumerate(actions, 1))

    assert lets_on is actions_let_on(data)


MATCHALL_ACTIONS, FLOWER_ACTIONS, FLOWER_ETH_TYPE, FLOWER_FLAGS = 2, 3, 8, 22
KIND, OPTIONS, CHAIN = 1, 2, 11
ALL, IP = 3, 0x0800


@pytest.mark.parametrize(
    ("kind", "protocol", "options", "passes"),
    [
        ("matchall", ALL, attribute(MATCHALL_ACTIONS, attribute(1, gact(SHOT))), False),
        ("matchall", ALL, attribute(MATCHALL_ACTIONS, attribute(1, gact(UNSPEC))), True),
        ("matchall", IP, attribute(MATCHALL_ACTIONS, attribute(1, gact(SHOT))), None),
        ("matchall", ALL, b"", False),
        ("flower", ALL, attribute(FLOWER_ACTIONS, attribute(1, gact(OK))), False),
        ("flower", ALL, attribute(FLOWER_ACTIONS, attribute(1, gact(OK))) + attribute(FLOWER_ETH_TYPE, b"12"), None),
        ("flower", ALL, attribute(FLOWER_FLAGS, struct.pack("=I", 2)), None),  # in hardware only
        ("new", ALL, b"", None),
    ],
)
def test_filters_as_netlink_tells_them(kind: str, protocol: int, options: bytes, passes: bool | None) -> None:
    """Kinds that not every kernel has, by the attributes that the others have too."""
    words = {KIND: kind.encode() + b"\0", OPTIONS: options, CHAIN: struct.pack("=I", 0)}

    seen = filter_of(5, 9 << 16 | socket.htons(protocol), words)

    assert (kind, 9, 5, 0) == (seen.kind, seen.priority, seen.handle, seen.chain)
    assert {ALL: "all", IP: "ip"}[protocol] == seen.protocol
    assert passes is last(Occupant("clsact", kind, None, filter=seen)).passes

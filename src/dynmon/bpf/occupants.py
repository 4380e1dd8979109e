"""Who is on the hooks of an interface: XDP, tcx and the filters of clsact, anybody's, as the kernel says it."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dynmon.bpf import _netlink, _syscall
from dynmon.bpf.exits import possible_verdicts
from dynmon.bpf.link import TCX_TYPES
from dynmon.bpf.program import MOST_TAIL_CALLS
from dynmon.bpf.tc_filters import Filter, filters_at
from dynmon.errors import KernelError
from dynmon.models import Direction
from dynmon.netdev import InterfaceNotFound

# The numbers of netlink's attributes, in the order in which a packet meets the modes.
IFLA_XDP = 43
XDP_MODES = {7: "offloaded", 5: "native", 6: "generic"}
XDP_ATTACHED, XDP_PROGRAM = 2, 4
XDP_ATTACHED_AS = {1: "native", 2: "generic", 3: "offloaded"}
NO_SUCH_HOOK = (errno.EINVAL, errno.ENOENT)
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SeenProgram:
    """A program by its id, and what we may know of it; a name and the rest take CAP_SYS_ADMIN where it is not ours.

    `verdicts` is all that it can return, None where its instructions do not tell.
    """

    id: int
    is_hidden: bool = False
    name: str = ""
    tag: str = ""
    loaded_seconds: int = 0  # since 1970
    verdicts: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Occupant:
    """Somebody on a hook; `kind` is the mode of XDP, ``link`` or ``program`` at tcx, and the kind of a filter.

    `dispatcher_id` is the program that calls this one, where it does not hold the place itself.
    """

    hook: str
    kind: str
    program: SeenProgram | None
    link_id: int = 0
    filter: Filter | None = None
    dispatcher_id: int = 0


def occupants(
    interface_index: int,
    direction: Direction,
    *,
    name: str,
    own: Mapping[int, int],
    dispatchers: Mapping[int, int],
) -> list[Occupant]:
    """Everybody on the hooks of one direction, in the order in which packets meet them.

    `own` has descriptors of programs by their ids: what is known of these is known without any privilege. `dispatchers`
    has those of their prog arrays, by the ids of programs that do nothing but call what is in there.

    Raises:
        InterfaceNotFound: It went away meanwhile.
        KernelError: The kernel would not say.
    """
    try:
        received = [*_at_xdp(interface_index, own, dispatchers)] if direction is Direction.INGRESS else []
        return [*received, *_at_tcx(interface_index, direction, own), *_at_clsact(interface_index, direction, own)]
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise InterfaceNotFound(name) from error
        raise KernelError(f"look at the hooks of {name!r}", error) from error


def _at_xdp(interface_index: int, own: Mapping[int, int], dispatchers: Mapping[int, int]) -> Iterator[Occupant]:
    facts = _netlink.attributes(_netlink.link_attributes(interface_index).get(IFLA_XDP, b""))
    modes = {mode: _number(facts[place]) for place, mode in XDP_MODES.items() if place in facts}
    if not modes and XDP_PROGRAM in facts:  # drivers need not say more
        modes = {XDP_ATTACHED_AS.get(_number(facts[XDP_ATTACHED]), "native"): _number(facts[XDP_PROGRAM])}
    for mode, number in modes.items():
        if number not in dispatchers:
            yield Occupant("xdp", mode, seen_program(number, own))
            continue
        for each in _programs_in(dispatchers[number]):
            yield Occupant("xdp", mode, seen_program(each, own), dispatcher_id=number)


def _programs_in(slots: int) -> Iterator[int]:
    """The ids of the programs in a prog array."""
    for slot in range(MOST_TAIL_CALLS):
        value = _syscall.buffer(bytes(4))
        try:
            _syscall.map_element(_syscall.MAP_LOOKUP_ELEM, slots, slot.to_bytes(4, sys.byteorder), value)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            continue
        yield _number(value.raw)


def _at_tcx(interface_index: int, direction: Direction, own: Mapping[int, int]) -> Iterator[Occupant]:
    try:
        found = _syscall.tcx_query(interface_index, TCX_TYPES[direction])
    except OSError as error:
        if error.errno not in NO_SUCH_HOOK:
            raise
        return
    for program_id, link_id in found:
        yield Occupant("tcx", "link" if link_id else "program", seen_program(program_id, own), link_id)


def _at_clsact(interface_index: int, direction: Direction, own: Mapping[int, int]) -> Iterator[Occupant]:
    for each in filters_at(interface_index, direction):
        program = seen_program(each.program_id, own) if each.program_id else None
        yield Occupant("clsact", each.kind, program, filter=each)


def seen_program(number: int, own: Mapping[int, int]) -> SeenProgram:
    """What can be known of a program; one that went away meanwhile is a number."""
    try:
        descriptor = os.dup(own[number]) if number in own else _syscall.program_by_id(number)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOENT):
            raise
        return SeenProgram(number, is_hidden=error.errno == errno.EPERM)
    try:
        facts = _syscall.ProgramFacts()
        _syscall.object_info(descriptor, facts)
        code = _translated(descriptor, facts.translated_bytes)
    finally:
        os.close(descriptor)
    booted = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return SeenProgram(
        id=number,
        name=facts.name.decode(errors="replace"),
        tag=bytes(facts.tag).hex(),
        loaded_seconds=(booted + facts.load_time) // SECOND_NS,
        verdicts=possible_verdicts(code),
    )


def _translated(descriptor: int, size: int) -> bytes:
    """The instructions as the kernel has them; none where it hides them."""
    if not size:
        return b""
    room = _syscall.buffer(bytes(size))
    facts = _syscall.ProgramFacts(translated_bytes=size)
    facts.code[1] = _syscall.address_of(room)
    _syscall.object_info(descriptor, facts)
    return room.raw if facts.code[1] else b""


def _number(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)

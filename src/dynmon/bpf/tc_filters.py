"""The filters at a clsact (or ingress) qdisc, anybody's: what is known of each, and of the packets that it lets go on.

A filter ends the walk for the packets that it matches, unless its verdict is "unspec" (``continue`` in tc's words).
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dynmon.bpf import _netlink
from dynmon.bpf.clsact_filter import PARENTS
from dynmon.models import Direction

# include/uapi/linux/rtnetlink.h, pkt_cls.h and tc_act/*.h
KIND, OPTIONS, CHAIN = 1, 2, 11
BPF_NAME, BPF_FLAGS, BPF_ID = 7, 8, 11
DIRECT_ACTION = 1
ACTIONS = {"bpf": 1, "matchall": 2, "flower": 3, "u32": 7}
FLAGS = {"bpf": 9, "matchall": 3, "flower": 22, "u32": 11}
SKIP_SOFTWARE = 2
FLOWER_WITHOUT_KEYS = frozenset({1, 3, 22, 86})  # class, actions, flags, count of hardware
PARAMETERS, GACT_PROBABILITY = 2, 3
PARAMETERS_HEAD = struct.Struct("=IIi")
MIRRED_PLACE = struct.Struct("=i")
REDIRECTS = (1, 3)
OK, SHOT, PIPE, STOLEN, QUEUED, TRAP, UNSPEC = 0, 2, 3, 4, 5, 8, -1
ENDINGS = (OK, SHOT, STOLEN, QUEUED, TRAP)

EVERY_PROTOCOL = 0x0003
PROTOCOLS = {EVERY_PROTOCOL: "all", 0x0800: "ip", 0x0806: "arp", 0x86DD: "ipv6", 0x8100: "802.1Q", 0x88A8: "802.1ad"}
# A u32 filter has a node number in its low bits; without one it is a hash table.
U32_NODE = 0xFFF


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as it was when we looked.

    `takes_all` is whether it matches every packet of its protocol, as far as that is known without running a program.
    `lets_on` is what its actions do with the packets that it matches: True lets all on, False none, None is not known.
    A direct-action filter has no actions: the verdict is what its program returns.
    """

    kind: str
    priority: int
    protocol: str
    handle: int
    chain: int
    program_id: int
    name: str
    is_direct: bool
    takes_all: bool
    lets_on: bool | None
    is_hardware_only: bool


def filters_at(interface_index: int, direction: Direction) -> list[Filter]:
    """All filters of one direction in the order in which packets meet them, those of other chains than 0 last.

    Raises:
        OSError: The kernel would not say.
    """
    try:
        found = [
            filter_of(handle, info, attributes)
            for handle, info, attributes in _netlink.filters(interface_index, PARENTS[direction])
            if OPTIONS in attributes  # without, it is a heading of the filters of one priority
        ]
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # there is no such qdisc
            return []
        raise
    rows = (each for each in found if each.kind != "u32" or each.handle & U32_NODE)
    return sorted(rows, key=lambda each: each.chain)  # what has one chain stays as the kernel has it


def filter_of(handle: int, info: int, attributes: Mapping[int, bytes]) -> Filter:
    """A filter out of netlink's words; `info` has priority and protocol."""
    kind = attributes[KIND].rstrip(b"\0").decode(errors="replace")
    options = _netlink.attributes(attributes[OPTIONS])
    protocol = socket.ntohs(info & 0xFFFF)
    is_bpf = kind == "bpf"
    return Filter(
        kind=kind,
        priority=info >> 16,
        protocol=PROTOCOLS.get(protocol, f"{protocol:#06x}"),
        handle=handle,
        chain=_number(attributes.get(CHAIN)),
        program_id=_number(options.get(BPF_ID)) if is_bpf else 0,
        name=options.get(BPF_NAME, b"").rstrip(b"\0").decode(errors="replace") if is_bpf else "",
        is_direct=is_bpf and bool(_number(options.get(BPF_FLAGS)) & DIRECT_ACTION),
        takes_all=kind == "matchall" or (kind == "flower" and options.keys() <= FLOWER_WITHOUT_KEYS),
        lets_on=actions_let_on(options.get(ACTIONS[kind], b"")) if kind in ACTIONS else None,
        is_hardware_only=kind in FLAGS and bool(_number(options.get(FLAGS[kind])) & SKIP_SOFTWARE),
    )


def actions_let_on(data: bytes) -> bool | None:
    """Whether packets go on to the next filter behind this list of actions, None when that is not known."""
    for kind, options in _actions(data):
        verdict = _verdict(kind, options)
        if verdict == PIPE:
            continue
        return False if verdict in ENDINGS else True if verdict == UNSPEC else None
    return False  # no action, or none that decides: the walk ends with the packet accepted


def _actions(data: bytes) -> Iterator[tuple[str, dict[int, bytes]]]:
    for _, action in sorted(_netlink.attributes(data).items()):
        parts = _netlink.attributes(action)
        yield parts.get(KIND, b"").rstrip(b"\0").decode(errors="replace"), _netlink.attributes(parts.get(OPTIONS, b""))


def _verdict(kind: str, options: Mapping[int, bytes]) -> int | None:
    parameters = options.get(PARAMETERS, b"")
    if kind == "gact" and GACT_PROBABILITY not in options and len(parameters) >= PARAMETERS_HEAD.size:
        return int(PARAMETERS_HEAD.unpack_from(parameters)[2])
    if kind == "mirred" and len(parameters) >= 28 and MIRRED_PLACE.unpack_from(parameters, 20)[0] in REDIRECTS:
        return STOLEN  # or dropped, when that does not work
    return None


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", sys.byteorder)

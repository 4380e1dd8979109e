"""What the kernel says is attached to an interface, asked without Dynmon."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import socket
import struct

from tests.support import has_tcx, run

BPF_PROG_QUERY = 16
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
TCX_ATTACH_TYPES = {"ingress": 46, "egress": 47}
MAX_PROGRAMS = 64


def tcx_programs(interface: str, direction: str) -> list[str]:
    """The names of the programs on a tcx hook, in running order."""
    return [
        json.loads(run("bpftool", "-j", "prog", "show", "id", str(program_id)))["name"]
        for program_id, _ in _tcx_hook(interface, direction)
    ]


def tcx_links(interface: str, direction: str) -> list[int]:
    """The ids of the links that hold those programs."""
    return [link_id for _, link_id in _tcx_hook(interface, direction)]


def _tcx_hook(interface: str, direction: str) -> list[tuple[int, int]]:
    """The ids of programs and of their links; none on a kernel without tcx."""
    programs, links = (ctypes.c_uint32 * MAX_PROGRAMS)(), (ctypes.c_uint32 * MAX_PROGRAMS)()
    # union bpf_attr, query: target_ifindex, attach_type, query_flags, attach_flags, prog_ids, count, padding,
    # prog_attach_flags, link_ids
    attributes = ctypes.create_string_buffer(
        struct.pack(
            "=IIIIQIIQQ",
            socket.if_nametoindex(interface),
            TCX_ATTACH_TYPES[direction],
            0,
            0,
            ctypes.addressof(programs),
            MAX_PROGRAMS,
            0,
            0,
            ctypes.addressof(links),
        ),
        64,
    )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_BPF, BPF_PROG_QUERY, attributes, len(attributes)) < 0:
        if ctypes.get_errno() == errno.EINVAL and not has_tcx():
            return []
        raise OSError(ctypes.get_errno(), f"query of {interface} {direction}")
    (count,) = struct.unpack_from("=I", attributes, 24)
    return list(zip(programs[:count], links[:count], strict=True))


def attached(interface: str) -> dict[str, list[str]]:
    """Everything on the interface: tcx programs by direction, tc filters and qdiscs as `tc` prints them, XDP."""
    found = {direction: tcx_programs(interface, direction) for direction in TCX_ATTACH_TYPES}
    for direction in TCX_ATTACH_TYPES:
        found[f"filters {direction}"] = run("tc", "filter", "show", "dev", interface, direction, check=False).split(
            "\n"
        )
    found["qdiscs"] = run("tc", "qdisc", "show", "dev", interface).split("\n")
    found["xdp"] = [line for line in run("ip", "link", "show", interface).split("\n") if "xdp" in line]
    return found


def program_ids(interface: str) -> set[int]:
    """The ids of all BPF programs on the interface, at whatever hook."""
    listed = "\n".join(line for lines in attached(interface).values() for line in lines)
    tcx = {program_id for direction in TCX_ATTACH_TYPES for program_id, _ in _tcx_hook(interface, direction)}
    return tcx | {int(number) for number in re.findall(r"\bid (\d+)", listed)}


def exists(kind: str, number: int) -> bool:
    """Whether the kernel still has the ``prog`` or ``link`` with this id."""
    return "id" in json.loads(run("bpftool", "-j", kind, "show", "id", str(number), check=False) or "{}")

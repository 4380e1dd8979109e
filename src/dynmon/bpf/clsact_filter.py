"""Filters of our own at clsact, by libbpf's tc functions, and what else there is on an interface.

Nothing here touches a filter that does not have our handle *and* our program, nor a qdisc that is in use. A filter is
in a network namespace, None for our own; each request goes to where that namespace is found then.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.netdev import Namespace, inside

HANDLE = 0x64796E6D  # "dynm"
POINTS = {"ingress": _libbpf.TC_INGRESS, "egress": _libbpf.TC_EGRESS}
GONE = (errno.ENOENT, errno.ENODEV, errno.EINVAL)  # the filter, the interface, the qdisc
PARENTS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one filter of ours is."""

    interface_index: int
    direction: str
    priority: int
    namespace: Namespace | None = None


def make_qdisc(interface_index: int, namespace: Namespace | None = None) -> bool:
    """Make sure of a clsact qdisc; True if there was none.

    Raises:
        OSError: The kernel would not.
    """
    try:
        inside(namespace, _libbpf.tc_hook_create, _both(interface_index))
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
        return False
    return True


def set_filter(place: Place, program_fd: int, *, replace: bool) -> None:
    """Add the filter, or let it run another program from the next packet on.

    Raises:
        OSError: EEXIST when it is not to be replaced and there; or the kernel would not.
    """
    options = _options(place, prog_fd=program_fd, flags=_libbpf.TC_REPLACE if replace else 0)
    inside(place.namespace, _libbpf.tc_attach, _hook(place), options)


def program_at(place: Place) -> int | None:
    """The id of the program that our filter there runs, None where there is no such filter.

    Raises:
        OSError: The kernel would not say.
    """
    found = _options(place)
    try:
        inside(place.namespace, _libbpf.tc_query, _hook(place), found)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None
    return int(found.prog_id)


def remove_filter(place: Place, program_ids: Collection[int]) -> None:
    """Remove the filter if it runs one of these programs; anything else there is somebody else's.

    Raises:
        OSError: The kernel would not.
    """
    try:
        if program_at(place) in program_ids:
            inside(place.namespace, _libbpf.tc_detach, _hook(place), _options(place))
    except OSError as error:
        if error.errno not in GONE:
            raise


def remove_unused_qdisc(interface_index: int, namespace: Namespace | None = None) -> None:
    """Remove the clsact qdisc if no filter is left in either direction.

    Between the look and the removal somebody may add a filter, which is then lost: netlink has no "if empty".
    """
    try:
        if not any(priorities(interface_index, direction, namespace) for direction in PARENTS):
            inside(namespace, _libbpf.tc_hook_destroy, _both(interface_index))
    except OSError as error:
        if error.errno not in GONE:
            raise


def priorities(interface_index: int, direction: str, namespace: Namespace | None = None) -> list[int]:
    """The priorities in use at one attach point, anybody's, rising; packets pass them in this order.

    Raises:
        OSError: ENODEV, the namespace is gone.
    """
    return inside(namespace, _priorities, interface_index, direction)


def _priorities(interface_index: int, direction: str) -> list[int]:
    from pyroute2 import IPRoute  # the guard, which starts for every daemon without tcx, needs it only at its end
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as netlink:
            filters = list(netlink.get_filters(index=interface_index, parent=PARENTS[direction]))
    except NetlinkError:  # the interface or its qdisc is gone
        return []
    return sorted({each["info"] >> 16 for each in filters})


def _hook(place: Place) -> Any:
    return _hook_at(place.interface_index, POINTS[place.direction])


def _both(interface_index: int) -> Any:
    return _hook_at(interface_index, _libbpf.TC_INGRESS | _libbpf.TC_EGRESS)


def _hook_at(interface_index: int, point: int) -> Any:
    return ctypes.byref(_libbpf.TcHook(sz=ctypes.sizeof(_libbpf.TcHook), ifindex=interface_index, attach_point=point))


def _options(place: Place, *, prog_fd: int = 0, flags: int = 0) -> Any:
    return _libbpf.TcOptions(
        sz=ctypes.sizeof(_libbpf.TcOptions),
        prog_fd=prog_fd,
        flags=flags,
        handle=HANDLE,
        priority=place.priority,
    )

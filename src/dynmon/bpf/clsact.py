"""Attach at tc on kernels without tcx: a clsact filter with a handle of our own.

We want what a tcx link gives, from an interface made for administrators: never touch what others have there, come
after it, replace a program without a packet unseen, leave nothing behind. So each attachment has a priority that
nobody uses, behind all others; replacing is one netlink request that swaps the program within the filter; the qdisc
is made if missing, and removed if we made it and nobody uses it. A filter outlives its maker, so a guard process
removes them when the daemon is killed.
"""

from __future__ import annotations

import errno
import os
import threading

from dynmon.bpf import clsact_filter
from dynmon.bpf.clsact_filter import Place
from dynmon.bpf.clsact_guard import Guard
from dynmon.bpf.link import Link
from dynmon.bpf.program import Program
from dynmon.errors import DynmonError, KernelError
from dynmon.models import Direction
from dynmon.netdev import InterfaceNotFound, Namespace

# The kernel gives filters without a priority 0xc000 and, before that one, smaller numbers.
FIRST_PRIORITY = 0xD000
LAST_PRIORITY = 0xFFFF
GAP = 128  # room to put others between ours
ATTEMPTS = 32

_lock = threading.Lock()
_guard = Guard()


def _after_fork() -> None:
    """The filters are the parent's; a copy of the guard's socket here would keep the guard waiting."""
    global _lock, _guard
    _lock, _guard = threading.Lock(), Guard()


os.register_at_fork(after_in_child=_after_fork)


class ClsactLink(Link):
    """Owns one clsact filter."""

    kind = "clsact"
    id = None

    def __init__(self, place: Place, program_id: int, interface_name: str) -> None:
        self._place: Place | None = place
        self._program_id = program_id
        self._interface_name = interface_name

    @property
    def priority(self) -> int | None:
        """Its place among the filters, None when it is closed."""
        return self._place.priority if self._place else None

    def update(self, program: Program) -> None:
        if self._place is None:
            raise InterfaceNotFound(self._interface_name)
        with _lock:
            try:
                if clsact_filter.program_at(self._place) != self._program_id:
                    # Whoever removed the filter does not want a read to bring it back.
                    raise InterfaceNotFound(self._interface_name)
                _guard.filter(self._place, self._program_id, program.id)
                clsact_filter.set_filter(self._place, program.fd, replace=True)
            except OSError as error:
                raise _error("replace the program at", self._interface_name, error) from error
            _guard.filter(self._place, program.id)
            self._program_id = program.id

    def close(self) -> None:
        if self._place is None:
            return
        place, self._place = self._place, None
        with _lock:
            try:
                clsact_filter.remove_filter(place, {self._program_id})
                _guard.filter(place)
                _remove_qdisc(place.interface_index, place.namespace)
            except OSError as error:
                raise KernelError(f"detach from {self._interface_name!r}", error) from error

    def is_attached(self) -> bool:
        with _lock:  # in the middle of an update it runs one program, and we know of the other
            if self._place is None:
                return False
            try:
                return clsact_filter.program_at(self._place) == self._program_id
            except OSError:  # where it is found no more, its namespace is not either
                return False

    def abandon(self) -> None:
        self._place = None


def attach_clsact(
    program: Program,
    interface_index: int,
    direction: Direction,
    *,
    interface_name: str,
    namespace: Namespace | None = None,
    before: ClsactLink | None = None,
) -> ClsactLink:
    """Attach behind all filters already there, or just before another one of ours.

    The index is that of an interface in `namespace`, None for our own.

    Raises:
        KernelError: The kernel would not, or there is no room for a filter in that place.
        InterfaceNotFound: There is no such interface, or it went away meanwhile.
    """
    with _lock:
        try:
            if clsact_filter.make_qdisc(interface_index, namespace):
                _guard.qdisc(interface_index, namespace, is_ours=True)
            place = _add(program, interface_index, direction, namespace, before.priority if before else None)
            return ClsactLink(place, program.id, interface_name)
        except OSError as error:
            _remove_qdisc(interface_index, namespace)
            raise _error("attach to", interface_name, error) from error


def _add(
    program: Program, interface_index: int, direction: Direction, namespace: Namespace | None, successor: int | None
) -> Place:
    """Add a filter where there is room; who else adds one at the same moment makes us look again."""
    for _ in range(ATTEMPTS):
        used = clsact_filter.priorities(interface_index, direction, namespace)
        priority = _before(used, successor) if successor else _behind(used)
        place = Place(interface_index, str(direction), priority, namespace)
        _guard.filter(place, program.id)
        try:
            clsact_filter.set_filter(place, program.fd, replace=False)
        except OSError as error:
            _guard.filter(place)
            if error.errno != errno.EEXIST:
                raise
        else:
            return place
    raise OSError(errno.EBUSY, "others keep changing the filters there")


def _behind(used: list[int]) -> int:
    """A priority behind all, or as far behind as there is one left."""
    priority = max([*used, FIRST_PRIORITY]) + GAP
    if priority <= LAST_PRIORITY:
        return priority
    return next(number for number in range(LAST_PRIORITY, 0, -1) if number not in used)


def _before(used: list[int], successor: int) -> int:
    """A priority between the successor's and that of the filter in front of it."""
    previous = max((number for number in used if number < successor), default=FIRST_PRIORITY)
    priority = (min(previous, successor) + successor) // 2
    if previous < priority < successor:
        return priority
    raise OSError(errno.ENOSPC, "no priority is left between two filters")


def _remove_qdisc(interface_index: int, namespace: Namespace | None) -> None:
    """After our last filter there: remove the qdisc if we made it, or leave it to whoever else uses it by now."""
    here, charges = (interface_index, namespace), _guard.charges
    if here in charges.qdiscs and not any((each.interface_index, each.namespace) == here for each in charges.filters):
        clsact_filter.remove_unused_qdisc(*here)
        _guard.qdisc(*here, is_ours=False)


def _error(attempt: str, interface_name: str, error: OSError) -> DynmonError:
    if error.errno == errno.ENODEV:
        return InterfaceNotFound(interface_name)
    return KernelError(f"{attempt} {interface_name!r}", error)

"""A program at its attach point: tcx and XDP links, and the choice of the means this kernel has for tc."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from abc import abstractmethod
from ctypes import c_uint32

from dynmon.bpf import _libbpf, _syscall
from dynmon.bpf.errors import HookFull, InterfaceBusy, ModeUnsupported
from dynmon.bpf.features import kernel_features
from dynmon.bpf.owner import Owner
from dynmon.bpf.program import Program
from dynmon.errors import DynmonError, KernelError, UnsupportedError
from dynmon.models import Direction
from dynmon.netdev import InterfaceNotFound, Namespace, inside

TCX_TYPES = {Direction.INGRESS: _syscall.TCX_INGRESS, Direction.EGRESS: _syscall.TCX_EGRESS}
XDP_MODES = {"skb": _syscall.XDP_SKB_MODE, "drv": _syscall.XDP_DRV_MODE}
GONE = (errno.ENODEV, errno.ENOLINK)
PACKETS_TOO_LONG = (
    "its MTU allows packets longer than a page, which the driver gives to programs for fragments only",
    'write SEC("xdp.frags"), lower the MTU, or try XDP_SKB',
)


class Link(Owner):
    """Owns an attachment. Closing it detaches, and touches nothing of anybody else's."""

    kind: str
    id: int | None

    @abstractmethod
    def update(self, program: Program) -> None:
        """Run `program` from the next packet on; none passes unseen in between.

        Raises:
            InterfaceNotFound: The interface went away, and the attachment with it.
        """

    @abstractmethod
    def close(self) -> None:
        """Detach; twice is harmless, and so is an interface that went away."""

    @abstractmethod
    def is_attached(self) -> bool:
        """Whether it is still known to be at an interface, wherever that is by now."""

    @abstractmethod
    def abandon(self) -> None:
        """In a forked child: let go of the copy of the attachment, which is the parent's."""


class BpfLink(Link):
    """An attachment that the kernel keeps as a link; it ends at the latest with this process."""

    def __init__(self, fd: int, kind: str, interface_name: str) -> None:
        self.fd = fd
        self.kind = kind
        self.interface_name = interface_name
        facts = _syscall.LinkFacts()
        _syscall.object_info(fd, facts)
        self.id = facts.id

    def update(self, program: Program) -> None:
        try:
            _syscall.link_update(self.fd, program.fd)
        except OSError as error:
            if error.errno in GONE:
                raise InterfaceNotFound(self.interface_name) from error
            raise KernelError(f"replace the program at {self.interface_name!r}", error) from error

    def close(self) -> None:
        if self.fd < 0:
            return
        fd, self.fd = self.fd, -1
        try:
            # Closing alone would wait for whoever else holds the descriptor, as a child between fork and exec does.
            _syscall.link_detach(fd)
        except OSError as error:
            if error.errno not in GONE:
                raise KernelError(f"detach from {self.interface_name!r}", error) from error
        finally:
            os.close(fd)

    def is_attached(self) -> bool:
        facts = _syscall.LinkFacts()
        if self.fd >= 0:
            _syscall.object_info(self.fd, facts)
        return bool(facts.ifindex)

    def abandon(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


def attach_tcx(
    program: Program,
    interface_index: int,
    direction: Direction,
    *,
    interface_name: str,
    namespace: Namespace | None = None,
    before: BpfLink | None = None,
    after: BpfLink | None = None,
) -> BpfLink:
    """Attach behind all programs already there, or next to another link of the same attach point.

    The index is that of an interface in `namespace`, None for our own. The link does not keep a namespace alive.

    Raises:
        UnsupportedError: This kernel has no tcx.
        InterfaceNotFound: There is no such interface, or it went away meanwhile.
        HookFull: The attach point has as many programs as the kernel takes.
    """
    if not kernel_features().has_tcx:
        raise UnsupportedError(f"attach to {interface_name!r} {direction}: this kernel has no tcx links")
    flags, neighbour = _syscall.F_BEFORE if before else _syscall.F_AFTER, before or after
    if neighbour:
        flags |= _syscall.F_LINK
    try:
        relative_fd = neighbour.fd if neighbour else 0
        fd = inside(
            namespace, _syscall.link_create, program.fd, interface_index, TCX_TYPES[direction], flags, relative_fd
        )
    except OSError as error:
        raise _attach_error(error, interface_name, direction) from error
    return _owned(fd, "tcx", interface_name)


def attach_xdp(
    program: Program, interface_index: int, mode: str, *, interface_name: str, namespace: Namespace | None = None
) -> BpfLink:
    """Attach to the interface's one place for XDP; `mode` is ``skb`` (any driver) or ``drv`` (native).

    Raises:
        InterfaceBusy: Another program has the place.
        ModeUnsupported: The driver has no native XDP, or not for packets as long as the interface takes.
        InterfaceNotFound: There is no such interface, or it went away meanwhile.
    """
    try:
        fd = inside(namespace, _syscall.link_create, program.fd, interface_index, _syscall.XDP, XDP_MODES[mode])
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.EEXIST):
            raise InterfaceBusy(interface_name, xdp_program_id(interface_index, namespace)) from error
        if error.errno == errno.EOPNOTSUPP:
            raise ModeUnsupported(interface_name, mode) from error
        if error.errno == errno.ERANGE:
            raise ModeUnsupported(interface_name, mode, *PACKETS_TOO_LONG) from error
        if error.errno == errno.EINVAL and not _exists(interface_index, namespace):  # unlike tcx, no ENODEV
            raise InterfaceNotFound(interface_name) from error
        raise _attach_error(error, interface_name, Direction.INGRESS) from error
    return _owned(fd, "xdp", interface_name)


def xdp_program_id(interface_index: int, namespace: Namespace | None = None) -> int:
    """The id of the XDP program on an interface; zero if there is none, or several."""
    number = c_uint32()
    try:
        inside(namespace, _libbpf.xdp_query_id, interface_index, 0, ctypes.byref(number))
    except OSError:
        return 0
    return number.value


def _exists(interface_index: int, namespace: Namespace | None) -> bool:
    try:
        inside(namespace, socket.if_indextoname, interface_index)
    except OSError:
        return False
    return True


def _owned(fd: int, kind: str, interface_name: str) -> BpfLink:
    try:
        return BpfLink(fd, kind, interface_name)
    except OSError as error:
        os.close(fd)
        raise KernelError(f"attach to {interface_name!r}", error) from error


def _attach_error(error: OSError, interface_name: str, direction: Direction) -> DynmonError:
    if error.errno in GONE:
        return InterfaceNotFound(interface_name)
    if error.errno == errno.ERANGE:
        return HookFull(interface_name, direction)
    return KernelError(f"attach to {interface_name!r} {direction}", error)

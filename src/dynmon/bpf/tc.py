"""Attach at tc by the best means that this kernel has."""

from __future__ import annotations

from dynmon.bpf.clsact import ClsactLink, attach_clsact
from dynmon.bpf.features import kernel_features
from dynmon.bpf.link import BpfLink, Link, attach_tcx
from dynmon.bpf.program import Program
from dynmon.models import Direction
from dynmon.netdev import Namespace


def attach_tc(
    program: Program,
    interface_index: int,
    direction: Direction,
    *,
    interface_name: str,
    namespace: Namespace | None = None,
    before: Link | None = None,
) -> Link:
    """Attach by a tcx link, or on kernels without by a clsact filter.

    The program runs last of all, or just before the one that `before` holds. An XDP link there says nothing: what
    it holds runs before everything at tc anyway.

    Raises:
        InterfaceNotFound: There is no such interface, or it went away meanwhile.
    """
    if kernel_features().has_tcx:
        tcx = before if isinstance(before, BpfLink) and before.kind == "tcx" else None
        return attach_tcx(
            program, interface_index, direction, interface_name=interface_name, namespace=namespace, before=tcx
        )
    clsact = before if isinstance(before, ClsactLink) else None
    return attach_clsact(
        program, interface_index, direction, interface_name=interface_name, namespace=namespace, before=clsact
    )

"""Attach at tc by the best means that this kernel has."""

from __future__ import annotations

from dynmon.bpf.clsact import attach_clsact
from dynmon.bpf.features import kernel_features
from dynmon.bpf.link import Link, attach_tcx
from dynmon.bpf.program import Program
from dynmon.models import Direction


def attach_tc(program: Program, interface_index: int, direction: Direction, *, interface_name: str) -> Link:
    """Attach behind the programs already there: by a tcx link, or on kernels without by a clsact filter.

    Raises:
        InterfaceNotFound: There is no such interface, or it went away meanwhile.
    """
    attach = attach_tcx if kernel_features().has_tcx else attach_clsact
    return attach(program, interface_index, direction, interface_name=interface_name)

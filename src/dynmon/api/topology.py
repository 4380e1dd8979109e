"""Which cubes see the packets of an interface, in which order."""

from __future__ import annotations

from typing import Any

from dynmon.cubes import CubeRegistry

STACK = "stack"
ARROW = " ---> "


def topology_of(registry: CubeRegistry, interface_name: str) -> dict[str, Any]:
    """The chains of one interface; the keys and the tab are as clients look for them.

    Raises:
        InvalidInputError, NotFoundError: There is no such interface.
    """
    chain = registry.chain(interface_name)
    if not chain:
        return {"name": interface_name}
    # The chain begins at the wire, but a packet that is sent comes from the other end.
    egress = chain[::-1]
    indexes = [f"{name},\t{chain.index(name)},\t{egress.index(name)}" for name in chain]
    return {
        "name": interface_name,
        "cubes, ingress_index, egress_index": indexes,
        "ingress service chain": ARROW.join([*chain, STACK]),
        "egress service chain": ARROW.join([*egress, STACK]),
    }

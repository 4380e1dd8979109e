"""Which cubes see the packets of an interface, in which order."""

from __future__ import annotations

from typing import Any

from dynmon.cubes import CubeRegistry
from dynmon.models import Direction
from dynmon.netdev import find_interface

STACK = "stack"
ARROW = " ---> "


def topology_of(registry: CubeRegistry, interface_name: str) -> dict[str, Any]:
    """The chains of one interface; the keys and the tab are as clients look for them.

    Raises:
        InterfaceNotFound: There is no such interface, and no cube is attached to it.
    """
    ingress = [cube.name for cube in registry.chain(interface_name, Direction.INGRESS)]
    # Given from the wire inwards, but a packet that is sent comes from the other end.
    egress = [cube.name for cube in registry.chain(interface_name, Direction.EGRESS)][::-1]
    if not ingress and not egress:
        return {"name": find_interface(interface_name).name}
    indexes = [f"{name},\t{_index(ingress, name)},\t{_index(egress, name)}" for name in dict.fromkeys(ingress + egress)]
    return {
        "name": interface_name,
        "cubes, ingress_index, egress_index": indexes,
        "ingress service chain": ARROW.join([*ingress, STACK]),
        "egress service chain": ARROW.join([*egress, STACK]),
    }


def _index(chain: list[str], name: str) -> str:
    return str(chain.index(name)) if name in chain else "-"

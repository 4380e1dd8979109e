"""Which cubes see the packets of an interface, in which order."""

from __future__ import annotations

from typing import Any

from dynmon.cubes import CubeRegistry

STACK = "stack"
ARROW = " ---> "


def topology_of(registry: CubeRegistry, port: str) -> dict[str, Any]:
    """The chains of one interface or port; the keys and the tab are as clients look for them.

    Raises:
        InvalidInputError, NotFoundError: There is none.
    """
    lineup = registry.placing.lineup(port)
    members = list(lineup.members)
    if not members:
        return {"name": port}
    # The chain of an interface begins at the wire, that of a port at its cube. Packets come from the other end of it
    # when they are sent by the interface, and when they enter the cube.
    if lineup.inside:
        ingress, egress = [*members[::-1], lineup.inside], [*members, *filter(None, [lineup.outside])]
    else:
        ingress, egress = [*members, STACK], [*members[::-1], STACK]
    return {
        "name": port,
        "cubes, ingress_index, egress_index": [
            f"{name},\t{ingress.index(name)},\t{egress.index(name)}" for name in members
        ],
        "ingress service chain": ARROW.join(ingress),
        "egress service chain": ARROW.join(egress),
    }

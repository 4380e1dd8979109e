"""Ask the kernel over rtnetlink what is at an interface, and get the attributes as they came.

For filters of other software: pyroute2 leaves out what it does not know of them (chains, some flags), and that is what
we want to know.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dynmon.netdev.rtnetlink import ACKNOWLEDGE, DUMP, LINK, ask, attributes

__all__ = ["attributes", "filters", "link_attributes"]

GET_LINK = 18
GET_FILTER = 46
FILTER = struct.Struct("=BxxxiIII")


def link_attributes(interface_index: int) -> dict[int, bytes]:
    """The attributes (``IFLA_…``) of an interface.

    Raises:
        OSError: ENODEV when it is gone.
    """
    (answer,) = ask(GET_LINK, ACKNOWLEDGE, LINK.pack(0, 0, interface_index, 0, 0))
    return attributes(answer[LINK.size :])


def filters(interface_index: int, parent: int) -> Iterator[tuple[int, int, dict[int, bytes]]]:
    """Each filter at `parent`, in the kernel's order: its handle, priority and protocol, and attributes (``TCA_…``).

    Raises:
        OSError: ENODEV when the interface is gone.
    """
    for answer in ask(GET_FILTER, DUMP, FILTER.pack(0, interface_index, 0, parent, 0)):
        _, _, handle, _, info = FILTER.unpack_from(answer)
        yield handle, info, attributes(answer[FILTER.size :])

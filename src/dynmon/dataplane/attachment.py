"""A port that a cube is attached to."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from dataclasses import dataclass, field

from dynmon.bpf import Link
from dynmon.dataplane.chain import AttachPoint, Chain
from dynmon.dataplane.path import LoadedPath
from dynmon.models import Direction
from dynmon.netdev import Place


@dataclass(slots=True, eq=False)
class Attachment:
    """A port that a cube is attached to, and the links that hold its programs where that is.

    Nothing runs while `point` is None: the cube's port that is meant is plugged into nothing, the interface went away
    and is awaited, or the kernel refused, which is the `trouble` then. `lanes` are what runs of paths with split maps.

    No descriptor of a namespace is among it: that would keep the namespace alive. See `dynmon.netdev.namespaces`.
    """

    chain: Chain
    place: Place  # as it was asked for
    point: AttachPoint | None
    selector: str = ""  # what has brought the cube here; "" where this place was asked for
    returns: bool = False  # whether an interface that went away is awaited
    trouble: str = ""
    links: dict[Direction, Link] = field(default_factory=dict)
    lanes: dict[Direction, LoadedPath] = field(default_factory=dict)

    def interface_name(self) -> str | None:
        """What the interface is called now that the links are at; None when there is none."""
        if self.point is None:
            return None
        try:
            return self.point.located.name()
        except OSError as error:
            # A namespace that we do not find any more may live on; where a link is still at an interface, it does.
            if error.errno == errno.ENXIO or not any(link.is_attached() for link in self.links.values()):
                return None
            return self.place.interface

    def current_name(self) -> str | None:
        """The port as it was asked for, by the name that the interface has now; None when the interface is gone."""
        if not self.chain.is_port:
            name = self.interface_name()
            if name is None:
                return None
            self.place = self.place.renamed(name)
        return str(self.place)

    def last_name(self) -> str:
        """The port by the name that the interface has, or had last."""
        return self.current_name() or str(self.place)

    def close_links(self) -> None:
        """Run there no more."""
        with ExitStack() as all_of_them:  # whatever becomes of the others
            for link in self.links.values():
                all_of_them.callback(link.close)
            self.links.clear()

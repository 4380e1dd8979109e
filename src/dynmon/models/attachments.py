"""The bodies of `attach` and `detach`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dynmon.models.base import Document

POSITIONS = ("auto", "first", "last")
Name = Annotated[str, Field(min_length=1, max_length=256)]


class DetachRequest(Document):
    """Take a cube off a port, or off all interfaces of a selector: `port` is the text it was attached by."""

    cube: Name
    port: Name


class AttachRequest(Document):
    """Put a cube on a port, at a place in the chain of cubes there.

    `port` is an interface, ``eth0``, perhaps of another namespace or as the port of a master (``netns/blue/eth0``,
    ``br0:eth1``), the port of a cube, ``br1:port1``, or a selector: ``all``, ``master=NAME``, ``type=KIND``, or a
    pattern of names, which is what has ``*``, ``?`` or ``[`` in it. The text alone decides: an interface whose name
    looks like a selector is meant by a pattern that spells the character in brackets (``eth[*]``, ``[a]ll``).

    With `on_return` the cube attaches again when the interface was removed and one of its name comes back, at the end
    of the chain. A selector does so anyway.
    """

    cube: Name
    port: Name
    position: str | None = None
    before: Name | None = None
    after: Name | None = None
    on_return: Literal["attach"] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> AttachRequest:
        given = [key for key in ("position", "before", "after") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cannot be used together")
        if self.position is not None and self.position not in POSITIONS:
            raise ValueError(f"position must be one of {', '.join(POSITIONS)}, not {self.position!r}")
        return self

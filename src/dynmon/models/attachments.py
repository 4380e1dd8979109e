"""The bodies of `attach` and `detach`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dynmon.models.base import Document

POSITIONS = ("auto", "first", "last")
Name = Annotated[str, Field(min_length=1, max_length=256)]


class DetachRequest(Document):
    """Take a cube off an interface."""

    cube: Name
    port: Name


class AttachRequest(Document):
    """Put a cube on an interface, at a place in the chain of cubes there."""

    cube: Name
    port: Name
    position: str | None = None
    before: Name | None = None
    after: Name | None = None

    @model_validator(mode="after")
    def _one_place(self) -> AttachRequest:
        given = [key for key in ("position", "before", "after") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cannot be used together")
        if self.position is not None and self.position not in POSITIONS:
            raise ValueError(f"position must be one of {', '.join(POSITIONS)}, not {self.position!r}")
        return self

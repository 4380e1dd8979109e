"""What can be wrong with a cube's name, place or metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynmon.errors import ConflictError, GoneError, InvalidInputError, NotFoundError
from dynmon.models import Direction


class CubeNotFound(NotFoundError):
    """No cube has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"cube {name!r} does not exist")
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.name}


class CubeExists(ConflictError):
    """A cube of this name is already there; names are unique across services."""

    def __init__(self, name: str) -> None:
        super().__init__(f"cube {name!r} already exists")
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.name}


class AllPassive(ConflictError):
    """A cube was to be not passive, and the daemon takes no other."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"cube {name!r} cannot be other than passive: the daemon runs with --passive, so that no code may drop or "
            "change packets; leave passive out, or run the daemon without"
        )
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.name}


class AlreadyAttached(ConflictError):
    """A cube is at an interface once; `selector` has brought it there, "" for none."""

    def __init__(self, name: str, port: str, selector: str = "") -> None:
        by = f" by the selector {selector!r}" if selector else ""
        super().__init__(f"cube {name!r} is already attached to {port!r}{by}; detach it first")
        self.name = name
        self.port = port

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.name, "port": self.port}


class NotAttached(ConflictError):
    """A cube cannot be taken off an interface it is not on."""

    def __init__(self, name: str, port: str, attachments: Sequence[str]) -> None:
        actual = ", ".join(map(repr, attachments)) if attachments else "anything"
        super().__init__(
            f"cube {name!r} is not attached to {port!r}: it is {'' if attachments else 'not '}attached to {actual}"
        )
        self.name = name
        self.port = port
        self.attachments = list(attachments)

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.name, "port": self.port, "attachments": self.attachments}


class BroughtBySelector(ConflictError):
    """An interface that a selector has brought cannot be left alone."""

    def __init__(self, name: str, port: str, selector: str) -> None:
        super().__init__(
            f"the selector {selector!r} has brought cube {name!r} to {port!r}, and would again; "
            f"detach {selector!r} as a whole"
        )
        self.name = name
        self.port = port
        self.selector = selector

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.name, "port": self.port, "selector": self.selector}


class NothingToAwait(InvalidInputError):
    """Only an interface of the daemon's own namespace is awaited when it goes."""

    def __init__(self, port: str) -> None:
        super().__init__(f"attach to {port!r}: on-return is for interfaces of the daemon's own namespace")
        self.port = port

    def fields(self) -> Mapping[str, Any]:
        return {"port": self.port}


class NoPlaceInChain(InvalidInputError):
    """A selector brings a cube to chains that are not there yet: it goes to the end of each."""

    def __init__(self, selector: str) -> None:
        super().__init__(f"attach to {selector!r}: a selector attaches last on each interface; leave the position out")
        self.selector = selector

    def fields(self) -> Mapping[str, Any]:
        return {"selector": self.selector}


class MetricNotFound(NotFoundError):
    """A cube's path has no metric of this name."""

    def __init__(self, cube: str, direction: Direction, name: str, known: Sequence[str]) -> None:
        super().__init__(f"cube {cube!r} has no {direction} metric {name!r}; it has: {', '.join(known) or 'none'}")
        self.cube = cube
        self.direction = direction
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "direction": self.direction.value, "metric": self.name}


class TokenForgotten(GoneError):
    """A token that the cube does not know: from before its code was replaced, of other metrics, or too old."""

    def __init__(self, cube: str, token: str) -> None:
        super().__init__(
            f"cube {cube!r} does not know the token {token!r} for this: its code was replaced since, or the token is "
            "too old, or of another read; begin again with since="
        )
        self.cube = cube
        self.token = token

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "token": self.token}


class SinceWithPages(InvalidInputError):
    """A window comes as a whole."""

    def __init__(self) -> None:
        super().__init__("since and limit cannot be combined: a window is read as a whole; give one of them")


class SplitWithPages(InvalidInputError):
    """The value for each interface comes as a whole."""

    def __init__(self, name: str) -> None:
        super().__init__(f"metric {name!r} is split per interface, and is read as a whole: leave limit out")

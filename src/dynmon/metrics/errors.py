"""Why a metric cannot have what it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dynmon.errors import InjectionError, did_you_mean
from dynmon.models import Direction

FOLDED = "a variable that the compiler could fold away is not in the object: make it volatile, or not static"


class UnusableMap(InjectionError):
    """A metric cannot have the map or variable it names; `thing` is that, as in ``map 'FLOWS'``."""

    stage: ClassVar[str] = "check"

    def __init__(self, metric: str, thing: str, direction: Direction, problem: str, hint: str = "") -> None:
        message = f"{thing} {problem}"
        super().__init__(f"metric {metric!r}: {message}", file=direction, message=message, hint=hint)
        self.metric = metric
        self.thing = thing

    def fields(self) -> Mapping[str, Any]:
        kind, _, name = self.thing.partition(" ")
        return {**super().fields(), "direction": self.file, "metric": self.metric, kind: name.strip("'")}


class UnknownMap(UnusableMap):
    """A metric names a map that the code does not have."""

    def __init__(
        self, metric: str, map_name: str, direction: Direction, declared: Sequence[str], hint: str = ""
    ) -> None:
        declares = f"it declares: {', '.join(declared)}" if declared else "it declares no maps"
        problem = f"is not declared by the {direction} code; {declares}"
        super().__init__(metric, f"map {map_name!r}", direction, problem, hint or did_you_mean(map_name, declared))
        self.declared = list(declared)

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "declared": self.declared}


class UnknownVariable(UnusableMap):
    """A metric names a global variable that the object does not have."""

    def __init__(
        self, metric: str, variable: str, direction: Direction, declared: Sequence[str], hint: str = ""
    ) -> None:
        has = f"it has: {', '.join(declared)}" if declared else "it has none"
        problem = f"is not among the global variables of the {direction} code; {has}"
        hint = hint or did_you_mean(variable, declared) or FOLDED
        super().__init__(metric, f"variable {variable!r}", direction, problem, hint)
        self.declared = list(declared)

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "declared": self.declared}


class UnreadableMap(UnusableMap):
    """A metric names a map or variable that has no values, or none that can be shown."""

    def __init__(self, metric: str, thing: str, direction: Direction, reason: str) -> None:
        super().__init__(metric, thing, direction, f"of the {direction} code cannot be read: {reason}")
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "reason": self.reason}


class UnusableMerge(UnusableMap):
    """The rules by which a metric's values are put together do not fit them."""

    def __init__(self, metric: str, thing: str, direction: Direction, reason: str, hint: str = "") -> None:
        super().__init__(
            metric, thing, direction, f"of the {direction} code cannot be merged like that: {reason}", hint
        )
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "reason": self.reason}


class UnusableMetadata(UnusableMap):
    """A metric cannot be exported as its `open-metrics-metadata` says; `path` is the place of what is wrong."""

    def __init__(self, metric: str, thing: str, direction: Direction, path: str, reason: str, hint: str = "") -> None:
        super().__init__(
            metric, thing, direction, f"of the {direction} code cannot be exported like that: {path}: {reason}", hint
        )
        self.path = path
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "path": self.path, "reason": self.reason}

"""What all documents share: the wire form, the words with few values, and errors that name the JSON path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_snake

from dynmon.errors import InvalidInputError


class Direction(StrEnum):
    """Which way a packet goes, seen from the interface: received (ingress) or sent (egress)."""

    INGRESS = "ingress"
    EGRESS = "egress"

    @property
    def path_name(self) -> str:
        """The key of this direction's path in a dataplane configuration."""
        return f"{self.value}-path"


class Hook(StrEnum):
    """The kind of place in the kernel where a program sees packets."""

    TC = "tc"
    XDP = "xdp"


class CaselessEnum(StrEnum):
    """A word that is accepted in any case and written back in its own."""

    @classmethod
    def _missing_(cls, value: object) -> Enum | None:
        if isinstance(value, str):
            return next((member for member in cls if member.value.lower() == value.lower()), None)
        return None


class CubeType(CaselessEnum):
    """The kernel hook that a cube's ingress path runs at; egress always runs at TC."""

    TC = "TC"
    XDP_SKB = "XDP_SKB"
    XDP_DRV = "XDP_DRV"

    def hook(self, direction: Direction) -> Hook:
        """Where code for `direction` runs; XDP exists for received packets only."""
        return Hook.TC if self is CubeType.TC or direction is Direction.EGRESS else Hook.XDP


class LogLevel(CaselessEnum):
    """How much ``pcn_log`` says; each level includes those behind it in this list."""

    TRACE = "TRACE"
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERR = "ERR"
    CRITICAL = "CRITICAL"
    OFF = "OFF"

    @property
    def threshold(self) -> int:
        """The number that the dialect's LOG_* macros give this level."""
        return list(LogLevel).index(self)


class MetricType(CaselessEnum):
    """The OpenMetrics type of a metric family; ``untyped`` is the original's word for ``unknown``."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNTYPED = "untyped"


class Merge(CaselessEnum):
    """How values of one thing, read at different times, become one value."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"
    LAST = "last"


class Document(BaseModel):
    """A JSON object with kebab-case keys; anything it does not know is an error.

    A known key whose value is ``{}``, ``[]`` or null counts as not mentioned, as clients of the original expect.
    """

    model_config = ConfigDict(
        alias_generator=lambda name: to_snake(name).replace("_", "-"),
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_unmentioned(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in data.items() if not (key in known and value in ({}, [], None))}

    def wire(self) -> dict[str, Any]:
        """The document as it travels: kebab-case, keys in their declared order, absent parts left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class InvalidDocument(InvalidInputError):
    """A document that does not follow its schema; ``problems`` has one entry for each fault found."""

    def __init__(self, what: str, problems: list[dict[str, str]]) -> None:
        # The path is empty when the fault is in the document as a whole.
        listed = "; ".join(": ".join(filter(None, (problem["path"], problem["message"]))) for problem in problems)
        super().__init__(f"{what} is not valid: {listed}")
        self.problems = problems

    def fields(self) -> Mapping[str, Any]:
        first = self.problems[0]
        return {"stage": "schema", "path": first["path"], "message": first["message"], "errors": self.problems}


DocumentT = TypeVar("DocumentT", bound=Document)


def validate_document(model: type[DocumentT], data: object, what: str) -> DocumentT:
    """Check `data` against `model`.

    Raises:
        InvalidDocument: With every fault and its JSON path, such as ``ingress-path.metric-configs[0].map-name``.
    """
    try:
        return model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidDocument(what, [_problem(item) for item in error.errors(include_url=False)]) from error


KEY = "[key]"  # what pydantic puts behind the key of an object when the key itself is wrong
FREE = ("constants", "initial-entries")  # behind the names in these, pydantic's steps are types of JSON


def _problem(item: Any) -> dict[str, str]:
    location = item["loc"]
    if KEY in location:
        return {"path": _json_path(location[:-2]), "message": f"has a key that {_sentence(item)}"}
    end = next((place + 2 for place, step in enumerate(location) if step in FREE), None)
    return {"path": _json_path(location[:end]), "message": _sentence(item)}


def _json_path(location: Sequence[int | str]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a known key",
    "string_type": "must be a string",
    "string_unicode": "must be a string of valid Unicode",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number that is not infinite",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "invalid-json-value": "must be what JSON has: a number, a string, a list, an object, true, false or null",
    "recursion_depth_exceeded": "must not have so many lists and objects in each other",
    "invalid_key": "must be a string",
    "bool_type": "must be true or false",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "enum": "must be {expected}",
}


def _sentence(item: Any) -> str:
    sentence = SENTENCES.get(item["type"])
    return sentence.format(**item.get("ctx", {})) if sentence else str(item["msg"]).removeprefix("Value error, ")

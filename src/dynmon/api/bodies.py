"""Request bodies: JSON whatever the Content-Type says, an empty one counts as `{}`, faults with line and column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.requests import Request

from dynmon.errors import InvalidInputError

# What GET adds to a document and nobody can set; dropped, so that what was got can be sent back.
LINK_KEYS = frozenset({"_links"})
CUBE_KEYS = LINK_KEYS | {"uuid", "parent", "attachments", "selectors", "verdicts", "metrics", "open-metrics"}


class InvalidJson(InvalidInputError):
    """The body is not JSON; ``line`` and ``column`` count from one, zero is "unknown"."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        place = f" at line {line} column {column}" if line else ""
        super().__init__(f"the body is not valid JSON: {reason}{place}")
        self.line = line
        self.column = column

    def fields(self) -> Mapping[str, Any]:
        place = {"line": self.line, "column": self.column} if self.line else {}
        return {"stage": "json", **place}


class UnexpectedBody(InvalidInputError):
    """The body is JSON, but not of the kind that this resource takes."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"the body must be {expected}")

    def fields(self) -> Mapping[str, Any]:
        return {"stage": "schema"}


async def read_json(request: Request) -> Any:
    """The body of the request.

    Raises:
        InvalidJson: It is not JSON.
    """
    return parse_json(await request.body())


def parse_json(body: bytes) -> Any:
    """The value that `body` says; ``{}`` when it says nothing.

    Raises:
        InvalidJson: It is not JSON.
    """
    if not body.strip():
        return {}
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        column = error.start - body.rfind(b"\n", 0, error.start)
        raise InvalidJson("it is not UTF-8 text", line, column) from error
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidJson(error.msg, error.lineno, error.colno) from error
    except RecursionError as error:
        raise InvalidJson("it is nested too deeply") from error
    except ValueError as error:
        # Python refuses to convert integers of more than 4300 digits.
        raise InvalidJson("it has a number that is too long") from error


def settable(body: Any, read_only: frozenset[str] = LINK_KEYS) -> dict[str, Any]:
    """The object `body` without its read-only keys.

    Raises:
        UnexpectedBody: It is not an object.
    """
    return {key: value for key, value in as_object(body).items() if key not in read_only}


def as_object(body: Any) -> dict[str, Any]:
    """`body` itself.

    Raises:
        UnexpectedBody: It is not an object.
    """
    if not isinstance(body, dict):
        raise UnexpectedBody("a JSON object")
    return body


def _refuse_constant(word: str) -> NoReturn:
    raise InvalidJson(f"{word} is not a JSON value")

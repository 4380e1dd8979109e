"""What the query of a read asks for: a page of a big map, or a window since an earlier read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams

from dynmon.errors import InvalidInputError
from dynmon.metrics import Page

LIMIT, CURSOR, SINCE = "limit", "cursor", "since"
MAX_LIMIT = 2**32 - 1
DIGITS = re.compile(r"[0-9]{1,10}")
PAGE_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": LIMIT,
        "in": "query",
        "description": "at most so many entries; the header Link, and cursor in the answer, lead to the next ones",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    },
    {
        "name": CURSOR,
        "in": "query",
        "description": "with limit: where the page before ended",
        "schema": {"type": "string"},
    },
]
SINCE_PARAMETER: dict[str, Any] = {
    "name": SINCE,
    "in": "query",
    "description": "what happened since the answer that had this token; empty to begin",
    "schema": {"type": "string"},
    "allowEmptyValue": True,
}


class InvalidQuery(InvalidInputError):
    """A parameter of the query that has no meaning as it is."""

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter} {problem}")
        self.parameter = parameter

    def fields(self) -> Mapping[str, Any]:
        return {"parameter": self.parameter}


def page_of(query: QueryParams) -> Page | None:
    """The page that is asked for, None for everything.

    Raises:
        InvalidQuery: It cannot be had.
    """
    limit, cursor = single(query, LIMIT), single(query, CURSOR)
    if limit is None:
        if cursor is not None:
            raise InvalidQuery(CURSOR, f"goes with {LIMIT}, as in ?{LIMIT}=1000&{CURSOR}=…")
        return None
    if not (DIGITS.fullmatch(limit) and 1 <= int(limit) <= MAX_LIMIT):
        raise InvalidQuery(LIMIT, f"must be a number of entries, 1 to {MAX_LIMIT}, not {limit!r}")
    return Page(int(limit), cursor or None)


def since_of(query: QueryParams) -> str | None:
    """The token of the window that is asked for, "" for the first, None for no window.

    Raises:
        InvalidQuery: There are several.
    """
    return single(query, SINCE)


def single(query: QueryParams, parameter: str) -> str | None:
    """The value of a parameter, None where it is not there.

    Raises:
        InvalidQuery: There are several.
    """
    values = query.getlist(parameter)
    if len(values) > 1:
        raise InvalidQuery(parameter, f"must be there once, not {len(values)} times")
    return values[0] if values else None

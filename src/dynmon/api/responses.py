"""How answers are written: compact or indented JSON, and links."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

BASE = "/polycube/v1"
JSON_TYPE = "application/json; charset=utf-8"
COMPACT = (",", ":")
# What may stand in a path segment besides letters, digits and "-._~" (RFC 3986, pchar).
SEGMENT_SAFE = "$&+=:@"


def json_text(content: Any, indent: int | None = None, separators: tuple[str, str] = COMPACT) -> str:
    """`content` as JSON, keys in the order they have."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)


def encoded(text: str) -> bytes:
    """JSON as it is sent."""
    # Half a surrogate pair can come in as "\ud800" and cannot be written in UTF-8, but Python's escape
    # for it is JSON's too.
    return text.encode("utf-8", "backslashreplace")


class JsonResponse(Response):
    """JSON without spaces, keys in the order they have."""

    media_type = JSON_TYPE
    separators: tuple[str, str] = COMPACT
    indent: int | None = None

    def render(self, content: Any) -> bytes:
        return encoded(json_text(content, self.indent, self.separators))


class IndentedJsonResponse(JsonResponse):
    """JSON with four spaces a level, as the daemon's own lists have always been written."""

    separators = (",", ": ")
    indent = 4


def empty(status: int = 200) -> Response:
    """An answer that is only a status."""
    return Response(status_code=status)


def href(request: Request, *segments: str) -> str:
    """The address of the resource at `segments` below the base: without scheme, with a slash at the end."""
    host, port = request.scope.get("server") or ("localhost", None)
    authority = f"[{host}]" if ":" in host else host
    if port is not None:
        authority += f":{port}"
    return f"//{authority}{BASE}/" + "".join(f"{quote(segment, safe=SEGMENT_SAFE)}/" for segment in segments)


def links(request: Request, here: Iterable[str], children: Iterable[str]) -> list[dict[str, str]]:
    """The `_links` of an object: itself first, then what is one step down."""
    path = tuple(here)
    below = [{"rel": child, "href": href(request, *path, child)} for child in children]
    return [{"rel": "self", "href": href(request, *path)}, *below]

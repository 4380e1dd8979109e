"""Put an operation into the application together with its page of the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from dynmon.api.schemas import Problem

Endpoint = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]
SCHEMA_PLACE = "#/components/schemas/{model}"
PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one application, and the schemas that their documentation refers to."""

    app: FastAPI
    schemas: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        summary: str,
        *,
        tag: str,
        status: int = 200,
        other_statuses: Mapping[int, str] | None = None,
        answer: Any = None,
        media_type: str = "application/json",
        body: Any = None,
    ) -> None:
        """Serve `endpoint`; `answer` and `body` are the types of what goes out and comes in, None for nothing."""
        responses: dict[int | str, dict[str, Any]] = {
            status: {"description": summary},
            **{code: {"description": text} for code, text in (other_statuses or {}).items()},
            "default": {"description": "Failure", "content": self._content("application/problem+json", Problem)},
        }
        if answer is not None:
            responses[status]["content"] = self._content(media_type, answer)
        extra: dict[str, Any] = {}
        if parameters := PARAMETER.findall(path):
            extra["parameters"] = [_path_parameter(name) for name in parameters]
        if body is not None:
            extra["requestBody"] = {"content": self._content("application/json", body)}
        self.app.add_api_route(
            path,
            endpoint,
            methods=[method],
            summary=summary,
            description="",
            operation_id=f"{method.lower()} {path}",
            tags=[tag],
            status_code=status,
            responses=responses,
            response_class=Response,
            response_model=None,
            openapi_extra=extra,
        )

    def add_help(self, path: str, endpoint: Endpoint) -> None:
        """Serve help at `path`; rest.md tells about it once for all."""
        self.app.router.add_route(path, endpoint, methods=["OPTIONS"], include_in_schema=False)

    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        app = self.app
        if not app.openapi_schema:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            document.setdefault("components", {}).setdefault("schemas", {}).update(self.schemas)
            app.openapi_schema = document
        return app.openapi_schema

    def _content(self, media_type: str, kind: Any) -> dict[str, Any]:
        return {media_type: {"schema": self._schema(kind)}}

    def _schema(self, kind: Any) -> dict[str, Any]:
        schema = TypeAdapter(kind).json_schema(ref_template=SCHEMA_PLACE)
        self.schemas.update(schema.pop("$defs", {}))
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            self.schemas[kind.__name__] = schema
            return {"$ref": SCHEMA_PLACE.format(model=kind.__name__)}
        return schema


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}

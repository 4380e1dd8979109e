"""Put an operation into the application together with its page of the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from dynmon import __version__
from dynmon.api.dry_run_schemas import PathExplanation
from dynmon.api.dry_runs import InvalidDryRun, asks_for_dry_run
from dynmon.api.schemas import Problem

Endpoint = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]
SCHEMA_PLACE = "#/components/schemas/{model}"
PARAMETER = re.compile(r"\{(\w+)\}")
EXPLAINED = "Changed, or with dry-run=true: what would run, by path; nothing is changed"
DRY_RUN_PARAMETER = {
    "name": "dry-run",
    "in": "query",
    "description": "true: compile, load and verify the code, explain it, and change nothing",
    "schema": {"type": "boolean"},
}
INFO = {
    "title": "Dynmon",
    "description": "Inject eBPF code into live interfaces and read its maps.",
    "version": __version__,
}


@dataclass(frozen=True, slots=True)
class _Page:
    """What the document says about an operation; `answer`, `body` and `form` are types, None for nothing."""

    method: str
    path: str
    summary: str
    tag: str
    statuses: Mapping[int, str]
    answer: Any
    media_type: str
    body: Any
    form: Any
    has_dry_run: bool
    query: Sequence[Mapping[str, Any]]


class OperationRoute(Route):
    """A route that tells those around it, in the scope, that it was the one; it refuses dry runs that it cannot do."""

    def __init__(self, path: str, endpoint: Endpoint, *, method: str, has_dry_run: bool) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.has_dry_run = has_dry_run

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the request is this route's."""
        match, child = super().matches(scope)
        return match, {**child, "route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request.

        Raises:
            InvalidDryRun: It asks for a dry run, and this is done or not at all.
        """
        request = Request(scope)
        if request.method in (self.methods or ()) and asks_for_dry_run(request) and not self.has_dry_run:
            raise InvalidDryRun(f"{request.method} of this resource has no dry run; nothing was changed")
        await super().handle(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one application.

    Their schemas are made when somebody asks for the document: a daemon should listen before that.
    """

    app: Starlette
    _pages: list[_Page] = field(default_factory=list)

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
        form: Any = None,
        has_dry_run: bool = False,
        query: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Serve `endpoint`; `answer` and `body` are the types of what goes out and comes in, `form` that of a form.

        `query` are the parameters that may stand there, as the document describes them.
        With `has_dry_run` the query ``dry-run=true`` has an explanation as its answer, whatever `status` is.
        """
        statuses = {status: summary, **(other_statuses or {}), **({200: EXPLAINED} if has_dry_run else {})}
        page = _Page(method, path, summary, tag, statuses, answer, media_type, body, form, has_dry_run, query)
        self._pages.append(page)
        self.app.router.routes.append(OperationRoute(path, endpoint, method=method, has_dry_run=has_dry_run))

    def add_help(self, path: str, endpoint: Endpoint) -> None:
        """Serve help at `path`; rest.md tells about it once for all."""
        self.app.router.routes.append(OperationRoute(path, endpoint, method="OPTIONS", has_dry_run=False))

    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        schemas = _Schemas({})
        paths: dict[str, Any] = {}
        for page in self._pages:
            paths.setdefault(page.path, {})[page.method.lower()] = _described(page, schemas)
        return {"openapi": "3.1.0", "info": INFO, "paths": paths, "components": {"schemas": schemas.definitions}}


@dataclass(frozen=True, slots=True)
class _Schemas:
    """The schemas that the pages refer to."""

    definitions: dict[str, Any]

    def content(self, media_type: str, kind: Any) -> dict[str, Any]:
        """A body of type `kind`."""
        return {media_type: {"schema": self._schema(kind)}}

    def _schema(self, kind: Any) -> dict[str, Any]:
        schema = TypeAdapter(kind).json_schema(ref_template=SCHEMA_PLACE)
        self.definitions.update(schema.pop("$defs", {}))
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            self.definitions[kind.__name__] = schema
            return {"$ref": SCHEMA_PLACE.format(model=kind.__name__)}
        return schema


def _described(page: _Page, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {str(status): {"description": text} for status, text in page.statuses.items()}
    if page.answer is not None:
        responses[str(next(iter(page.statuses)))]["content"] = schemas.content(page.media_type, page.answer)
    problem = schemas.content("application/problem+json", Problem)
    described: dict[str, Any] = {
        "tags": [page.tag],
        "summary": page.summary,
        "operationId": f"{page.method.lower()} {page.path}",
        "responses": {**responses, "default": {"description": "Failure", "content": problem}},
    }
    parameters = [*map(_path_parameter, PARAMETER.findall(page.path)), *page.query]
    if page.has_dry_run:
        parameters.append(DRY_RUN_PARAMETER)
        responses["200"]["content"] = schemas.content("application/json", dict[str, PathExplanation])
    if parameters:
        described["parameters"] = parameters
    if page.body is not None:
        content = schemas.content("application/json", page.body)
        if page.form is not None:
            content |= schemas.content("multipart/form-data", page.form)
        described["requestBody"] = {"content": content}
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}

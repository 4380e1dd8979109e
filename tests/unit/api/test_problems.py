"""Errors as HTTP problems."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dynmon.api import problems
from dynmon.errors import (
    ConflictError,
    DynmonError,
    GoneError,
    InjectionError,
    InvalidInputError,
    KernelError,
    NotFoundError,
    UnsupportedError,
)
from dynmon.metrics.extraction import TooMuchToRead
from dynmon.models.base import InvalidDocument
from dynmon.netdev import InterfaceNotFound


class RefusedCode(InjectionError):
    stage: ClassVar[str] = "verify"

    def fields(self) -> Mapping[str, Any]:
        return {"stage": self.stage, "status": "must not win", "log": ["last line"]}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidDocument("cube", []), 400),
        (InterfaceNotFound("eth9"), 404),
        (ConflictError("x"), 409),
        (RefusedCode("x"), 422),
        (UnsupportedError("x"), 501),
        (KernelError("x", OSError(1, "no")), 500),
        (DynmonError("x"), 500),
        (TooMuchToRead("FLOWS", 20, 10), 413),
        (GoneError("x"), 410),
    ],
)
def test_the_kind_of_an_error_decides_its_status(error: DynmonError, status: int) -> None:
    assert status == problems.status_of(error)


def test_every_kind_of_error_has_a_status() -> None:
    """A class added to the tree of errors needs a line in the table."""
    actionable = {kind for kind in DynmonError.__subclasses__() if kind.__module__ == "dynmon.errors"}

    assert actionable | {TooMuchToRead} == {kind for kind, _ in problems.STATUSES}
    assert {InvalidInputError, NotFoundError} < actionable


def request_to(app: Starlette, method: str, path: str) -> Request:
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "app": app}
    return Request({**scope, "server": ("h", 1), "root_path": "", "scheme": "http"})


def handled(app: Starlette, error: Exception, method: str = "GET", path: str = "/x") -> Any:
    kinds = (DynmonError, HTTPException, Exception)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return app.exception_handlers[kind](request_to(app, method, path), error)


@pytest.fixture
def app() -> Starlette:
    app = Starlette()
    problems.install(app)
    app.router.add_route("/x/{name}", lambda request: Response(), methods=["GET"])
    app.router.add_route("/x/{name}", lambda request: Response(), methods=["DELETE"])
    return app


def test_a_problem_has_the_sentence_and_the_fields(app: Starlette) -> None:
    response = handled(app, RefusedCode("back-edge"))

    assert "application/problem+json" == response.headers["content-type"]
    assert {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "back-edge",
        "stage": "verify",
        "log": ["last line"],
    } == json.loads(response.body)


def test_allow_has_the_methods_of_all_routes(app: Starlette) -> None:
    response = handled(app, HTTPException(405), "PUT", "/x/dm")

    assert 405 == response.status_code
    assert "GET, HEAD, DELETE" == response.headers["allow"]
    assert "PUT is not possible on '/x/dm', only GET, HEAD, DELETE" == json.loads(response.body)["detail"]


def test_the_unexpected_is_logged_and_not_told(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = handled(app, ZeroDivisionError("secret"))

    assert 500 == response.status_code
    assert b"secret" not in response.body
    assert "GET /x failed unexpectedly: ZeroDivisionError('secret')" in caplog.text


def test_half_a_surrogate_is_escaped() -> None:
    """Python reads "\\ud800" out of a request and must be able to say it in the answer."""
    response = problems.problem(400, "bad \ud800 é")

    assert b"bad \\ud800 \xc3\xa9" in response.body
    assert "bad \ud800 é" == json.loads(response.body)["detail"]

"""The reference page and the OpenAPI document list the same operations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dynmon.api import create_app
from dynmon.cubes import CubeRegistry
from dynmon.settings import Settings

CUBE = "/polycube/v1/dynmon/{name}"
OPERATION = re.compile(r"\| `(GET|POST|PUT|PATCH|DELETE) ([^`]+)` \| ([\d, ]*) ?\|")


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    # No request is made, so no cube is, and nothing of what a cube runs on is needed.
    app = create_app(CubeRegistry(None, None), Settings())  # type: ignore[arg-type]
    [route] = [route for route in app.routes if getattr(route, "path", "") == "/openapi.json"]
    document: dict[str, Any] = json.loads(route.endpoint(None).body)  # type: ignore[attr-defined]
    return document


def documented(page: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    for method, path, statuses in OPERATION.findall(page):
        success = frozenset(re.findall(r"\d+", statuses))
        whole = path.replace("…", CUBE)
        for direction in ("ingress", "egress") if "DIRECTION" in path else ("",):
            yield method, whole.replace("DIRECTION", direction), success


def served(openapi: dict[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, frozenset(operation["responses"]) - {"default"}


def test_every_operation_is_in_the_reference(openapi: dict[str, Any], repository: Path) -> None:
    """With the statuses that success has, and the other way round."""
    page = (repository / "docs/reference/rest.md").read_text()

    assert sorted(served(openapi), key=str) == sorted(documented(page), key=str)


def test_every_reference_in_the_openapi_document_resolves(openapi: dict[str, Any]) -> None:
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(openapi)))

    assert references == set(openapi["components"]["schemas"]) & references
    assert {"CubeConfig", "DataplaneConfig", "PathConfig", "AttachRequest", "Problem"} <= references


def test_path_parameters_are_declared(openapi: dict[str, Any]) -> None:
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            declared = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
            assert re.findall(r"\{(\w+)\}", path) == declared


def test_operations_that_take_a_body_show_its_schema(openapi: dict[str, Any]) -> None:
    for operations in openapi["paths"].values():
        for method, operation in operations.items():
            assert (method in {"post", "put", "patch"}) == ("requestBody" in operation)
            assert operation["summary"]


def test_what_takes_code_has_a_dry_run(openapi: dict[str, Any]) -> None:
    """Except where a dry run is all there is, and where many cubes are made at once."""
    code = ("CubeConfig", "CubeChange", "DataplaneConfig", "PathConfig")
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            body = str(operation.get("requestBody", "")).replace('"', "'")
            takes_code = any(f"schemas/{name}'" in body for name in code) and path not in ALREADY
            assert takes_code == ("dry-run" in query_parameters(operation))


def test_reads_of_values_have_windows_and_those_of_one_map_pages(openapi: dict[str, Any]) -> None:
    place = f"{CUBE}/metrics"
    one = f"{place}/egress-metrics/{{metric}}"
    paged = {one, f"{one}/value"}
    windowed = {place, f"{place}/egress-metrics", *paged}
    of_ingress = {path.replace("egress", "ingress") for path in windowed}
    declared = {
        path: query_parameters(operations["get"])
        for path, operations in openapi["paths"].items()
        if "get" in operations
    }

    assert windowed | of_ingress == {path for path, names in declared.items() if "since" in names}
    assert paged == {path for path, names in declared.items() if {"limit", "cursor"} <= names and "egress" in path}


def query_parameters(operation: dict[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}


ALREADY = ("/polycube/v1/cubes", f"{CUBE}/dry-run")

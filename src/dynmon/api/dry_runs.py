"""``POST …/dry-run``: code and maybe a capture, as JSON or as a form, tried in the place of a cube's own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from dynmon.api.bodies import as_object, parse_json, settable
from dynmon.api.dry_run_schemas import DryRun
from dynmon.cubes import CubeRegistry
from dynmon.errors import InvalidInputError
from dynmon.models import DataplaneConfig, validate_document
from dynmon.settings import RequestLimits
from dynmon.trial import Rehearsal, ReplayLimits

QUERY = "dry-run"
FORM = "multipart/form-data"
CONFIG_PARTS = ("dataplane-config", "config")
CAPTURE_PART = "capture"
MAX_PARTS = 8
# What the threads for changes may be kept busy with, and what an answer may hold.
LIMITS = ReplayLimits(packets=1_000_000, seconds=30.0, entries=1000)


class InvalidDryRun(InvalidInputError):
    """A dry run that is not asked for as it must be."""

    def fields(self) -> Mapping[str, Any]:
        return {"stage": "schema"}


def asks_for_dry_run(request: Request, *, is_possible: bool) -> bool:
    """Whether the query says ``dry-run=true``.

    Raises:
        InvalidDryRun: It says something else about it, or it cannot be had here.
    """
    values = request.query_params.getlist(QUERY)
    if not values or values == ["false"]:
        return False
    if values != ["true"]:
        raise InvalidDryRun(f"{QUERY} must be true or false, not {values[-1]!r}")
    if not is_possible:
        raise InvalidDryRun(f"{request.method} of this resource has no dry run; nothing was changed")
    return True


async def read_dry_run(request: Request, limits: RequestLimits) -> tuple[bytes | dict[str, Any], bytes | None]:
    """What came: the JSON text, or the fields of a form, and the capture that the form carries."""
    if not request.headers.get("content-type", "").startswith(FORM):
        return await request.body(), None
    async with request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=limits.body_bytes) as form:
        return await _fields(form)


def dry_run(registry: CubeRegistry, name: str, given: bytes | dict[str, Any], capture: bytes | None) -> dict[str, Any]:
    """Try what was sent in the place of the code of the cube called `name`.

    Raises:
        CubeNotFound: There is no such cube.
        InjectionError: The code cannot run.
        InvalidInputError: The body, or the capture, cannot be understood.
    """
    cube = registry.get(name)
    document = validate_document(DryRun, settable(parse_json(given) if isinstance(given, bytes) else given), "dry run")
    if document.capture is not None:
        if capture is not None:
            raise InvalidDryRun("the capture is there twice")
        capture = _decoded(document.capture)
    config = document.dataplane_config or DataplaneConfig(
        ingress_path=document.ingress_path, egress_path=document.egress_path
    )
    trial = Rehearsal(
        config,
        document.type or cube.type,
        document.loglevel or cube.loglevel,
        capture=capture,
        direction=document.direction,
        limits=LIMITS,
    )
    return cube.rehearse(trial)


async def _fields(form: FormData) -> tuple[dict[str, Any], bytes | None]:
    fields: dict[str, Any] = {}
    capture = None
    for name, value in form.multi_items():
        content = await value.read() if isinstance(value, UploadFile) else value.encode()
        if name == CAPTURE_PART:
            capture = content
        elif name in CONFIG_PARTS:
            fields["dataplane-config"] = as_object(parse_json(content))
        else:
            fields[name] = content.decode(errors="replace")
    return fields, capture


def _decoded(capture: str) -> bytes:
    try:
        return base64.b64decode(capture, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidDryRun(f"capture is not base64: {error}") from error

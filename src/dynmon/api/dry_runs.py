"""``POST …/dry-run``: code and maybe a capture, as JSON or as a form, tried in the place of a cube's own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dynmon.api.bodies import as_object, parse_json, settable
from dynmon.api.dry_run_schemas import DryRun
from dynmon.api.effects import OK, Report, mentions_code
from dynmon.cubes import CubeRegistry
from dynmon.errors import InvalidInputError
from dynmon.models import DataplaneConfig, validate_document
from dynmon.settings import RequestLimits

QUERY = "dry-run"
FORM = "multipart/form-data"
CONFIG_PARTS = ("dataplane-config", "config")
CAPTURE_PART = "capture"
MAX_PARTS = 8
# What the threads for changes may be kept busy with, and what an answer may hold.
MAX_PACKETS = 1_000_000
MAX_SECONDS = 30.0
MAX_ENTRIES = 1000


class InvalidDryRun(InvalidInputError):
    """A dry run that is not asked for as it must be."""

    def fields(self) -> Mapping[str, Any]:
        return {"stage": "schema"}


def asks_for_dry_run(request: Request) -> bool:
    """Whether the query says ``dry-run=true``.

    Raises:
        InvalidDryRun: It says something else about it.
    """
    values = request.query_params.getlist(QUERY)
    if not values or values == ["false"]:
        return False
    if values != ["true"]:
        raise InvalidDryRun(f"{QUERY} must be true or false, not {values[-1]!r}")
    return True


async def read_dry_run(request: Request, limits: RequestLimits) -> tuple[bytes | dict[str, Any], bytes | None]:
    """What came: the JSON text, or the fields of a form, and the capture that the form carries.

    Raises:
        InvalidDryRun: The form is none.
    """
    if not request.headers.get("content-type", "").startswith(FORM):
        return await request.body(), None
    try:
        async with request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=limits.body_bytes) as form:
            return await _fields(form)
    except HTTPException as error:
        raise InvalidDryRun(f"the form cannot be read: {error.detail}") from error


def dry_run(registry: CubeRegistry, name: str, given: bytes | dict[str, Any], capture: bytes | None) -> Report:
    """Try what was sent in the place of the code of the cube called `name`, or without code, that code itself.

    Raises:
        CubeNotFound: There is no such cube.
        InjectionError: The code cannot run.
        InvalidInputError: The body, or the capture, cannot be understood.
    """
    from dynmon.trial import Rehearsal, ReplayLimits  # not before somebody wants one

    cube = registry.get(name)
    document = validate_document(DryRun, settable(parse_json(given) if isinstance(given, bytes) else given), "dry run")
    if document.capture is not None:
        capture = _decoded(document.capture)
    config = document.dataplane_config or DataplaneConfig(
        ingress_path=document.ingress_path, egress_path=document.egress_path
    )
    trial = Rehearsal(
        config if mentions_code(config) else cube.dataplane_config,
        document.type or cube.type,
        document.loglevel or cube.loglevel,
        cube.passive if document.passive is None else document.passive,
        capture=capture,
        direction=document.direction,
        limits=ReplayLimits(MAX_PACKETS, MAX_SECONDS, MAX_ENTRIES),
    )
    return Report(OK, cube.rehearse(trial))


async def _fields(form: FormData) -> tuple[dict[str, Any], bytes | None]:
    fields: dict[str, Any] = {}
    for part, value in form.multi_items():
        content = await value.read() if isinstance(value, UploadFile) else value.encode()
        name = CONFIG_PARTS[0] if part in CONFIG_PARTS else part
        if name in fields:
            raise InvalidDryRun(f"{part} is there twice")
        if name == CONFIG_PARTS[0]:
            fields[name] = as_object(parse_json(content))
        else:
            fields[name] = content if name == CAPTURE_PART else content.decode(errors="replace")
    return fields, fields.pop(CAPTURE_PART, None)


def _decoded(capture: str) -> bytes:
    try:
        return base64.b64decode(capture, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidDryRun(f"capture is not base64: {error}") from error

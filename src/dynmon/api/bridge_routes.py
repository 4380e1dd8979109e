"""The routes of `/simplebridge`: reads and help out of the tree of resources, writes out of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dynmon.api import help as helps
from dynmon.api.bodies import as_object, read_json
from dynmon.api.bridge_changes import BridgeChanges
from dynmon.api.bridge_resources import BRIDGE, SIMPLEBRIDGE, BridgeSummary, Flushed, bridge_summary
from dynmon.api.changes import name_in
from dynmon.api.effects import Outcome
from dynmon.api.operations import Endpoint, Operations
from dynmon.api.responses import BASE, JsonResponse
from dynmon.api.service_routes import ServiceRoutes
from dynmon.api.tree import Action, trails
from dynmon.api.writes import Writer
from dynmon.cubes import CubeRegistry
from dynmon.models import BridgeChange, BridgeConfig, FdbConfig, FdbEntryConfig, LogLevel, PortChange, PortConfig

TAG = "simplebridge"
COLLECTION = f"{BASE}/{SIMPLEBRIDGE}"


def add_bridge_routes(operations: Operations, registry: CubeRegistry, changes: BridgeChanges, writer: Writer) -> None:
    """Serve every resource of simplebridge cubes."""
    service = ServiceRoutes(operations, SIMPLEBRIDGE, registry.bridge)
    for trail in trails(BRIDGE):
        if not isinstance(trail.node, Action):
            service.add_read(trail, TAG)
        service.add_help(trail)
    for template, method, apply, summary, body, status, answer in _writes(changes):
        operations.add(
            method,
            service.path(template),
            _write(writer, apply, with_body=method != "DELETE"),
            summary,
            tag=TAG,
            status=status,
            body=body,
            answer=answer,
        )
    _add_collection(operations, registry, changes, writer)


Write = tuple[str, str, Callable[..., Outcome], str, Any, int, Any]


def _writes(changes: BridgeChanges) -> list[Write]:
    """Template, method, change, summary, body, status and answer of each."""
    port, entry = "ports/{port}", "fdb/entry/{address}"
    return [
        ("", "POST", changes.create, "Create a switch with its ports", BridgeConfig, 201, None),
        ("", "PUT", changes.put, "Create a switch, or change the one there is", BridgeConfig, 201, None),
        ("", "PATCH", changes.patch, "Change log level and aging time", BridgeChange, 200, None),
        ("", "DELETE", changes.delete, "Delete the switch", None, 200, None),
        ("loglevel", "PATCH", changes.set_loglevel, "Change the log level", LogLevel, 200, None),
        ("ports", "POST", changes.add_ports, "Add ports, all or none", list[PortConfig], 201, None),
        (port, "POST", changes.add_port, "Add a port", PortConfig, 201, None),
        (port, "PUT", changes.put_port, "Add a port, or change the one there is", PortConfig, 201, None),
        (port, "PATCH", changes.patch_port, "Plug the port into something else", PortChange, 200, None),
        (port, "DELETE", changes.remove_port, "Unplug the port and remove it", None, 204, None),
        (f"{port}/peer", "PATCH", changes.set_peer, "Plug the port into something else", str, 200, None),
        ("fdb", "PATCH", changes.patch_fdb, "Change the aging time", FdbConfig, 200, None),
        ("fdb/aging-time", "PATCH", changes.set_aging_time, "Change the aging time", int, 200, None),
        (entry, "POST", changes.add_entry, "Take an address as just seen", FdbEntryConfig, 201, None),
        (entry, "DELETE", changes.remove_entry, "Forget an address", None, 204, None),
        ("fdb/flush", "POST", changes.flush, "Forget all addresses", dict[str, str], 201, Flushed),
    ]


def _write(writer: Writer, apply: Callable[..., Outcome], *, with_body: bool) -> Endpoint:
    async def change(request: Request) -> Response:
        names = request.path_params.values()
        return await writer.run(apply, *names, *([await read_json(request)] if with_body else []))

    return change


def _add_collection(operations: Operations, registry: CubeRegistry, changes: BridgeChanges, writer: Writer) -> None:
    def get(request: Request) -> Response:
        return JsonResponse([bridge_summary(cube) for cube in registry.bridges()])

    def by_name(apply: Callable[[str, Any], Outcome]) -> Endpoint:
        async def change(request: Request) -> Response:
            body = as_object(await read_json(request))
            return await writer.run(apply, name_in(body), body)

        return change

    def options(request: Request) -> Response:
        names = [cube.name for cube in registry.bridges()]
        return JsonResponse(helps.about_list(BRIDGE.key, names, helps.help_request(request), BRIDGE))

    operations.add("GET", COLLECTION, get, "All switches", tag=TAG, answer=list[BridgeSummary])
    create, patch = by_name(changes.create), by_name(changes.patch)
    named, change = "Create the switch named in the body", "Change the switch named in the body"
    operations.add("POST", COLLECTION, create, named, tag=TAG, status=201, body=BridgeConfig)
    operations.add("PATCH", COLLECTION, patch, change, tag=TAG, body=BridgeChange)
    operations.add_help(COLLECTION, options)

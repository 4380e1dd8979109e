"""The routes of the daemon itself: what there is, where it is attached, and how the daemon does."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dynmon import __version__
from dynmon.api import help as helps
from dynmon.api.bodies import read_json
from dynmon.api.bridge_resources import BridgeSummary, bridge_summary
from dynmon.api.changes import Changes
from dynmon.api.hooks import HookMap, hooks_of
from dynmon.api.operations import Endpoint, Operations
from dynmon.api.resources import summary
from dynmon.api.responses import BASE, IndentedJsonResponse, JsonResponse, empty, href
from dynmon.api.schemas import CubeSummary, Link, Netdev, Service
from dynmon.api.services import SERVICES, all_services, service, services_help
from dynmon.api.topology import topology_of
from dynmon.api.tree import Container, Leaf
from dynmon.api.writes import Writer
from dynmon.cubes import Cube, CubeRegistry, SimpleBridge
from dynmon.models import AttachRequest, BridgeConfig, ConnectRequest, CubeConfig, DetachRequest, validate_document
from dynmon.netdev import Interface, find_interface, usable_interfaces

TAG = "daemon"
# The order in which the base lists them.
RESOURCES = (
    "services",
    "cubes",
    "netdevs",
    "version",
    "connect",
    "disconnect",
    "attach",
    "detach",
    "topology",
)
COMPLETIONS = ("connect", "disconnect", "attach", "detach", "services", "cubes", "topology", "netdevs")
CUBE_KEY = Leaf(name="name", description="Name of the cube", example="monitor1")
NETDEV_KEY = Leaf(name="name", description="Name of the network interface", example="eth0")

NETDEV = Container(
    name="netdev",
    description="A network interface",
    members=(Container(name="hooks", description="Who sees its packets, in which order, and who cannot", members=()),),
)


@dataclass(frozen=True, slots=True)
class DaemonRoutes:
    """Handlers that need the registry."""

    operations: Operations
    registry: CubeRegistry
    changes: Changes
    writer: Writer

    def add(self) -> None:
        """Serve all of them."""
        self._get("", self._base, "What there is", list[Link])
        self._get("services", lambda _: all_services(), "Kinds of cubes", list[Service], indent=True)
        self._get("services/{name}", lambda name: service(name), "One kind of cube", list[dict[str, str]])
        self._get(
            "cubes",
            lambda _: self._cubes(),
            "All cubes by service",
            dict[str, list[CubeSummary | BridgeSummary]],
            indent=True,
        )
        self._get("cubes/{name}", self._cube, "One cube", CubeSummary | BridgeSummary, indent=True)
        self._get("netdevs", lambda _: _netdevs(), "Interfaces that are up", list[Netdev], indent=True)
        self._get("netdevs/{name}", _netdev, "One interface", list[Netdev], indent=True)
        self._get("netdevs/{name}/hooks", self._hooks, "Who is on the hooks of an interface", HookMap, indent=True)
        self._get("version", lambda _: _version(), "Versions", dict[str, dict[str, str]])
        self._get("topology", lambda _: self._summaries(), "All cubes", list[CubeSummary | BridgeSummary], indent=True)
        self._get("topology/{name}", self._topology, "The cubes of an interface", dict[str, Any], indent=True)
        self._get_elsewhere("netdevs", "/hooks", self._hooks, "Who is on the hooks of an interface", HookMap)
        self._get_elsewhere("topology", "", self._topology, "The cubes of an interface", dict[str, Any])
        self._post("cubes", self.changes.create_all, "Create cubes, all or none", list[CubeConfig | BridgeConfig], 201)
        self._post("attach", self._attach, "Put a cube on an interface", AttachRequest)
        self._post("detach", self._detach, "Take a cube off an interface", DetachRequest)
        bridges = self.changes.bridges
        self._post("connect", bridges.connect, "Plug a port into a port or an interface", ConnectRequest)
        self._post("disconnect", bridges.disconnect, "Part two ends that are connected", ConnectRequest)
        self._add_help()

    def _get(self, path: str, value: Callable[[Any], Any], summary: str, answer: Any, *, indent: bool = False) -> None:
        shape = IndentedJsonResponse if indent else JsonResponse

        def get(request: Request) -> Response:
            return shape(value(request.path_params["name"] if "{" in path else request))

        self.operations.add("GET", _url(path), get, summary, tag=TAG, answer=answer)

    def _get_elsewhere(self, first: str, last: str, value: Callable[[str], Any], summary: str, answer: Any) -> None:
        def get(request: Request) -> Response:
            return IndentedJsonResponse(value("/".join(request.path_params.values())))

        url = _url(f"{first}/{{kind}}/{{namespace}}/{{interface}}{last}")
        where = "in another namespace: netns/NAME/IF or pid/PID/IF"
        self.operations.add("GET", url, get, f"{summary} {where}", tag=TAG, answer=answer)

    def _post(self, path: str, apply: Callable[[Any], int], summary: str, body: Any, status: int = 200) -> None:
        async def post(request: Request) -> Response:
            given = await request.body()
            # The body of a list is a list, also when it is left out.
            return await self.writer.run(apply, await read_json(request) if given.strip() or path != "cubes" else [])

        self.operations.add("POST", _url(path), post, summary, tag=TAG, status=status, body=body)

    def _add_help(self) -> None:
        names = self._names
        helped: Mapping[str, Endpoint] = {
            "": self._base_help,
            "cubes": _help(lambda asked: helps.about_table(CUBE_KEY, "cube", names(), asked)),
            "netdevs": _help(lambda asked: helps.about_table(NETDEV_KEY, "netdev", _netdev_names(), asked)),
            "connect": _help(self._ports_help),
            "disconnect": _help(self._ports_help),
            "netdevs/{name}": _help(lambda asked: helps.about_container(NETDEV, asked)),
            **{path: _help(helps.only_show) for path in ("cubes/{name}", "netdevs/{name}/hooks", "topology")},
        }
        for path, endpoint in helped.items():
            self.operations.add_help(_url(path), endpoint)

    def _base(self, request: Request) -> list[dict[str, str]]:
        words = [*RESOURCES, *SERVICES]
        return [
            {"rel": "self", "href": href(request)},
            *({"rel": word, "href": href(request, word)} for word in words),
            *(
                {"rel": cube.name, "href": href(request, cube.service_name, cube.name)}
                for cube in self.registry.all_cubes()
            ),
        ]

    def _base_help(self, request: Request) -> Response:
        if "help" not in request.query_params:
            return empty()
        asked = helps.help_request(request)
        if asked.help is not helps.Help.NONE:
            raise helps.HelpNotAvailable(f"there is no help about {asked.help.lower()!r} here")
        if asked.completion:
            return JsonResponse([*COMPLETIONS, *SERVICES, *self._names()])
        return JsonResponse(services_help())

    def _ports_help(self, asked: helps.HelpRequest) -> list[str]:
        if not asked.completion:
            raise helps.HelpNotAvailable("there is no help about ports, only completion")
        return self.registry.cabling.names()

    def _names(self) -> list[str]:
        return [cube.name for cube in self.registry.all_cubes()]

    def _summaries(self) -> list[dict[str, Any]]:
        return [_summary(cube) for cube in self.registry.all_cubes()]

    def _cubes(self) -> dict[str, list[dict[str, Any]]]:
        by_service: dict[str, list[dict[str, Any]]] = {}
        for one in self._summaries():
            by_service.setdefault(one["service-name"], []).append(one)
        return by_service

    def _cube(self, name: str) -> dict[str, Any]:
        return _summary(self.registry.find(name))

    def _topology(self, name: str) -> dict[str, Any]:
        return topology_of(self.registry, _port(name))

    def _hooks(self, name: str) -> dict[str, Any]:
        return hooks_of(self.registry, _port(name))

    def _attach(self, body: Any) -> int:
        self.registry.attach(validate_document(AttachRequest, body, "attach"))
        return 200

    def _detach(self, body: Any) -> int:
        self.registry.detach(validate_document(DetachRequest, body, "detach"))
        return 200


def _url(path: str) -> str:
    return f"{BASE}/{path}".rstrip("/")


def _port(name: str) -> str:
    # Who takes a port with slashes for one segment wrote them as %2F, and so they are until here.
    return name.replace("%2F", "/")


def _help(answer: Callable[[helps.HelpRequest], Any]) -> Endpoint:
    def options(request: Request) -> Response:
        return JsonResponse(answer(helps.help_request(request)))

    return options


def _summary(cube: Cube) -> dict[str, Any]:
    return bridge_summary(cube) if isinstance(cube, SimpleBridge) else summary(cube)


def _as_json(interface: Interface) -> dict[str, Any]:
    addresses = {"addresses": list(interface.addresses)} if interface.addresses else {}
    return {"name": interface.name, **addresses}


def _netdevs() -> list[dict[str, Any]]:
    return [_as_json(interface) for interface in usable_interfaces()]


def _netdev_names() -> list[str]:
    return [interface.name for interface in usable_interfaces()]


def _netdev(name: str) -> list[dict[str, Any]]:
    return [_as_json(find_interface(name))]


def _version() -> dict[str, dict[str, str]]:
    return {
        "polycubed": {"version": f"v{__version__}"},
        "dynmon": {"version": __version__, "python": platform.python_version(), "kernel": platform.release()},
    }

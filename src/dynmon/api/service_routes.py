"""Reads of, and help about, the resources of one service's cubes: all there is to say is in the tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dynmon.api import help as helps
from dynmon.api.operations import Endpoint, Operations
from dynmon.api.paths import may_drain
from dynmon.api.queries import PAGE_PARAMETERS, SINCE_PARAMETER, page_of, since_of
from dynmon.api.reads import answer
from dynmon.api.responses import BASE, JsonResponse, links
from dynmon.api.tree import Access, Container, Entry, Leaf, ListOf, Trail, Visit, check_keys, keys_of, read
from dynmon.cubes import Cube


@dataclass(frozen=True, slots=True)
class ServiceRoutes:
    """Serves trails of a service's tree; `find` gives the cube of a name."""

    operations: Operations
    service: str
    find: Callable[[str], Cube]

    def path(self, template: str) -> str:
        """The URL of a place below a cube."""
        return f"{BASE}/{self.service}/{{name}}/{template}".rstrip("/")

    def add_read(self, trail: Trail, tag: str) -> None:
        """Serve GET of a resource."""
        node = trail.node

        def get(request: Request) -> Response:
            visit = self._visit(trail, request)
            value = read(trail, visit)
            if isinstance(node, Container):
                here = (self.service, visit.cube.name, *_segments(trail, visit))
                offered = [child.name for child in node.children if child.linked]
                value = {**value, "_links": links(request, here, offered)}
            return answer(request, value)

        parameters = [*(PAGE_PARAMETERS if trail.is_paged else ()), *([SINCE_PARAMETER] if node.drains else ())]
        path = self.path(trail.template)
        self.operations.add("GET", path, get, node.description, tag=tag, answer=node.schema, query=parameters)

    def add_help(self, trail: Trail) -> None:
        """Serve OPTIONS of a resource."""
        self.operations.add_help(self.path(trail.template), self._help(trail))

    def _help(self, trail: Trail) -> Endpoint:
        node = trail.node

        def options(request: Request) -> Response:
            asked = helps.help_request(request)
            if isinstance(node, Entry) and node.access is Access.READ_WRITE and asked.help is helps.Help.ADD:
                return JsonResponse(helps.about_new_entry(node, asked))
            visit = self._visit(trail, request)
            check_keys(trail, visit)
            if isinstance(node, Leaf):
                return JsonResponse(helps.about_leaf(node, asked))
            if isinstance(node, ListOf):
                addable = node.entry if node.access is Access.READ_WRITE else None
                return JsonResponse(helps.about_list(node.entry.key, keys_of(trail, visit), asked, addable))
            if isinstance(node, Container):
                return JsonResponse(helps.about_container(node, asked))
            raise helps.HelpNotAvailable(f"{node.name}: {node.description}; it takes nothing")

        return options

    def _visit(self, trail: Trail, request: Request) -> Visit:
        drain = trail.node.drains and may_drain(request.scope)
        return Visit(
            cube=self.find(request.path_params["name"]),
            keys=tuple(request.path_params[parameter] for parameter in trail.parameters),
            drain=drain,
            since=since_of(request.query_params) if drain else None,
            page=page_of(request.query_params) if trail.is_paged else None,
        )


def _segments(trail: Trail, visit: Visit) -> list[str]:
    keys = iter(visit.keys)
    return [next(keys) if node.segment != node.name else node.name for node in trail.nodes[1:]]

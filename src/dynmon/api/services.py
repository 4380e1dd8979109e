"""The kinds of cubes that this daemon makes, as `/services` tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynmon.api.bridge_resources import BRIDGE, SIMPLEBRIDGE
from dynmon.api.resources import CUBE, SERVICE, SERVICE_DESCRIPTION, SERVICE_VERSION
from dynmon.api.tree import Access, Action, Entry, Leaf, ListOf, Node
from dynmon.errors import NotFoundError

UNKNOWN = "Unknown"
CONTROLLER = "built-in"


class ServiceNotFound(NotFoundError):
    """There is no such kind of cube."""

    def __init__(self, name: str) -> None:
        super().__init__(f"service {name!r} does not exist; there is: {', '.join(SERVICES)}")
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"service": self.name}


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What is said about a service."""

    description: str
    version: str
    root: Entry


SERVICES = {
    SERVICE: ServiceFacts(SERVICE_DESCRIPTION, SERVICE_VERSION, CUBE),
    SIMPLEBRIDGE: ServiceFacts("Switches packets between its ports by the addresses it learns", "1.0", BRIDGE),
}


def all_services() -> list[dict[str, str]]:
    """What `/services` answers."""
    return [
        {
            "name": name,
            "servicecontroller": CONTROLLER,
            "description": facts.description,
            "version": facts.version,
            "pyang_repo_id": UNKNOWN,
            "swagger_codegen_repo_id": UNKNOWN,
        }
        for name, facts in SERVICES.items()
    ]


def service(name: str) -> list[dict[str, str]]:
    """What `/services/NAME` answers: its data model is the tree of its resources.

    Raises:
        ServiceNotFound: There is none.
    """
    if name not in SERVICES:
        raise ServiceNotFound(name)
    return [{"name": name, "servicecontroller": CONTROLLER, "datamodel": data_model(name)}]


def services_help() -> dict[str, Any]:
    """What help at the base of the API says."""
    described = {
        name: {
            "name": name,
            "simpletype": "service",
            "type": "leaf",
            "description": facts.description,
            "version": facts.version,
            "pyang_repo_id": UNKNOWN,
            "swagger_codegen_repo_id": UNKNOWN,
        }
        for name, facts in SERVICES.items()
    }
    return {"params": described}


def data_model(name: str) -> str:
    """The resources of a cube of the service as a YANG tree diagram (RFC 8340)."""
    return "\n".join([f"module: {name}", *_diagram(SERVICES[name].root, "  ")]) + "\n"


def _diagram(node: Node, indent: str) -> Iterator[str]:
    access = "-x" if isinstance(node, Action) else "ro" if node.access is Access.READ_ONLY else "rw"
    line = f"{indent}+--{access} {node.name}"
    if isinstance(node, Action):
        yield line
        return
    if isinstance(node, Leaf):
        yield f"{line}    {_type_word(node)}"
        return
    entry = node.entry if isinstance(node, ListOf) else node
    yield f"{line}* [{entry.key.name}]" if isinstance(entry, Entry) else line
    for child in entry.children:
        yield from _diagram(child, f"{indent}|  ")


def _type_word(leaf: Leaf) -> str:
    return "enumeration" if leaf.values and leaf.simpletype == "string" else leaf.simpletype

"""The kinds of cubes that this daemon makes, as `/services` tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dynmon.api.resources import CUBE, SERVICE, SERVICE_DESCRIPTION, SERVICE_VERSION
from dynmon.api.tree import Access, Entry, Leaf, ListOf, Node
from dynmon.errors import NotFoundError

UNKNOWN = "Unknown"
CONTROLLER = "built-in"


class ServiceNotFound(NotFoundError):
    """There is no such kind of cube."""

    def __init__(self, name: str) -> None:
        super().__init__(f"service {name!r} does not exist; there is: {SERVICE}")
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"service": self.name}


def all_services() -> list[dict[str, str]]:
    """What `/services` answers."""
    return [
        {
            "name": SERVICE,
            "servicecontroller": CONTROLLER,
            "description": SERVICE_DESCRIPTION,
            "version": SERVICE_VERSION,
            "pyang_repo_id": UNKNOWN,
            "swagger_codegen_repo_id": UNKNOWN,
        }
    ]


def service(name: str) -> list[dict[str, str]]:
    """What `/services/NAME` answers: its data model is the tree of its resources.

    Raises:
        ServiceNotFound: There is none.
    """
    if name != SERVICE:
        raise ServiceNotFound(name)
    return [{"name": SERVICE, "servicecontroller": CONTROLLER, "datamodel": data_model()}]


def services_help() -> dict[str, Any]:
    """What help at the base of the API says."""
    described = {
        "name": SERVICE,
        "simpletype": "service",
        "type": "leaf",
        "description": SERVICE_DESCRIPTION,
        "version": SERVICE_VERSION,
        "pyang_repo_id": UNKNOWN,
        "swagger_codegen_repo_id": UNKNOWN,
    }
    return {"params": {SERVICE: described}}


def data_model() -> str:
    """The resources of a cube as a YANG tree diagram (RFC 8340)."""
    return "\n".join([f"module: {SERVICE}", *_diagram(CUBE, "  ")]) + "\n"


def _diagram(node: Node, indent: str) -> Iterator[str]:
    access = "ro" if node.access is Access.READ_ONLY else "rw"
    line = f"{indent}+--{access} {node.name}"
    if isinstance(node, Leaf):
        yield f"{line}    {_type_word(node)}"
        return
    entry = node.entry if isinstance(node, ListOf) else node
    yield f"{line}* [{entry.key.name}]" if isinstance(entry, Entry) else line
    for child in entry.children:
        yield from _diagram(child, f"{indent}|  ")


def _type_word(leaf: Leaf) -> str:
    return "enumeration" if leaf.values and leaf.simpletype == "string" else leaf.simpletype

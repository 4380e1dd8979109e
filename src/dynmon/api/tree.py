"""The shape of a REST resource: containers, lists with a key, leaves, and how each is read.

A node either has a reader of its own (the root always has) or is projected from the value of what encloses it; so a
leaf deep in a document needs no code. The same declaration drives GET, ``_links``, help, completion and OpenAPI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from dynmon.errors import NotFoundError

if TYPE_CHECKING:
    from dynmon.metrics import Page


class Access(Enum):
    """When a client may give a value."""

    READ_ONLY = "ro"
    READ_WRITE = "rw"
    INIT_ONLY = "init"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request below a cube: the list keys of its path, and whether it may empty what it reads.

    The cube is of the service whose tree it is. `since` is the token of the window that is asked for, `page` the part
    of the map.
    """

    cube: Any
    keys: tuple[str, ...] = ()
    drain: bool = False
    since: str | None = None
    page: Page | None = None


Reader = Callable[[Visit], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What every resource has.

    ``segment`` is its part of the URL: its name, or ``{parameter}`` for the entry of a list. ``drains`` says that a
    GET hands out metric values. ``linked`` resources are offered in ``_links`` and help.
    """

    name: str
    description: str
    example: str = ""
    access: Access = Access.READ_ONLY
    read: Reader | None = None
    drains: bool = False
    linked: bool = True
    schema: Any = str

    @property
    def segment(self) -> str:
        """This node's part of a URL template."""
        return self.name

    @property
    def children(self) -> tuple[Node, ...]:
        """The nodes one step further down."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Node):
    """A single value; ``values`` lists them where there are few."""

    simpletype: str = "string"
    values: tuple[str, ...] = ()
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Node):
    """Something that can be done; it has no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(Node):
    """An object with fixed members."""

    members: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.members


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Container):
    """One object of a list, addressed by the value of its key."""

    key: Leaf
    parameter: str

    @property
    def segment(self) -> str:
        return f"{{{self.parameter}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Node):
    """An array of objects; ``keys`` names the entries without reading any map."""

    entry: Entry
    keys: Reader

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.entry,)


class ResourceNotFound(NotFoundError):
    """The cube exists, but has nothing at this path."""

    def __init__(self, cube: str, path: str) -> None:
        super().__init__(f"cube {cube!r} has no {path!r}")
        self.cube = cube
        self.path = path

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "path": self.path}


@dataclass(frozen=True, slots=True)
class Trail:
    """The way from the root of a tree to one of its nodes."""

    nodes: tuple[Node, ...]

    @property
    def node(self) -> Node:
        """Where the trail ends."""
        return self.nodes[-1]

    @property
    def parent(self) -> Trail:
        """The trail without its last step."""
        return Trail(self.nodes[:-1])

    @property
    def is_paged(self) -> bool:
        """Whether it gives the values of one map."""
        return self.node.drains and bool(self.parameters)

    @property
    def template(self) -> str:
        """The URL below the root with ``{parameter}`` where a key stands."""
        return "/".join(node.segment for node in self.nodes[1:])

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the keys in the URL, in order."""
        return tuple(node.parameter for node in self.nodes[1:] if isinstance(node, Entry))

    def path(self, keys: tuple[str, ...]) -> str:
        """The URL below the root with the keys filled in, for people."""
        return self.template.format(**dict(zip(self.parameters, keys, strict=False)))


def trails(root: Node, above: tuple[Node, ...] = ()) -> Iterator[Trail]:
    """Every node of the tree, parents before children."""
    here = (*above, root)
    yield Trail(here)
    for child in root.children:
        yield from trails(child, here)


def read(trail: Trail, visit: Visit) -> Any:
    """The JSON value at the end of `trail`.

    Raises:
        ResourceNotFound: The cube has nothing there.
    """
    if trail.node.read is not None:
        return trail.node.read(visit)
    return _project(trail, read(trail.parent, visit), visit)


def keys_of(trail: Trail, visit: Visit) -> list[str]:
    """The keys of the entries of the list at the end of `trail`."""
    node = trail.node
    assert isinstance(node, ListOf)
    keys: list[str] = node.keys(visit)
    return keys


def check_keys(trail: Trail, visit: Visit) -> None:
    """Make sure that every list entry on the way exists, without reading a map.

    Raises:
        ResourceNotFound: One does not.
    """
    for length in range(2, len(trail.nodes) + 1):
        step = Trail(trail.nodes[:length])
        if isinstance(step.node, Entry):
            wanted = visit.keys[len(step.parameters) - 1]
            if wanted not in keys_of(step.parent, visit):
                raise ResourceNotFound(visit.cube.name, step.path(visit.keys))


def _project(trail: Trail, enclosing: Any, visit: Visit) -> Any:
    """Pick the value of the last node out of the value of what encloses it."""
    node = trail.node
    if isinstance(node, Entry):
        wanted = visit.keys[len(trail.parameters) - 1]
        for entry in enclosing:
            if entry[node.key.name] == wanted:
                return entry
    elif node.name in enclosing:
        return enclosing[node.name]
    elif isinstance(node, ListOf):
        return []
    raise ResourceNotFound(visit.cube.name, trail.path(visit.keys))

"""Help and completion: what OPTIONS with `?help=` says about a resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.requests import Request

from dynmon.api.tree import Access, Action, Container, Leaf, ListOf, Node
from dynmon.errors import InvalidInputError


class Help(StrEnum):
    """The command that help is wanted for; ``NONE`` when none was typed yet."""

    SHOW = "SHOW"
    ADD = "ADD"
    SET = "SET"
    DEL = "DEL"
    NONE = "NONE"


class HelpNotAvailable(InvalidInputError):
    """There is nothing to say about this command here."""


@dataclass(frozen=True, slots=True)
class HelpRequest:
    """What was asked: help about a command, or words that complete it."""

    help: Help
    completion: bool


def help_request(request: Request) -> HelpRequest:
    """What the query of `request` asks for.

    Raises:
        HelpNotAvailable: The query has no ``help``, or not one of its words.
    """
    word = request.query_params.get("help", "")
    try:
        return HelpRequest(Help(word.upper()), "completion" in request.query_params)
    except ValueError:
        known = ", ".join(Help)
        raise HelpNotAvailable(f"the query must have help=WORD with one of {known}, not {word!r}") from None


def describe(node: Node, kind: str = "") -> dict[str, str]:
    """What help says about one resource."""
    kinds = {Leaf: "leaf", ListOf: "list", Action: "action"}
    described = {"name": node.name, "type": kind or kinds.get(type(node), "complex")}
    if isinstance(node, Leaf):
        described["simpletype"] = node.simpletype
    described["description"] = node.description
    if node.example:
        described["example"] = node.example
    return described


def about_leaf(leaf: Leaf, asked: HelpRequest) -> Any:
    """The values that a leaf can have; there is no other help about one."""
    if not asked.completion:
        raise HelpNotAvailable(f"{leaf.name}: {leaf.description}; a single value, with nothing below it")
    return [value.lower() for value in leaf.values]


def about_container(container: Container, asked: HelpRequest) -> Any:
    """The members that can be shown or set."""
    members = [node for node in container.children if node.linked]
    inner = [node for node in members if not isinstance(node, Leaf)]
    shown = [node for node in members if not isinstance(node, Action)]
    leaves = [node for node in members if isinstance(node, Leaf) and node.access is Access.READ_WRITE]
    commands = ["set", "show"] if container.access is Access.READ_WRITE else ["show"]
    match asked.help:
        case Help.NONE if asked.completion:
            return [*_names(inner), *commands]
        case Help.NONE:
            return {"commands": commands, "params": _described(inner)}
        case Help.SHOW:
            return _names(shown) if asked.completion else {"params": _described(shown)}
        case Help.SET:
            return _assignments(leaves) if asked.completion else {"params": _described(leaves)}
    raise HelpNotAvailable(f"there is no help about {asked.help.lower()!r} for {container.name!r}")


def about_new_entry(entry: Container, asked: HelpRequest) -> Any:
    """What can be given when an entry is made."""
    options = _options(entry)
    return _assignments(options) if asked.completion else {"params": {}, "optional-params": _described(options)}


def about_list(key: Leaf, elements: Iterable[str], asked: HelpRequest, optional: Container | None = None) -> Any:
    """The entries there are; `optional` is the entry that can be added or deleted, None when none can."""
    commands = ["add", "del", "show"] if optional else ["show"]
    known = list(elements)
    if asked.help is not Help.NONE and asked.help.lower() not in commands:
        raise HelpNotAvailable(f"there is no help about {asked.help.lower()!r} here")
    if asked.completion:
        hint = [f"<{key.name}>"] if asked.help is Help.ADD else []
        return known + hint + (commands if asked.help is Help.NONE else [])
    answer: dict[str, Any] = {"commands": commands} if asked.help is Help.NONE else {}
    answer["params"] = {key.name: describe(key, "key")}
    if asked.help is Help.ADD and optional:
        return {**answer, "optional-params": _described(_options(optional))}
    return {**answer, "elements": [{key.name: element} for element in known]}


def about_table(key: Leaf, column: str, elements: Iterable[str], asked: HelpRequest) -> Any:
    """The rows of one of the daemon's own read-only lists, such as ``cubes``."""
    if asked.help not in (Help.NONE, Help.SHOW):
        raise HelpNotAvailable(f"there is no help about {asked.help.lower()!r} here")
    commands = ["show"] if asked.help is Help.NONE else []
    known = list(elements)
    if asked.completion:
        return known + commands
    answer = {"params": {key.name: describe(key, "key")}, "elements": [{column: row} for row in known]}
    return {**answer, "commands": commands} if commands else answer


def only_show(asked: HelpRequest) -> Any:
    """A resource that can be shown, and nothing else."""
    if asked.help is not Help.NONE:
        raise HelpNotAvailable(f"there is no help about {asked.help.lower()!r} here")
    return ["show"] if asked.completion else {"commands": ["show"]}


def _options(entry: Container) -> list[Node]:
    return [
        node
        for node in entry.children
        if isinstance(node, Leaf) and node.linked and node.access is not Access.READ_ONLY
    ]


def _described(nodes: Iterable[Node]) -> Mapping[str, dict[str, str]]:
    return {node.name: describe(node) for node in nodes}


def _names(nodes: Iterable[Node]) -> list[str]:
    return [node.name for node in nodes]


def _assignments(nodes: Iterable[Node]) -> list[str]:
    return [f"{node.name}=" for node in nodes]

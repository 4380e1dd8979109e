"""The parts of a key or value by their paths, as in ``flow.ports[1]``.

A field is btf's `Field` whose name is the whole path and whose offset counts from the start of the key or value; the
path of the whole is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from dynmon.btf.leaves import NETWORK_ORDER
from dynmon.btf.plans import Field, Integer, Plan, Record, Repeated
from dynmon.errors import did_you_mean

STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]{1,9})\]")


class Misfit(Exception):
    """Something in a metric's `open-metrics-metadata` that its map cannot have; `path` says where in there."""

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason
        self.hint = hint

    def below(self, path: str) -> Misfit:
        """The same, said from further out."""
        inner = self.path if not self.path or self.path.startswith("[") else f".{self.path}"
        return Misfit(path + inner, self.reason, self.hint)


def whole(plan: Plan, type_name: str) -> Field:
    """A key or value as a field."""
    return Field("", 0, plan, type_name)


def base_name(field: Field) -> str:
    """The name of the field's type without ``struct``, qualifiers, and the counts of arrays."""
    return field.type_name.partition("[")[0].rpartition(" ")[2]


def is_network_order(field: Field) -> bool:
    """Whether its bytes are in network order, as its type says."""
    element = field.plan
    while isinstance(element, Repeated):
        element = element.element
    return (isinstance(element, Integer) and element.is_big_endian) or base_name(field) in NETWORK_ORDER


def members(field: Field) -> Iterator[Field]:
    """The members of a struct or union, as declared."""
    assert isinstance(field.plan, Record)
    for part in field.plan.parts:
        yield replace(part, name=joined(field.name, part.name), offset=field.offset + part.offset)


def element(field: Field, number: int) -> Field:
    """One element of an array."""
    assert isinstance(field.plan, Repeated)
    inner = field.plan.element
    name, _, counts = field.type_name.partition("[")
    rest = counts.partition("]")[2]
    return Field(f"{field.name}[{number}]", field.offset + number * inner.size, inner, name + rest)


def joined(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name


def as_name(path: str) -> str:
    """The path as part of the name of a label or family: what C's names cannot have, or ours cannot, becomes ``_``."""
    return re.sub("[^a-zA-Z0-9_]", "_", path.replace("]", "")).strip("_")


def locate(root: Field, path: str) -> Field:
    """The field of this path.

    Raises:
        Misfit: There is none; it says which there are.
    """
    field, rest = root, path
    while rest:
        step = STEP.match(rest)
        found = _step(field, step[1], step[2]) if step else None
        if step is None or found is None:
            raise _unknown(root, path)
        field, rest = found, rest[step.end() :]
    return field


def paths(root: Field) -> list[str]:
    """The paths of all fields, those of arrays without their elements."""
    return [field.name for field in _all(root) if field.name]


def _step(field: Field, name: str | None, number: str | None) -> Field | None:
    if number is not None:
        fits = isinstance(field.plan, Repeated) and int(number) < field.plan.count
        return element(field, int(number)) if fits else None
    if not isinstance(field.plan, Record):
        return None
    return next((each for each in members(field) if each.name == joined(field.name, str(name))), None)


def _all(field: Field) -> Iterator[Field]:
    yield field
    if isinstance(field.plan, Record):
        for member in members(field):
            yield from _all(member)


def _unknown(root: Field, path: str) -> Misfit:
    there = paths(root)
    has = f"the fields are: {', '.join(there)}" if there else f"it is {root.type_name}, which has no fields"
    return Misfit("", f"there is no field {path!r}; {has}", did_you_mean(path, there))

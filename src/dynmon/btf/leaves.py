"""What each part of a value is, where it lies, and how and why it is shown as it is: for people who ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dynmon.btf.object import Btf
from dynmon.btf.planner import plan_for
from dynmon.btf.plans import (
    Address,
    Bits,
    Boolean,
    Enumeration,
    Floating,
    Hexadecimal,
    Integer,
    MapId,
    Plan,
    Record,
    Repeated,
)
from dynmon.btf.prefixes import Prefix

NAMES_SHOWN = 8
NETWORK_ORDER = ("__be16", "__be32", "__be64")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part of a value that is shown as a whole, or, with an empty `path`, bytes that are not shown.

    `path` has ``[]`` where a list has many such parts; `offset` (in bytes, from the start of the value) and `size`
    are those of the first.
    """

    path: str
    type_name: str
    offset: int
    size: int
    shown_as: str
    why: str

    def wire(self) -> dict[str, Any]:
        """As a JSON object with kebab-case keys."""
        return {name.replace("_", "-"): value for name, value in asdict(self).items()}


def leaves(btf: Btf, type_id: int, path: str = "") -> list[Leaf]:
    """The leaves of a type in the order of memory; `path` is what the value as a whole is called.

    Raises:
        UndecodableType: It has no values.
    """
    return leaves_of(plan_for(btf, type_id), btf.describe(type_id), path)


def leaves_of(plan: Plan, type_name: str, path: str = "") -> list[Leaf]:
    """The leaves of a type that `plan` decodes and that the source calls `type_name`."""
    return list(_walk(plan, type_name, path, 0))


def _walk(plan: Plan, type_name: str, path: str, offset: int) -> Iterator[Leaf]:
    inner, dimensions = _unfolded(plan)
    if isinstance(inner, Record) and plan.size:
        yield from _members(inner, path + "[]" * len(dimensions), offset)
        return
    shown_as, why = WORDS[type(inner)](inner)
    if type_name in NETWORK_ORDER:
        why += "; the number is the one in memory, its bytes are not swapped"
    for count in reversed(dimensions):
        shown_as = f"list of {count}: {shown_as}"
    if dimensions and isinstance(inner, Integer) and inner.is_char:
        why += "; text is shown by its codes"
    yield Leaf(path, type_name, offset, plan.size, shown_as, why)


def _unfolded(plan: Plan) -> tuple[Plan, list[int]]:
    dimensions = []
    while isinstance(plan, Repeated):
        dimensions.append(plan.count)
        plan = plan.element
    return plan, dimensions


def _members(record: Record, path: str, offset: int) -> Iterator[Leaf]:
    end = 0
    for part in sorted(record.parts, key=lambda part: part.offset):
        yield from _gap(offset, end, part.offset)
        yield from _walk(part.plan, part.type_name, f"{path}.{part.name}" if path else part.name, offset + part.offset)
        end = max(end, part.offset + part.plan.size)
    yield from _gap(offset, end, record.size)


def _gap(offset: int, end: int, following: int) -> Iterator[Leaf]:
    if following > end:
        yield Leaf("", "", offset + end, following - end, "nothing", "no member is there: padding")


def _integer(plan: Integer) -> tuple[str, str]:
    order = " in network byte order" if plan.is_big_endian else ""
    return "number", f"an integer of {_bytes(plan.size)}{order}, {_sign(plan.is_signed)}"


def _bits(plan: Bits) -> tuple[str, str]:
    last = plan.shift + plan.bits - 1
    where = f"bit {plan.shift}" if plan.bits == 1 else f"bits {plan.shift} to {last}"
    return "number", f"a bit-field: {where}, {_sign(plan.is_signed)}"


def _boolean(plan: Boolean) -> tuple[str, str]:
    return "true or false", f"a boolean, true for anything but zero; {WORDS[type(plan.number)](plan.number)[1]}"


def _enumeration(plan: Enumeration) -> tuple[str, str]:
    named = [f"{name} = {value}" for value, name in list(plan.names.items())[::-1][:NAMES_SHOWN]]
    more = f" and {len(plan.names) - NAMES_SHOWN} more" if len(plan.names) > NAMES_SHOWN else ""
    number = WORDS[type(plan.number)](plan.number)[1]
    return "name, or number where none fits", f"an enumeration ({', '.join(named)}{more}); {number}"


def _float(plan: Floating) -> tuple[str, str]:
    return "number", f"floating point of {_bytes(plan.size)}; NaN and infinities are null"


def _pointer(plan: Address) -> tuple[str, str]:
    return "number", "a pointer: an address in the kernel"


def _untyped(plan: Hexadecimal) -> tuple[str, str]:
    return f"{2 * plan.size} hexadecimal digits", "its type is not known"


def _prefix(plan: Prefix) -> tuple[str, str]:
    why = f"the key of a trie: a prefix length, then {plan.address_bytes} bytes that are taken for an address"
    return f"prefix such as {plan.example}", f"{why}; bits beyond the prefix are shown as zero"


def _map(plan: MapId) -> tuple[str, str]:
    return "what the map holds", "a map inside of the map"


def _empty(plan: Record) -> tuple[str, str]:
    return "object without members", "it has no bytes"


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


def _sign(is_signed: bool) -> str:
    return "signed" if is_signed else "unsigned"


WORDS: dict[type[Plan], Callable[[Any], tuple[str, str]]] = {
    Integer: _integer,
    Bits: _bits,
    Boolean: _boolean,
    Enumeration: _enumeration,
    Floating: _float,
    Address: _pointer,
    Hexadecimal: _untyped,
    Prefix: _prefix,
    MapId: _map,
    Record: _empty,
}

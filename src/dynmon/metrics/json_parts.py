"""The plan that decodes a type → the parts that write its values as JSON, byte for byte what decoding them gives.

Types that would make too many parts, and values that are not in the rows (maps inside of maps), are left to decoding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dynmon.bpf import MapType
from dynmon.btf import Plan, Rows
from dynmon.btf import plans as btf
from dynmon.btf.prefixes import Prefix
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.extraction import Entries
from dynmon.rendering import (
    BitField,
    Choice,
    Float,
    Form,
    Hexadecimal,
    Integer,
    Literal,
    Part,
    Repeat,
    render_each,
)
from dynmon.rendering import Prefix as PrefixPart

MOST_PARTS = 4096
QUOTE, COMMA = Literal(b'"'), Literal(b",")
WITHOUT_KEYS = frozenset({MapType.ARRAY, MapType.QUEUE, MapType.STACK})
NESTED = frozenset({MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS})


class NotInParts(Exception):
    """A value has more parts than a plan should have, or is of a kind that no part writes."""


def entries_as_json(metric: BoundMetric, entries: Entries, step: int) -> Iterator[bytes] | None:
    """The texts of all entries in the map's shape, with commas between, `step` entries at a time.

    None where they can only be decoded.
    """
    if metric.bpf_map.info.map_type in NESTED:
        return None
    try:
        parts = [COMMA, *entry_parts(metric, entries)]
    except NotInParts:
        return None
    starts = range(0, len(entries), step)
    texts = render_each(parts, (_rows_of(entries.part(start, start + step)) for start in starts))
    return (text if number else text[len(COMMA.text) :] for number, text in enumerate(texts))


def entry_parts(metric: BoundMetric, entries: Entries) -> list[Part]:
    """The parts of one entry, whose row is the key and then the value, or the values of all CPUs.

    Raises:
        NotInParts: They can only be decoded.
    """
    map_type, start = metric.bpf_map.info.map_type, entries.keys.shape[1]
    value = value_parts(metric.value, 0 if map_type.is_per_cpu else start)
    if map_type.is_per_cpu:
        _, cpus, size = entries.values.shape
        value = [Literal(b"["), Repeat(start, tuple(value), cpus, size), Literal(b"]")]
    elif map_type in WITHOUT_KEYS:
        return value
    key = value_parts(metric.key, 0) if metric.key else [Literal(b"null")]
    return [Literal(b'{"key":'), *key, Literal(b',"value":'), *value, Literal(b"}")]


def value_parts(plan: Plan, offset: int) -> list[Part]:
    """The parts that write what `plan` decodes from `offset` on.

    Raises:
        NotInParts: It can only be decoded.
    """
    parts: list[Part] = []
    count = 0
    for part in _parts_of(plan, offset):
        parts.append(part)
        count += _count(part)
        if count > MOST_PARTS:
            raise NotInParts
    return parts


def _count(part: Part) -> int:
    return 1 + sum(map(_count, part.parts)) if isinstance(part, Repeat) else 1


def _rows_of(entries: Entries) -> Rows:
    values = entries.values.reshape(len(entries), -1)
    return np.concatenate([entries.keys, values], axis=1)


def _parts_of(plan: Plan, offset: int) -> Iterator[Part]:
    maker = MAKERS.get(type(plan))
    if maker is None:
        raise NotInParts
    return maker(plan, offset)


def _integer(plan: btf.Integer, offset: int) -> Iterator[Part]:
    yield Integer(offset, plan.size, plan.is_signed, plan.is_big_endian)


def _bits(plan: btf.Bits, offset: int) -> Iterator[Part]:
    skipped, shift = divmod(plan.shift, 8)
    yield BitField(offset + skipped, plan.size - skipped, shift, plan.bits, plan.is_signed)


def _boolean(plan: btf.Boolean, offset: int) -> Iterator[Part]:
    (number,) = _parts_of(plan.number, offset)
    assert isinstance(number, Integer | BitField)
    yield Choice(number, {0: b"false"}, Literal(b"true"))


def _enumeration(plan: btf.Enumeration, offset: int) -> Iterator[Part]:
    (number,) = _parts_of(plan.number, offset)
    assert isinstance(number, Integer | BitField)
    yield Choice(number, {value: _string(name) for value, name in plan.names.items()}, number)


def _float(plan: btf.Floating, offset: int) -> Iterator[Part]:
    yield Float(offset, plan.size, Form.JSON)


def _unsigned(plan: btf.Address | btf.MapId, offset: int) -> Iterator[Part]:
    yield Integer(offset, plan.size)


def _hexadecimal(plan: btf.Hexadecimal, offset: int) -> Iterator[Part]:
    yield from (QUOTE, Hexadecimal(offset, plan.size), QUOTE)


def _prefix(plan: Prefix, offset: int) -> Iterator[Part]:
    yield from (QUOTE, PrefixPart(offset, plan.address_bytes), QUOTE)


def _repeated(plan: btf.Repeated, offset: int) -> Iterator[Part]:
    yield Literal(b"[")
    if plan.count:
        yield Repeat(offset, tuple(value_parts(plan.element, 0)), plan.count, plan.element.size)
    yield Literal(b"]")


def _record(plan: btf.Record, offset: int) -> Iterator[Part]:
    # Of two members with one name the last one counts, in the place of the first: what a dict makes of them.
    members = {part.name: part for part in plan.parts}
    yield Literal(b"{")
    for number, (name, part) in enumerate(members.items()):
        yield Literal(b"%s%s:" % (b"," if number else b"", _string(name)))
        yield from _parts_of(part.plan, offset + part.offset)
    yield Literal(b"}")


def _string(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace")


MAKERS: dict[type[Plan], Callable[[Any, int], Iterator[Part]]] = {
    btf.Integer: _integer,
    btf.Bits: _bits,
    btf.Boolean: _boolean,
    btf.Enumeration: _enumeration,
    btf.Floating: _float,
    btf.Address: _unsigned,
    btf.MapId: _unsigned,
    btf.Hexadecimal: _hexadecimal,
    Prefix: _prefix,
    btf.Repeated: _repeated,
    btf.Record: _record,
}

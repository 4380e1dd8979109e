"""Values that are put together from several reads: a wider layout, and the rule for each part of it.

What was drained at different times becomes one value: packets add up, a high-water mark keeps the highest, a name is
the newest. In rows of the map's own layout sums would soon wrap, so they have a layout of their own, the *wide* one:
every number that takes part in arithmetic has 8 bytes there (integers of more than 64 bits have 16) in the machine's
order, and stays signed or unsigned; what is only kept keeps its bytes and its plan.

Without rules, integers, bit-fields and floating point add up. The newest wins for what nobody adds: text, arrays of
single bytes (MAC and IP addresses), numbers in network byte order (addresses, ports), booleans, enums, pointers, bytes
of unknown type, and members that lie upon one another (unions), which are kept together as the bytes they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from dynmon.btf.leaves import NETWORK_ORDER
from dynmon.btf.plans import (
    Bits,
    Boolean,
    Enumeration,
    Field,
    Floating,
    Hexadecimal,
    Integer,
    Plan,
    Record,
    Repeated,
    Rows,
)
from dynmon.errors import InvalidInputError, did_you_mean
from dynmon.metrics.words import WORD_BYTES, Number, Words
from dynmon.models import Merge


class UnknownField(InvalidInputError):
    """A rule names a field that the value does not have, or one that it cannot be for.

    `reason` is the sentence without the attempt, `hint` a guess at what was meant ("" where there is none).
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(f"merge: {reason}")
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Column:
    """Scalars, or bytes that stay together, at one place of every value: where they are, and what becomes of them.

    `repeats` has for each array around them, the outermost first, its count and how far apart its elements are in raw
    and in wide rows. Bytes without a `number` are copied, and the newest are kept.
    """

    raw: int
    wide: int
    size: int
    rule: Merge = Merge.LAST
    number: Number | None = None
    repeats: tuple[tuple[int, int, int], ...] = ()

    def raw_places(self, rows: Rows) -> NDArray[np.uint8]:
        """Their bytes in raw rows."""
        return self._places(rows, self.raw, [raw for _, raw, _ in self.repeats], self.size)

    def wide_places(self, rows: Rows) -> NDArray[np.uint8]:
        """Their bytes in wide rows."""
        size = self.number.size if self.number else self.size
        return self._places(rows, self.wide, [wide for _, _, wide in self.repeats], size)

    def _places(self, rows: Rows, offset: int, steps: list[int], size: int) -> NDArray[np.uint8]:
        shape = (len(rows), *(count for count, _, _ in self.repeats), size)
        return as_strided(rows[:, offset:], shape, (rows.strides[0], *steps, 1))


@dataclass(frozen=True, slots=True)
class Widened:
    """The wide layout of a type: `plan` decodes its rows.

    All rows have two dimensions, one row for each value.
    """

    plan: Plan
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, plan: Plan, type_name: str, rules: Mapping[str, Merge]) -> Widened:
        """Widen a type that `plan` decodes and that the source calls `type_name`.

        `rules` are by the path of a field, as in ``inner.x``; the empty path is the value as a whole. A rule for a
        struct is for all that is in it and has no rule of its own, one for an array is for its elements.

        Raises:
            UnknownField: There is no such field, or it cannot be merged like that.
        """
        layouts = _Layouts(rules)
        layout = layouts.of(plan, _Place("", type_name))
        layouts.check_paths()
        return cls(layout.plan, layout.columns)

    def widen(self, rows: Rows) -> Rows:
        """Rows as the map has them, in the wide layout."""
        rows = np.ascontiguousarray(rows)
        wide = np.zeros((len(rows), self.plan.size), np.uint8)
        for column in self.columns:
            places = column.raw_places(rows)
            if column.number is None:
                column.wide_places(wide)[...] = places
            else:
                _words(column, column.number, wide)[...] = column.number.read(places)
        return wide

    def combine(self, older: Rows, newer: Rows) -> Rows:
        """Each value together with the later one of the same thing."""
        return self._by_column(MERGES, np.ascontiguousarray(newer), np.ascontiguousarray(older))

    def difference(self, now: Rows, then: Rows) -> Rows:
        """What was added between two looks at the same thing; what does not add up is as it is `now`."""
        return self._by_column({Merge.SUM: Number.difference}, np.ascontiguousarray(now), np.ascontiguousarray(then))

    def _by_column(self, operations: Mapping[Merge, Operation], now: Rows, then: Rows) -> Rows:
        result = now.copy()
        for column in self.columns:
            if column.number and column.rule in operations:
                places = _words(column, column.number, result)
                places[...] = operations[column.rule](column.number, places, _words(column, column.number, then))
        return result


Operation = Callable[[Number, Words, Words], Words]


def _highest(number: Number, newer: Words, older: Words) -> Words:
    return np.where(number.less(newer, older), older, newer)


def _lowest(number: Number, newer: Words, older: Words) -> Words:
    """Zero is what a map has before anybody set it."""
    is_older = number.less(older, newer) & older.any(axis=-1, keepdims=True) | ~newer.any(axis=-1, keepdims=True)
    return np.where(is_older, older, newer)


MERGES: dict[Merge, Operation] = {Merge.SUM: Number.add, Merge.MAX: _highest, Merge.MIN: _lowest}


def _words(column: Column, number: Number, rows: Rows) -> Words:
    return column.wide_places(rows).view(number.dtype)


@dataclass(frozen=True, slots=True)
class _Layout:
    plan: Plan
    columns: tuple[Column, ...]

    @property
    def is_kept(self) -> bool:
        """Nothing in it takes part in arithmetic: it can stay the bytes that it is."""
        return all(column.number is None for column in self.columns)


def _kept(plan: Plan) -> _Layout:
    return _Layout(plan, (Column(0, 0, plan.size),) if plan.size else ())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a value we are; `rule` is what holds there unless something else is said, None is the usual."""

    path: str
    type_name: str
    rule: Merge | None = None
    in_union: bool = False
    in_array: bool = False


class _Layouts:
    """Lays out a value by `rules`, and remembers the paths it came by."""

    def __init__(self, rules: Mapping[str, Merge]) -> None:
        self._rules = rules
        self._paths: list[str] = []

    def of(self, plan: Plan, place: _Place) -> _Layout:
        """The layout of a value, or of a member."""
        self._paths.append(place.path)
        return self._of(plan, replace(place, rule=self._rules.get(place.path, place.rule)))

    def check_paths(self) -> None:
        """All rules must have found their field."""
        fields = [path for path in self._paths if path]
        for unknown in sorted(self._rules.keys() - set(self._paths)):
            has = f"it has: {', '.join(fields)}" if fields else "it has no fields"
            raise UnknownField(f"the value has no field {unknown!r}; {has}", did_you_mean(unknown, fields))

    def _of(self, plan: Plan, place: _Place) -> _Layout:
        match plan:
            case Record():
                layout = self._record(plan, place)
            case Repeated():
                layout = _repeated(plan, self._of(plan.element, replace(place, in_array=True)))
            case _:
                layout = _scalar(plan, place)
        return _kept(plan) if layout.is_kept else layout

    def _record(self, plan: Record, place: _Place) -> _Layout:
        fields: dict[int, Field] = {}
        columns: list[Column] = []
        end = 0
        for group in overlapping(plan.parts):
            in_union = place.in_union or len(group) > 1
            layouts = [self._member(plan.parts[number], place, in_union) for number in group]
            parts = [plan.parts[number] for number in group]
            start = min(part.offset for part in parts)
            end_of_all = max(part.offset + part.plan.size for part in parts)
            block = layouts[0] if len(group) == 1 else _kept(Hexadecimal(end_of_all - start))
            end = end if block.is_kept else _aligned(end)
            for number, part, layout in zip(group, parts, layouts, strict=True):
                fields[number] = replace(part, offset=end + part.offset - start, plan=layout.plan)
            columns += [replace(column, raw=start + column.raw, wide=end + column.wide) for column in block.columns]
            end += block.plan.size
        members = tuple(fields[number] for number in range(len(fields)))
        return _Layout(replace(plan, size=_aligned(end), parts=members), tuple(columns))

    def _member(self, part: Field, place: _Place, in_union: bool) -> _Layout:
        path = f"{place.path}.{part.name}" if place.path else part.name
        return self.of(part.plan, _Place(path, part.type_name, place.rule, in_union))


def overlapping(parts: tuple[Field, ...]) -> Iterator[list[int]]:
    """The members by number, in the order of memory, those together that share bits."""
    spans = sorted((*bit_span(part), number) for number, part in enumerate(parts))
    group: list[int] = []
    group_end = 0
    for start, end, number in spans:
        if group and start >= group_end:
            yield group
            group = []
        group.append(number)
        group_end = max(group_end, end)
    if group:
        yield group


def bit_span(part: Field) -> tuple[int, int]:
    """The first bit of a member and the one behind its last, from the start of what it is in."""
    plan = part.plan.number if isinstance(part.plan, Boolean | Enumeration) else part.plan
    if isinstance(plan, Bits):
        return part.offset * 8 + plan.shift, part.offset * 8 + plan.shift + plan.bits
    return part.offset * 8, (part.offset + plan.size) * 8


def _repeated(plan: Repeated, element: _Layout) -> _Layout:
    if not plan.count:
        return _kept(plan)
    step = (plan.count, plan.element.size, element.plan.size)
    columns = tuple(replace(column, repeats=(step, *column.repeats)) for column in element.columns)
    return _Layout(replace(plan, size=plan.count * element.plan.size, element=element.plan), columns)


def _scalar(plan: Plan, place: _Place) -> _Layout:
    rule = place.rule or _usual(plan, place)
    if rule is Merge.LAST:
        return _kept(plan)
    problem = _problem(plan, place)
    if problem:
        what = f"field {place.path!r}" if place.path else "the value"
        raise UnknownField(f"{what} cannot have the rule '{rule}': {problem}; the rule 'last' is possible")
    number = Number.of(plan)
    return _Layout(_wide_plan(plan, number, rule), (Column(0, 0, plan.size, rule, number),))


def _usual(plan: Plan, place: _Place) -> Merge:
    match plan:
        case Integer(is_char=False, is_big_endian=False) if not place.in_union:
            is_text = place.in_array and plan.size == 1
            is_address = place.type_name.partition("[")[0].rpartition(" ")[2] in NETWORK_ORDER
            return Merge.LAST if is_text or is_address else Merge.SUM
        case Bits() | Floating() if not place.in_union:
            return Merge.SUM
    return Merge.LAST


def _problem(plan: Plan, place: _Place) -> str:
    """Why a scalar has no arithmetic, "" where it has."""
    if place.in_union:
        return "it shares its bytes with other members of a union"
    if place.in_array and isinstance(plan, Integer) and plan.is_char:
        return "it is text"
    return "" if plan.is_number else f"{plan.plural} are not numbers"


def _wide_plan(plan: Plan, number: Number, rule: Merge) -> Plan:
    """An extreme of enumerators is one of them, and of booleans a boolean; their sum is only a number."""
    wide = Integer(number.size, number.is_signed)
    match plan:
        case Floating():
            return Floating(WORD_BYTES)
        case Boolean() | Enumeration() if rule is not Merge.SUM:
            return replace(plan, size=wide.size, number=wide)
    return wide


def _aligned(offset: int) -> int:
    return -(-offset // WORD_BYTES) * WORD_BYTES

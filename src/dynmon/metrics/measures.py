"""Which families the values of a metric make: one for a number, one for each numeric field of a struct."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dynmon.btf.plans import Boolean, Enumeration, Field, Record
from dynmon.metrics.fields import Misfit, as_name, base_name, is_network_order, locate, members
from dynmon.metrics.guesses import is_hidden
from dynmon.metrics.model import FamilyType
from dynmon.metrics.widening import overlapping
from dynmon.models import Merge, MetricConfig, MetricType, OpenMetricsMetadata, ValueConfig

TOTAL = "_total"
TYPES = {
    MetricType.COUNTER: FamilyType.COUNTER,
    MetricType.GAUGE: FamilyType.GAUGE,
    MetricType.UNTYPED: FamilyType.UNKNOWN,
    MetricType.HISTOGRAM: FamilyType.HISTOGRAM,
    MetricType.SUMMARY: FamilyType.SUMMARY,
}
NEVER_EXPORTED = frozenset({"bpf_spin_lock", "bpf_timer", "bpf_wq"})
# Fields that nobody counts with, by names that mean one thing only: `bad_flags` may well be a count.
NO_COUNT = re.compile(
    r"""
    (.*_)?(ts|timestamp|[am]time)(_[num]s)?
    | (.*_)?(first|last|latest)_?((packet|pkt)_)?(seen|time|[num]s|jiffies|used|updated?)
    | (start|end)_?(time|[num]s|jiffies)
    | (first|last|latest|start|end|min|max|smallest|largest)
    | (latest|last)_(flags|state|errno|source|src|dst|[sd]?addr)
    | flags|state|status|id|mark|errno|dscp|tos|ttl|[sd]addr|[sd]port|(eth_)?proto(col)?|(.*_)?if_?index
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A family of the numbers that values have at `path`, and why there is one."""

    path: str
    name: str
    type: FamilyType
    help: str
    unit: str
    multiplier: float
    why: str

    @property
    def suffix(self) -> str:
        """What its samples' names have behind the family's."""
        return TOTAL if self.type is FamilyType.COUNTER else ""

    @property
    def type_word(self) -> str:
        """Its type as configurations call it."""
        return next(word.value for word, kind in TYPES.items() if kind is self.type)

    @property
    def scaling(self) -> str:
        """What is done to the numbers, in words."""
        return "number" if self.multiplier == 1 else f"number times {self.multiplier:g}"


def measures_of(config: MetricConfig, metadata: OpenMetricsMetadata, value: Field) -> tuple[list[Measure], list[str]]:
    """The families of a metric whose values are as `value` says, and why other fields make none.

    Without any, the only reason is that of the whole.

    Raises:
        Misfit: The configuration names a field that the value does not have, or that is not a number.
    """
    if metadata.values is not None:
        chosen = enumerate(metadata.values)
        return [_chosen(config, metadata, value, each, f"values[{number}]") for number, each in chosen], []
    if metadata.value_field is not None:
        field = _number_at(value, metadata.value_field, "value-field")
        return [_measure(config.name, metadata, field, "value-field names it")], []
    if value.plan.is_number:
        return [_measure(config.name, metadata, value, "its values are numbers")], []
    if not isinstance(value.plan, Record):
        return [], [f"its values are {value.plan.plural}, not numbers"]
    if metadata.unit is not None or metadata.multiplier is not None:
        which = "unit" if metadata.unit is not None else "multiplier"
        raise Misfit(which, "the values are structs: say in values of which field, or name one with value-field")
    fields = list(_fields(value, metadata.type))
    found = [field for field, reason in fields if not reason]
    if not found:
        return [], [f"its values are {value.plan.plural} without a number"]
    measures = [_measure_of_field(config, metadata, field) for field in found]
    return measures, [f"field {field.name!r} is not exported: {reason}" for field, reason in fields if reason]


def family_name(name: str, kind: MetricType, unit: str | None) -> str:
    """The name of a family: its unit at the end, which for a counter is before the ``_total`` of its samples."""
    stem = (name.removesuffix(TOTAL) or name) if kind is MetricType.COUNTER else name
    return stem if unit is None or stem.endswith(f"_{unit}") else f"{stem}_{unit}"


def _chosen(
    config: MetricConfig, metadata: OpenMetricsMetadata, value: Field, asked: ValueConfig, path: str
) -> Measure:
    field = _number_at(value, asked.field, f"{path}.field")
    kind = asked.type or metadata.type
    name = asked.name or field_name(config.name, field)
    multiplier = asked.multiplier if asked.multiplier is not None else metadata.multiplier or 1.0
    unit = asked.unit or metadata.unit
    text = asked.help if asked.help is not None else f"{metadata.help.rstrip('.')}: {field.name}"
    return Measure(
        field.name, family_name(name, kind, unit), TYPES[kind], text, unit or "", multiplier, f"{path} names it"
    )


def _measure(name: str, metadata: OpenMetricsMetadata, field: Field, why: str) -> Measure:
    named, unit = family_name(name, metadata.type, metadata.unit), metadata.unit or ""
    return Measure(field.name, named, TYPES[metadata.type], metadata.help, unit, metadata.multiplier or 1.0, why)


def _measure_of_field(config: MetricConfig, metadata: OpenMetricsMetadata, field: Field) -> Measure:
    """What is not added up is no counter: a high-water mark, the time of the last packet."""
    kind, why = metadata.type, "a field that is a number"
    reason = _why_no_counter(field, _rule(config, field.name)) if kind is MetricType.COUNTER else ""
    if reason:
        kind, why = MetricType.GAUGE, f"{why}; {reason}, so it is no counter"
    name = family_name(field_name(config.name, field), kind, None)
    return Measure(field.name, name, TYPES[kind], f"{metadata.help.rstrip('.')}: {field.name}", "", 1.0, why)


def _why_no_counter(field: Field, rule: Merge | None) -> str:
    """What the configuration says, or else the name; "" for a field that may count something."""
    name = field.name.rpartition(".")[2]
    if rule is not None:
        return "" if rule is Merge.SUM else f"its merge is {rule}"
    return f"it is called {name}, which nobody adds up" if NO_COUNT.fullmatch(name.lower()) else ""


def field_name(name: str, field: Field) -> str:
    """The name of the family of a field: that of the metric and the path."""
    return f"{name.removesuffix(TOTAL) or name}_{as_name(field.name)}"


def _rule(config: MetricConfig, path: str) -> Merge | None:
    """The rule for the field or for what it is in."""
    if not isinstance(config.merge, dict):
        return config.merge
    rules = {known: rule for known, rule in config.merge.items() if path == known or path.startswith(f"{known}.")}
    return rules[max(rules, key=len)] if rules else None


def _number_at(value: Field, path: str, place: str) -> Field:
    try:
        field = locate(value, path)
    except Misfit as misfit:
        raise misfit.below(place) from None
    if not field.plan.is_number:
        raise Misfit(place, f"field {path!r} ({field.type_name}) is not a number")
    return field


def _fields(value: Field, kind: MetricType) -> Iterator[tuple[Field, str]]:
    """The scalar fields, arrays and unions of a struct, and why each makes no family ("" where it does)."""
    assert isinstance(value.plan, Record)
    in_unions = {number for group in overlapping(value.plan.parts) if len(group) > 1 for number in group}
    for number, field in enumerate(members(value)):
        if is_hidden(field) or base_name(field) in NEVER_EXPORTED:
            continue
        if number in in_unions:
            yield field, "it lies upon other members of a union"
        elif isinstance(field.plan, Record):
            yield from _fields(field, kind)
        else:
            yield field, _reason(field, kind)


def _reason(field: Field, kind: MetricType) -> str:
    if not field.plan.is_number:
        return "it is not a number" if field.plan.is_scalar else f"{field.plan.plural} are not numbers"
    if is_network_order(field):
        return "it is in network order: an address, or a port"
    if kind is MetricType.COUNTER and isinstance(field.plan, Enumeration | Boolean):
        return "it is no count"
    return ""

"""What a metric will read and export, said before anybody reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dynmon.bpf import MapType
from dynmon.btf import Leaf, leaves_of
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.buckets import Buckets
from dynmon.metrics.exports import QUEUES, Export
from dynmon.metrics.families import why_left_out

SHOWN_BOUNDS = 6
JSON_ONLY = "it has no open-metrics-metadata: it is read as JSON only"


@dataclass(frozen=True, slots=True)
class Decision:
    """A label or a family that a metric exports: from which part of its map, decoded by what, and why."""

    makes: str
    source: str
    decoder: str
    why: str

    def wire(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """A metric in words.

    `key` and `value` say how each part is decoded and why. `series` is how many label sets it can export at most, told
    apart by the labels `labels`; `exported_as` are the types and names of its samples, and where there are none,
    `left_out` is the reason. `decisions` say where each label and each family comes from.
    """

    name: str
    map: str
    map_type: MapType
    variable: str | None
    key: tuple[Leaf, ...]
    value: tuple[Leaf, ...]
    series: int
    labels: tuple[str, ...]
    exported_as: str | None
    left_out: str | None
    notes: tuple[str, ...]
    decisions: tuple[Decision, ...] = ()

    def wire(self) -> dict[str, Any]:
        """As a JSON object with kebab-case keys; what does not apply is null."""
        return {
            "name": self.name,
            "map": self.map,
            "map-type": self.map_type.name.lower(),
            "variable": self.variable,
            "key": [leaf.wire() for leaf in self.key],
            "value": [leaf.wire() for leaf in self.value],
            "series": self.series,
            "labels": list(self.labels),
            "exported-as": self.exported_as,
            "left-out": self.left_out,
            "notes": list(self.notes),
            "decisions": [decision.wire() for decision in self.decisions],
        }


def describe(metric: BoundMetric) -> MetricDescription:
    """Describe a metric without reading its map."""
    info, config, export = metric.bpf_map.info, metric.config, metric.export
    left_out = why_left_out(metric, export, drain=True) if export else JSON_ONLY
    exported = export if export and left_out is None else None
    keys = metric.key_type
    return MetricDescription(
        name=config.name,
        map=info.name,
        map_type=info.map_type,
        variable=config.variable,
        key=tuple(leaves_of(keys.plan, keys.type_name, "key")) if keys else (),
        value=tuple(_value(metric)),
        series=exported.capacity if exported else 0,
        labels=(*(["interface"] if config.per_interface else []), *_labels(exported)) if exported else (),
        exported_as=_names(exported) if exported else None,
        left_out=left_out,
        notes=tuple(_notes(metric, exported)),
        decisions=tuple(_decisions(exported)) if exported else (),
    )


def _labels(export: Export) -> tuple[str, ...]:
    return (*(label.name for label in export.metadata.labels or ()), *(part.name for part in export.parts))


def _names(export: Export) -> str:
    return ", ".join(f"{measure.type_word} {measure.name}{measure.suffix}" for measure in export.measures)


def _decisions(export: Export) -> Iterator[Decision]:
    for part in export.parts:
        source = ".".join(filter(None, ("key", part.field.name)))
        yield Decision(f"label {part.name}", source, part.decoded_by, part.why)
    for measure in export.measures:
        source = ".".join(filter(None, ("value", measure.path)))
        how = _bounds(export.source.buckets) if export.source and export.source.buckets else measure.scaling
        yield Decision(f"{measure.type_word} {measure.name}{measure.suffix}", source, how, measure.why)


def _bounds(buckets: Buckets) -> str:
    """Where buckets end, in words."""
    ends = [f"{bound:g}" for bound in buckets.bounds]
    shown = ", ".join(ends) if len(ends) <= SHOWN_BOUNDS else f"{', '.join(ends[:3])} … {ends[-1]}"
    return f"buckets up to {shown}" if ends else "no bounds"


def _value(metric: BoundMetric) -> Iterator[Leaf]:
    """The parts of a value; of a map of maps, also those of the entries inside, as far as the code tells."""
    yield from leaves_of(metric.value, metric.value_type.type_name, metric.config.variable or "value")
    if metric.inner:
        for word, typed in (("key", metric.inner.key), ("value", metric.inner.value)):
            if typed:
                yield from leaves_of(typed.plan, typed.type_name, f"value[].{word}")


def _notes(metric: BoundMetric, export: Export | None) -> list[str]:
    map_type = metric.bpf_map.info.map_type
    notes = list(export.notes) if export else []
    if metric.inner:
        notes.append("the maps inside of it are opened one by one, which takes CAP_SYS_ADMIN")
    if map_type.is_per_cpu:
        how = "each with its label" if export and export.splits_cpus else "as their sum"
        notes.append(f"as JSON a value for each possible CPU, exported {how}")
    if map_type in QUEUES:
        notes.append(
            f"every read of its value empties the {map_type.name.lower()}; the daemon-wide /metrics leaves it out"
        )
    elif metric.config.extraction_options.empty_on_read:
        notes.append("reading its value as JSON empties it; scrapes do not")
    if metric.config.per_interface:
        notes.append("its map is made for each interface; as JSON a value for each, exported with the label interface")
    if metric.swaps:
        notes.append("its map is made twice: a read switches to the other copy and waits for one grace period")
    return notes

"""What a metric will read and export, said before anybody reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dynmon.bpf import MapType
from dynmon.btf import Leaf, leaves_of
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.families import KEY, TOTAL, family_name, own_label, places, why_left_out
from dynmon.metrics.readings import QUEUES
from dynmon.models import MetricType

JSON_ONLY = "it has no open-metrics-metadata: it is read as JSON only"


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """A metric in words.

    `key` and `value` say how each part is decoded and why. `series` is how many samples it can export at most, told by
    the labels `labels`; `exported_as` is the type and name of those samples, and where there are none, `left_out` is
    the reason.
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
        }


def describe(metric: BoundMetric) -> MetricDescription:
    """Describe a metric without reading its map."""
    info, config = metric.bpf_map.info, metric.config
    metadata = config.open_metrics_metadata
    left_out = why_left_out(metric, metadata, drain=True) if metadata else JSON_ONLY
    label = own_label(metric)
    exported_as, series = None, 0
    labels: tuple[str, ...] = ()
    if metadata and left_out is None:
        suffix = TOTAL if metadata.type is MetricType.COUNTER else ""
        exported_as = f"{metadata.type} {family_name(config.name, metadata)}{suffix}"
        series = info.max_entries if label == KEY else places(metric)
        labels = (*(each.name for each in metadata.labels or ()), *([label] if label else []))
    keys = metric.key_type
    return MetricDescription(
        name=config.name,
        map=info.name,
        map_type=info.map_type,
        variable=config.variable,
        key=tuple(leaves_of(keys.plan, keys.type_name, "key")) if keys else (),
        value=tuple(_value(metric)),
        series=series,
        labels=labels,
        exported_as=exported_as,
        left_out=left_out,
        notes=tuple(_notes(metric)),
    )


def _value(metric: BoundMetric) -> Iterator[Leaf]:
    """The parts of a value; of a map of maps, also those of the entries inside, as far as the code tells."""
    yield from leaves_of(metric.value, metric.value_type.type_name, metric.config.variable or "value")
    if metric.inner:
        for word, typed in (("key", metric.inner.key), ("value", metric.inner.value)):
            if typed:
                yield from leaves_of(typed.plan, typed.type_name, f"value[].{word}")


def _notes(metric: BoundMetric) -> list[str]:
    map_type, notes = metric.bpf_map.info.map_type, []
    if metric.inner:
        notes.append("the maps inside of it are opened one by one, which takes CAP_SYS_ADMIN")
    if map_type.is_per_cpu:
        notes.append("as JSON a value for each possible CPU, exported as their sum")
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

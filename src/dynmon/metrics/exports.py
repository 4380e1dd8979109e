"""What a metric exports: its labels and its families, decided when it is bound to its map.

Keys make labels, values make families. Both are decided from the types of the map and the configuration, before anybody
reads; a reading then only follows the plan.
"""

from __future__ import annotations

from dataclasses import dataclass

from dynmon.bpf import MapType, possible_cpus
from dynmon.btf import Integer, Repeated
from dynmon.btf.plans import Enumeration, Field, Plan
from dynmon.metrics.decoders import decoder_of
from dynmon.metrics.distributions import ESTIMATED, NoDistribution, Source, source_of
from dynmon.metrics.fields import Misfit, whole
from dynmon.metrics.labels import CPU, INDEX_TYPE, KeyPart, key_parts
from dynmon.metrics.measures import TYPES, Measure, family_name, measures_of
from dynmon.models import DecoderConfig, DecoderName, MetricConfig, OpenMetricsMetadata, PerCpu
from dynmon.models.open_metrics import DISTRIBUTIONS

QUEUES = frozenset({MapType.QUEUE, MapType.STACK})
POSITIONAL = frozenset({MapType.ARRAY, MapType.PERCPU_ARRAY}) | QUEUES
INDEX_FIELD = Field("", 0, Integer(4, is_signed=False), INDEX_TYPE)


@dataclass(frozen=True, slots=True)
class MapShape:
    """What of a map decides on its export.

    `places` is how many values a map or variable without keys has; `index` is how their indexes are seen.
    """

    map_type: MapType
    max_entries: int
    key: Field | None
    value: Field
    places: int | None
    index: Field = INDEX_FIELD

    @property
    def cpus(self) -> int:
        """How many values each entry has."""
        return possible_cpus() if self.map_type.is_per_cpu else 1


@dataclass(frozen=True, slots=True)
class Export:
    """The plan. Where nothing can be exported `reason` says why; `notes` say what else is left out, or estimated.

    `key` is how the bytes are seen that labels are made of; `splits_cpus` is whether the values of CPUs are series.
    """

    metadata: OpenMetricsMetadata
    key: Field
    parts: tuple[KeyPart, ...]
    measures: tuple[Measure, ...]
    source: Source | None
    splits_cpus: bool
    capacity: int
    notes: tuple[str, ...]
    reason: str | None = None

    @property
    def names(self) -> list[str]:
        """The names of its families."""
        return [measure.name for measure in self.measures]


def shape_of(
    map_type: MapType, max_entries: int, key: tuple[Plan, str] | None, value: tuple[Plan, str], *, is_variable: bool
) -> MapShape:
    """The shape of a map, or of one variable in it."""
    plan, type_name = value
    if is_variable:
        if not isinstance(plan, Repeated):
            return MapShape(map_type, max_entries, None, whole(plan, type_name), 1)
        name, _, counts = type_name.partition("[")
        inner = whole(plan.element, name + counts.partition("]")[2])
        return MapShape(map_type, max_entries, None, inner, plan.count)
    if map_type in POSITIONAL or key is None:
        return MapShape(map_type, max_entries, None, whole(plan, type_name), max_entries, _index(key))
    return MapShape(map_type, max_entries, whole(*key), whole(plan, type_name), None)


def _index(key: tuple[Plan, str] | None) -> Field:
    """Indexes are numbers, or what an enum has as names for them."""
    if key and isinstance(key[0], Enumeration) and key[0].size == INDEX_FIELD.plan.size:
        return Field("", 0, key[0], INDEX_TYPE)
    return INDEX_FIELD


def export_of(config: MetricConfig, metadata: OpenMetricsMetadata, shape: MapShape) -> Export:
    """Decide what a metric exports.

    Raises:
        Misfit: The configuration names what the map does not have.
    """
    index = shape.index if metadata.index_names is None else INDEX_FIELD
    key = index if shape.key is None else shape.key
    splits = metadata.per_cpu is PerCpu.LABEL
    if splits and not shape.map_type.is_per_cpu:
        raise Misfit("per-cpu", f"the map is of type {shape.map_type.name.lower()}: it has no values by CPU")
    parts = () if shape.places == 1 and not metadata.key_labels else key_parts(metadata, key)
    if metadata.type in DISTRIBUTIONS:
        return _distribution(config, metadata, shape, key, parts, splits=splits)
    measures, notes = measures_of(config, metadata, shape.value)
    reason = notes[0] if not measures else None
    return _planned(metadata, shape, key, parts, tuple(measures), None, () if reason else tuple(notes), reason, splits)


def _distribution(
    config: MetricConfig,
    metadata: OpenMetricsMetadata,
    shape: MapShape,
    key: Field,
    parts: tuple[KeyPart, ...],
    *,
    splits: bool,
) -> Export:
    if shape.map_type in QUEUES:
        return _planned(
            metadata,
            shape,
            key,
            parts,
            (),
            None,
            (),
            f"a {metadata.type} cannot be made of values that are taken out",
            splits,
        )
    try:
        source = source_of(metadata, key, shape.value, shape.places)
    except NoDistribution as reason:
        return _planned(metadata, shape, key, parts, (), None, (), str(reason), splits)
    if source.key is not None:
        parts = tuple(part for part in parts if part.field.name != source.key.name)
    if metadata.quantiles and source.buckets is None:
        raise Misfit("quantiles", "nothing has buckets to estimate them from: the values have a sum and a count only")
    name = family_name(config.name, metadata.type, metadata.unit)
    why = source.why
    if source.buckets is not None and metadata.bucket_type is None:
        why += "; bucket-type is not said, so they are taken for those of bpf_log2l: 7 has 64 to 127"
    measure = Measure("", name, TYPES[metadata.type], metadata.help, metadata.unit or "", 1.0, why)
    notes = (ESTIMATED,) if source.is_sum_estimated else ()
    return _planned(metadata, shape, key, parts, (measure,), source, notes, None, splits)


def _planned(
    metadata: OpenMetricsMetadata,
    shape: MapShape,
    key: Field,
    parts: tuple[KeyPart, ...],
    measures: tuple[Measure, ...],
    source: Source | None,
    notes: tuple[str, ...],
    reason: str | None,
    splits: bool,
) -> Export:
    capacity = (shape.max_entries if shape.places is None else shape.places) if parts else 1
    if splits:
        cpu = Field(CPU, key.plan.size, Integer(4, is_signed=False), "CPU")
        number = decoder_of(DecoderConfig(name=DecoderName.UINT))
        parts = (*parts, KeyPart(CPU, cpu, (number,), "per-cpu keeps the values of CPUs apart"))
        capacity *= shape.cpus
    return Export(metadata, key, parts, measures, source, splits, capacity, notes, reason)

"""Tie a metric's configuration to the map or variable it names, or say why that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dynmon.bpf import BpfMap
from dynmon.btf import Btf, GlobalVariable, Plan, UndecodableType
from dynmon.btf.types import Section
from dynmon.metrics.errors import UnknownMap, UnknownVariable, UnreadableMap, UnusableMerge, UnusableMetadata
from dynmon.metrics.exports import Export, MapShape, export_of, shape_of
from dynmon.metrics.fields import Misfit
from dynmon.metrics.limits import SeriesLimit
from dynmon.metrics.refusals import (
    CONSTANTS,
    QUEUES,
    UnreadableError,
    check_kind,
    check_options,
    check_outside,
    check_values,
)
from dynmon.metrics.value_types import (
    MAPS_OF_MAPS,
    InnerTypes,
    TypedPlan,
    WrongSize,
    inner_types,
    key_type,
    value_type,
)
from dynmon.metrics.widening import UnknownField, Widened
from dynmon.models import Direction, Merge, MetricConfig

OWN_PREFIX = "dynmon_"
IS_VARIABLE = "it is a global variable: name it with variable in place of map-name"
IS_MAP = "it is a map: name it with map-name in place of variable"


@dataclass(frozen=True)
class BoundMetric:
    """A metric with its map and the types of the map's keys (None for queues and stacks) and values.

    Of a map of maps, `inner` are the types of the maps inside of it.

    A metric of a `variable` reads the bytes of that variable only: the map is the section that it lies in, and the
    value is the variable's. Of a metric that is split, `interface` is whose map it is. The map belongs to whoever
    loaded it; a metric must not be read after that owner has closed it.
    """

    config: MetricConfig
    direction: Direction
    bpf_map: BpfMap
    key_type: TypedPlan | None
    value_type: TypedPlan
    variable: GlobalVariable | None = None
    inner: InnerTypes | None = None
    interface: str = ""

    @property
    def swaps(self) -> bool:
        """Whether it is read from a copy of its map that no program writes to any more.

        Queues and stacks are popped, which takes each value exactly once; they have a copy only where ``swap-on-read``
        asks for all that is in them at one moment.
        """
        options, map_type = self.config.extraction_options, self.bpf_map.info.map_type
        if map_type in MAPS_OF_MAPS:
            return False
        return options.swap_on_read or (options.empty_on_read and map_type not in QUEUES)

    @cached_property
    def widened(self) -> Widened:
        """How values that were read at different times become one.

        Raises:
            UnknownField: The configuration's rules for that do not fit the values.
        """
        rules = self.config.merge
        by_path = {"": rules} if isinstance(rules, Merge) else rules or {}
        return Widened.of(self.value, self.value_type.type_name, by_path)

    @cached_property
    def export(self) -> Export | None:
        """What it exports; None for one that is read as JSON only.

        Raises:
            Misfit: The configuration asks for what the map does not have.
        """
        metadata = self.config.open_metrics_metadata
        return export_of(self.config, metadata, self.shape) if metadata else None

    @property
    def shape(self) -> MapShape:
        """What of its map decides on its export."""
        info, key, value = self.bpf_map.info, self.key_type, self.value_type
        return shape_of(
            info.map_type,
            info.max_entries,
            (key.plan, key.type_name) if key else None,
            (value.plan, value.type_name),
            is_variable=self.variable is not None,
        )

    @cached_property
    def series_limit(self) -> SeriesLimit:
        """Which of its series are exported by themselves, for as long as it lives."""
        metadata = self.config.open_metrics_metadata
        return SeriesLimit(metadata.series_limit if metadata else None)

    @property
    def key(self) -> Plan | None:
        """How keys are decoded."""
        return self.key_type.plan if self.key_type else None

    @property
    def value(self) -> Plan:
        """How values are decoded."""
        return self.value_type.plan

    @classmethod
    def bind(
        cls,
        config: MetricConfig,
        direction: Direction,
        maps: Mapping[str, BpfMap],
        btf: Btf,
        declared: Sequence[str] = (),
        number: int | None = None,
    ) -> BoundMetric:
        """Find what `config` names among `maps` or the variables in `btf`, and its types.

        `declared` are all maps that the code declares, also those that were not made because nothing uses them.
        `number` is the metric's place among those of its path, for refusals.

        Raises:
            UnknownMap: There is no such map.
            UnknownVariable: There is no such variable.
            UnreadableMap: It has no values to read, its flags forbid that, or they cannot be decoded.
            UnusableMerge: Its values cannot be put together as the configuration says.
            UnusableMetadata: It cannot be exported as the configuration says.
        """
        variable = _find_variable(config, direction, btf, maps) if config.variable is not None else None
        name = variable.section if variable else str(config.map_name)
        thing = f"variable {variable.name!r}" if variable else f"map {name!r}"
        if name not in maps and name not in declared and variable is None:
            names = _alike(name, {*maps, *declared})
            raise UnknownMap(config.name, name, direction, names, IS_VARIABLE if name in btf.variables else "")
        try:
            bpf_map = _made(maps, name)
            check_kind(bpf_map)
            check_options(bpf_map, config)
            check_outside(bpf_map, maps, config)
            _check_place(bpf_map, btf, variable)
            keys = None if variable else key_type(bpf_map, btf, config.key_type)
            values = value_type(bpf_map, btf, config.type, variable)
            check_values(values.plan, config)
            inner = inner_types(bpf_map, btf, config.type)
        except (UnreadableError, WrongSize, UndecodableType) as reason:
            raise UnreadableMap(config.name, thing, direction, str(reason)) from reason
        metric = cls(config, direction, bpf_map, keys, values, variable, inner)
        _check_merge(metric, thing)
        _check_export(metric, thing, number)
        return metric


def declared_names(maps: Iterable[str]) -> list[str]:
    """The maps that the user's code declares: not libbpf's for global variables, not the dialect's."""
    return sorted(name for name in maps if "." not in name and not name.startswith(OWN_PREFIX))


def _find_variable(config: MetricConfig, direction: Direction, btf: Btf, maps: Iterable[str]) -> GlobalVariable:
    name = str(config.variable)
    if name not in btf.variables:
        raise UnknownVariable(config.name, name, direction, declared_variables(btf), IS_MAP if name in maps else "")
    return btf.variables[name]


def declared_variables(btf: Btf) -> list[str]:
    """The global variables of the user's code: not the dialect's."""
    return sorted(name for name in btf.variables if not name.startswith(OWN_PREFIX))


def _alike(name: str, names: Iterable[str]) -> list[str]:
    """The maps to tell somebody who asked for `name`: sections for a section, otherwise the code's own."""
    return sorted(each for each in names if "." in each) if name.startswith(".") else declared_names(names)


def _made(maps: Mapping[str, BpfMap], name: str) -> BpfMap:
    if name in maps:
        return maps[name]
    why = "constants were not asked for" if name.startswith(CONSTANTS) else "the program does not use it"
    raise UnreadableError(f"{name!r} was not kept when the code was loaded: {why}")


def _check_place(bpf_map: BpfMap, btf: Btf, variable: GlobalVariable | None) -> None:
    if variable is None:
        return
    section = btf[btf.find(variable.section, Section) or 0]
    if isinstance(section, Section) and not section.size:
        raise UnreadableError("the kernel refused the object's types, so nobody knows where in its section it lies")
    if variable.offset + variable.size > bpf_map.info.value_size:
        raise UnreadableError("the object's types place it outside of its section")


def _check_merge(metric: BoundMetric, thing: str) -> None:
    if metric.config.merge is None:
        return
    try:
        _ = metric.widened
    except UnknownField as error:
        raise UnusableMerge(metric.config.name, thing, metric.direction, error.reason, error.hint) from error


def _check_export(metric: BoundMetric, thing: str, number: int | None) -> None:
    try:
        _ = metric.export, metric.series_limit  # from now on it counts
    except Misfit as misfit:
        name, way = metric.config.name, metric.direction
        place = "" if number is None else f"{way.path_name}.metric-configs[{number}]."
        path = f"{place}open-metrics-metadata.{misfit.path}"
        raise UnusableMetadata(name, thing, way, path, misfit.reason, misfit.hint) from misfit

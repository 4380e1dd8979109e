"""Which maps of running code go on in the code that takes over, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dynmon.bpf import DeclaredMap
from dynmon.btf import Btf
from dynmon.dataplane import EXTERN, Foundry, LoadedPath, Placement
from dynmon.dataplane.map_layouts import MapLayout
from dynmon.models import MetricConfig, PathConfig

OWN_PREFIX = "dynmon_"
NOT_BEFORE = "the code that runs does not have it"
NOT_NOW = "the new code does not declare it"
NOT_USED = "the new code does not use it"
NOT_ITS_OWN = "it belongs to other code, which is where it goes on"
READ_OTHERWISE = "its values are merged in another way, or of another type now"
SPLIT = "it is split per interface, or was: each interface begins anew"
MADE_ANEW = "it holds programs, which are new"


@dataclass(slots=True)
class Keeping:
    """The descriptors of the maps that are kept, by name, and the reasons why others are not."""

    descriptors: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, foundry: Foundry, config: PathConfig, placement: Placement, before: LoadedPath | None) -> Keeping:
        """Compare the maps of the code in `config` with those of the code that runs.

        Raises:
            InjectionError: The code does not compile, or is no object that can be opened.
        """
        keeping = cls()
        if not config.keep_maps:
            return keeping
        facts = foundry.loader.inspect(foundry.compile(config, placement).object, placement.direction.value)
        btf = Btf.parse(facts.btf)
        declared = {each.name: each for each in facts.maps}
        there = before.descriptors() if before else {}
        wanted = config.keep_maps if isinstance(config.keep_maps, tuple) else _own([*there, *declared])
        for name in wanted:
            reason = _reason_against(name, declared.get(name), btf, before, config)
            if reason:
                keeping.reasons[name] = reason
            else:
                keeping.descriptors[name] = there[name]
        return keeping

    def report(self, path: LoadedPath) -> dict[str, Any]:
        """What became of it in the code that was loaded; {} where nothing was asked."""
        for name in self.descriptors.keys() - path.maps.keys():
            self.reasons[name] = NOT_USED
        kept = [name for name in self.descriptors if name in path.maps]
        refused = [{"map": name, "reason": reason} for name, reason in self.reasons.items()]
        return {"kept": kept, "not-kept": refused} if path.config.keep_maps else {}


def _own(names: list[str]) -> list[str]:
    """The maps of the user's code, each once: not the dialect's, and no constants."""
    return [name for name in dict.fromkeys(names) if not name.startswith((OWN_PREFIX, ".rodata", ".kconfig"))]


def _reason_against(
    name: str, declared: DeclaredMap | None, btf: Btf, before: LoadedPath | None, config: PathConfig
) -> str:
    """Why a map cannot be kept, "" where it can."""
    if before is None or name not in before.maps:
        return NOT_BEFORE
    if declared is None:
        return NOT_NOW
    if name not in before.descriptors():
        return MADE_ANEW
    if name in before.split or any(each.per_interface for each in _metrics_of(name, config, btf)):
        return SPLIT
    if any(each == EXTERN or each.startswith("dynmon:pin") for each in declared.tags):
        return NOT_ITS_OWN
    info = before.maps[name].info
    entries = (config.map_sizes or {}).get(name, declared.max_entries)
    ours = MapLayout.declared(declared, btf, entries)
    if difference := ours.difference_from(MapLayout.of(before.maps[name], before.btf), entries=True):
        return difference
    if declared.flags != info.flags:
        return f"its flags are {declared.flags:#x}, not {info.flags:#x}"
    then, now = _readings_of(name, before.config, before.btf), _readings_of(name, config, btf)
    return "" if _are_alike(then, now, was_drained=name in before.swapping) else READ_OTHERWISE


Reading = tuple[str, str, str]  # a variable, rules, and a type


def _readings_of(map_name: str, config: PathConfig, btf: Btf) -> set[Reading]:
    """How the metrics of a map, or of the variables in it, take its values."""
    return {(each.variable or "", repr(each.merge), each.type or "") for each in _metrics_of(map_name, config, btf)}


def _metrics_of(map_name: str, config: PathConfig, btf: Btf) -> list[MetricConfig]:
    """The metrics of a map, or of the variables in it."""
    return [
        each
        for each in config.metric_configs
        if map_name == each.map_name
        or (each.variable in btf.variables and btf.variables[each.variable].section == map_name)
    ]


def _are_alike(then: set[Reading], now: set[Reading], *, was_drained: bool) -> bool:
    """Whether each metric finds what was drained before put together as it wants to have it."""
    if not was_drained:
        then, now = ({(variable, rules, "") for variable, rules, _ in readings} for readings in (then, now))
    known = {variable for variable, _, _ in then}
    return all(reading in then for reading in now if reading[0] in known)

"""From the code of one path to a program that is in the kernel, not yet on any hook.

Code comes in three spellings (C in the dialect, C as it is written for libbpf, an object) and is one thing from the
object on: one program of it is chosen, its constants and the sizes of its maps are set, it is loaded, and its maps get
their first entries.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from dynmon.bpf import BpfMap, LoadedObject, Loader, LoadRequest, ObjectFacts, OpenError, Program, ProgramType
from dynmon.bpf.pins import PIN_BY_NAME
from dynmon.btf import Btf
from dynmon.compiler import Artifact, Compiler, Spelling
from dynmon.dataplane.constants import READ_ONLY, encode_constants
from dynmon.dataplane.initial_entries import tail_calls_of, write_entries
from dynmon.dataplane.log import LOG_MAP, LogTarget
from dynmon.dataplane.programs import choose_program
from dynmon.dataplane.shared_maps import PublicMaps, maps_tagged
from dynmon.errors import Diagnostic
from dynmon.models import Direction, Hook, LogLevel, PathConfig
from dynmon.settings import MapLimits

ANOMALIES_MAP = "dynmon_anomalies"
PROGRAM_TYPES = {Hook.TC: ProgramType.SCHED_CLS, Hook.XDP: ProgramType.XDP}


@dataclass(frozen=True, slots=True)
class Placement:
    """Whose code it is and where it will run: what the code can ask about itself."""

    cube_id: int
    direction: Direction
    hook: Hook
    loglevel: LogLevel

    def constants(self) -> dict[str, int]:
        """The values of the dialect's load-time constants."""
        return {
            "dynmon_cube_id": self.cube_id,
            "dynmon_log_level": self.loglevel.threshold,
            "dynmon_epoch_base": time.time_ns() - time.monotonic_ns(),
        }


@dataclass(frozen=True, slots=True)
class Blueprint:
    """An object, and all that was decided about it before it is loaded; `facts` only where somebody had to ask.

    `wanted` are maps to make beside those the program uses; None for all.
    """

    artifact: Artifact
    program: str
    facts: ObjectFacts | None
    constants: Mapping[str, bytes] = field(default_factory=dict)
    tail_calls: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    wanted: frozenset[str] | None = None

    @property
    def made_anew(self) -> set[str]:
        """Prog arrays: the programs in them are loaded together with the one that calls them."""
        declared = self.facts.maps if self.facts else ()
        return {*self.tail_calls, *(each.name for each in declared if each.programs)}


@dataclass(frozen=True, slots=True)
class Foundry:
    """What it takes to make code run: one compiler, one loader, one log, one set of public maps for the daemon."""

    compiler: Compiler
    loader: Loader
    log: LogTarget
    public_maps: PublicMaps
    map_limits: MapLimits

    def build(
        self,
        config: PathConfig,
        placement: Placement,
        offers: Mapping[str, int],
        pinned: Mapping[str, int] | None = None,
        *,
        verbose: bool = False,
    ) -> LoadedPath:
        """Compile and load; `offers` are maps of the cube's other path, before those that are public.

        `pinned` are maps that the cube keeps for code that declares a map of that name as pinned by name. With
        `verbose` the verifier tells what it did, and the facts of the object are there in any case.

        Raises:
            InjectionError: The code does not compile, does not load or is refused by the verifier.
        """
        artifact = self._artifact(config, placement)
        all_offers = {**self.public_maps.offers(), **offers}
        with _explained_by(artifact.warnings):
            blueprint = self._plan(artifact, config, placement, verbose=verbose)
            loaded = self._load(config, blueprint, placement, {}, all_offers, pinned or {}, verbose=verbose)
        path = LoadedPath(config, placement, blueprint, loaded)
        try:
            write_entries(config.initial_entries or {}, loaded, path.btf, placement.direction)
        except BaseException:
            path.close()
            raise
        return path

    def rebuild(
        self, path: LoadedPath, placement: Placement, replacements: Mapping[str, int] | None = None
    ) -> LoadedPath:
        """Load the same object again with other constants, on the very maps that `path` counts in.

        `replacements` take the place of those among them that the code calls ``extern``.

        Raises:
            InjectionError: The kernel refused what it took before, for want of memory for instance, or a replacement
                has keys or values of another size.
        """
        anew = path.blueprint.made_anew
        kept = {name: each.fd for name, each in path.maps.items() if name not in anew and ".rodata" not in name}
        kept |= replacements or {}
        loaded = self._load(path.config, path.blueprint, placement, kept, kept, {})
        return LoadedPath(path.config, placement, path.blueprint, loaded)

    def _plan(self, artifact: Artifact, config: PathConfig, placement: Placement, *, verbose: bool) -> Blueprint:
        variables = [metric.variable for metric in config.metric_configs if metric.variable]
        if artifact.program and not (config.constants or config.initial_entries or variables or verbose):
            return Blueprint(artifact, artifact.program, None)
        facts = self.loader.inspect(artifact.object, placement.direction.value)
        sizes = config.map_sizes or {}
        declared = [replace(each, max_entries=sizes.get(each.name, each.max_entries)) for each in facts.maps]
        tail_calls = tail_calls_of(config.initial_entries or {}, declared, placement.direction)
        called = {name for calls in tail_calls.values() for name in calls.values()}
        called |= {name for each in facts.maps for name in each.programs}
        program = artifact.program or choose_program(config, facts, placement.direction, placement.hook, called)
        btf = Btf.parse(facts.btf)
        constants = encode_constants(config.constants or {}, btf, placement.direction)
        wanted = _wanted(config, facts, btf, only_named=artifact.program is None, constants_too=verbose)
        return Blueprint(artifact, program, facts, constants, tail_calls, wanted)

    def _artifact(self, config: PathConfig, placement: Placement) -> Artifact:
        if (given := config.object_bytes) is not None:
            return Artifact(given, None, cached=False, warnings=(), spelling=Spelling.OBJECT)
        assert config.code is not None, "a path has code or an object"
        return self.compiler.compile(config.code, placement.direction, placement.hook)

    def _load(
        self,
        config: PathConfig,
        blueprint: Blueprint,
        placement: Placement,
        reuse: Mapping[str, int],
        offers: Mapping[str, int],
        pinned: Mapping[str, int],
        *,
        verbose: bool = False,
    ) -> LoadedObject:
        return self.loader.load(
            LoadRequest(
                object=blueprint.artifact.object,
                program=blueprint.program,
                program_type=PROGRAM_TYPES[placement.hook],
                file=placement.direction.value,
                source=config.code or "",
                constants={**placement.constants(), **blueprint.constants},
                sizes=config.map_sizes or {},
                wanted=blueprint.wanted,
                tail_calls=blueprint.tail_calls,
                reuse={**reuse, LOG_MAP: self.log.map_fd},
                offers=offers,
                pinned=pinned,
                memory_bytes=self.map_limits.total_bytes,
                verbose=verbose,
            )
        )


@contextmanager
def _explained_by(warnings: tuple[Diagnostic, ...]) -> Iterator[None]:
    """Where an object has no lines, clang may have seen it coming: a function that is nowhere, for instance."""
    try:
        yield
    except OpenError as error:
        error.diagnostics = error.diagnostics or warnings
        raise


def _wanted(
    config: PathConfig, facts: ObjectFacts, btf: Btf, *, only_named: bool, constants_too: bool
) -> frozenset[str]:
    """The maps to make beside those the program uses: an object of many programs has many that it does not.

    With `only_named` those that the configuration names; otherwise all. Constants are maps too, but nobody's unless
    one is read.
    """
    named = {metric.map_name for metric in config.metric_configs if metric.map_name} | set(config.initial_entries or ())
    sections = {
        btf.variables[metric.variable].section for metric in config.metric_configs if metric.variable in btf.variables
    }
    if constants_too:
        sections |= {each.section for each in btf.variables.values() if each.section.startswith(READ_ONLY)}
    return frozenset(sections | (named if only_named else {each.name for each in facts.maps}))


class LoadedPath:
    """One direction's program and maps in the kernel, and what they were made from."""

    def __init__(self, config: PathConfig, placement: Placement, blueprint: Blueprint, loaded: LoadedObject) -> None:
        self.config = config
        self.placement = placement
        self.blueprint = blueprint
        self.loaded = loaded

    @property
    def artifact(self) -> Artifact:
        """The object it was loaded from."""
        return self.blueprint.artifact

    @property
    def facts(self) -> ObjectFacts | None:
        """What the object has, None where nobody had to know."""
        return self.blueprint.facts

    @property
    def program(self) -> Program:
        """The program that runs for each packet."""
        return self.loaded.program

    @property
    def maps(self) -> Mapping[str, BpfMap]:
        """The maps of the code by the names the code gives them."""
        return self.loaded.maps

    @property
    def pinned(self) -> dict[str, int]:
        """The descriptors of the maps that the code wants pinned by name."""
        return maps_tagged(self.loaded, PIN_BY_NAME)

    @cached_property
    def btf(self) -> Btf:
        """The types of the object, as the kernel accepted them."""
        return Btf.parse(self.loaded.btf)

    def anomalies(self) -> int:
        """Packets for which the handler returned neither RX_OK nor RX_DROP; they were let pass."""
        counter = self.maps.get(ANOMALIES_MAP)
        values = counter.lookup(bytes(4)) if counter else None
        return sum(memoryview(values).cast("Q")) if values else 0

    def close(self) -> None:
        """Give the program and the maps back; what is still attached keeps running. Twice is harmless."""
        self.loaded.close()

    def __enter__(self) -> LoadedPath:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

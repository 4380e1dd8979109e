"""From the code of one path to a program that is in the kernel, not yet on any hook.

Code comes in three spellings (C in the dialect, C as it is written for libbpf, an object) and is one thing from the
object on: one program of it is chosen, its constants and the sizes of its maps are set, it is loaded, and its maps get
their first entries.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from dynmon.bpf import (
    BpfMap,
    LoadedObject,
    Loader,
    LoadRequest,
    ObjectFacts,
    OpenError,
    Program,
    ProgramType,
)
from dynmon.bpf.pins import PIN_BY_NAME
from dynmon.bpf.program import Runs
from dynmon.btf import Btf
from dynmon.compiler import Artifact, Compiler, Spelling
from dynmon.dataplane.constants import READ_ONLY, encode_constants
from dynmon.dataplane.initial_entries import tail_calls_of, write_entries
from dynmon.dataplane.log import LOG_MAP, LogTarget
from dynmon.dataplane.map_memory import check_copies
from dynmon.dataplane.passivity import PassivityUnknown
from dynmon.dataplane.programs import choose_program
from dynmon.dataplane.shared_maps import PublicMaps, explain_undefined, maps_tagged
from dynmon.errors import Diagnostic
from dynmon.models import Direction, Hook, LogLevel, PathConfig
from dynmon.settings import DEFAULT_PIN_ROOTS, MapLimits

ANOMALIES_MAP = "dynmon_anomalies"
PROGRAM_TYPES = {Hook.TC: ProgramType.SCHED_CLS, Hook.XDP: ProgramType.XDP}


@dataclass(frozen=True, slots=True)
class Placement:
    """Whose code it is and where it will run: what the code can ask about itself; and whether it may only look."""

    cube_id: int
    direction: Direction
    hook: Hook
    loglevel: LogLevel
    passive: bool = False

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
class Found:
    """Whose code it is, and maps that it finds when it is loaded, by the names it gives them: descriptors.

    `offers` are what its ``extern`` declarations may refer to, before what is public; `pinned` what the cube keeps for
    code that declares a map of that name as pinned by name; `kept` take the place of maps of its own.
    """

    cube: str = ""
    offers: Mapping[str, int] = field(default_factory=dict)
    pinned: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)


NOTHING = Found()
NO_TWIN = "read {largest!r} without swap-on-read and empty-on-read, or give it fewer entries"
NO_MAPS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Foundry:
    """What it takes to make code run: one compiler, one loader, one log, one set of public maps for the daemon."""

    compiler: Compiler
    loader: Loader
    log: LogTarget
    public_maps: PublicMaps
    map_limits: MapLimits
    pin_roots: tuple[Path, ...] = DEFAULT_PIN_ROOTS

    def build(
        self, config: PathConfig, placement: Placement, found: Found = NOTHING, *, verbose: bool = False
    ) -> LoadedPath:
        """Compile and load; with `verbose` the verifier tells what it did, and the facts of the object are there.

        Raises:
            InjectionError: The code does not compile, does not load or is refused by the verifier.
        """
        artifact = self.compile(config, placement)
        with _explained_by(artifact.warnings), self.public_maps.lent(found.cube) as lent:
            blueprint = self._plan(artifact, config, placement, verbose=verbose)
            with _explained_by_maps(found.offers, lent.owners):
                loaded = self._load(
                    config,
                    blueprint,
                    placement,
                    found.kept,
                    {**lent.offers, **found.offers},
                    found.pinned,
                    lent.takeovers,
                    verbose=verbose,
                )
        path = LoadedPath(config, placement, blueprint, loaded)
        # What goes on in a map that was there before is not to be overwritten.
        there = {*found.kept, *(name for name, number in lent.numbers.items() if _is(loaded, name, number))}
        entries = {name: each for name, each in (config.initial_entries or {}).items() if name not in there}
        try:
            write_entries(entries, loaded, path.btf, placement.direction)
        except BaseException:
            path.close()
            raise
        return path

    def compile(self, config: PathConfig, placement: Placement) -> Artifact:
        """The object of a path; what was compiled before is found again.

        Raises:
            InjectionError: The code does not compile, or nobody could show that it is passive.
        """
        if (given := config.object_bytes) is not None:
            artifact = Artifact(given, None, cached=False, warnings=(), spelling=Spelling.OBJECT)
        else:
            assert config.code is not None, "a path has code or an object"
            artifact = self.compiler.compile(
                config.code, placement.direction, placement.hook, passive=placement.passive
            )
        if placement.passive and not artifact.proof:
            raise PassivityUnknown(placement.direction, artifact.spelling)
        return artifact

    def add_twin(self, path: LoadedPath, swapping: Collection[str], found: Mapping[str, int]) -> None:
        """Load the object of `path` a second time: on its very maps, but for those `swapping` with others.

        These are `found`, where there is one of the name, and otherwise made.

        Raises:
            LoadError: With a second copy of the maps that swap it would take too much memory.
            InjectionError: The kernel refused what it took before, for want of memory for instance.
        """
        fresh = [name for name in swapping if name not in found]
        check_copies(path, fresh, self.map_limits.total_bytes, "maps that swap, {names}, are made twice", NO_TWIN)
        shared = {name: each for name, each in path.descriptors().items() if name not in swapping}
        reuse = {**shared, **found}
        path.idle = self._load(path.config, path.blueprint, path.placement, reuse, reuse)
        path.swapping = frozenset(swapping)

    def rebuild(
        self,
        path: LoadedPath,
        placement: Placement,
        replacements: Mapping[str, int] | None = None,
        *,
        without: Collection[str] = (),
    ) -> LoadedPath:
        """Load the same object again with other constants, on the very maps that `path` counts in; without a twin.

        `replacements` take the place of some of them, and others are made for those `without` one.

        Raises:
            InjectionError: The kernel refused what it took before, for want of memory for instance, or a replacement
                has keys or values of another size.
        """
        shared = {name: each for name, each in path.descriptors().items() if name not in without}
        maps = {**shared, **(replacements or {})}
        loaded = self._load(path.config, path.blueprint, placement, maps, maps)
        return LoadedPath(path.config, placement, path.blueprint, loaded)

    def _plan(self, artifact: Artifact, config: PathConfig, placement: Placement, *, verbose: bool) -> Blueprint:
        variables = [metric.variable for metric in config.metric_configs if metric.variable]
        needs_facts = config.constants or config.initial_entries or variables or verbose
        if artifact.program and not needs_facts:
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

    def _load(
        self,
        config: PathConfig,
        blueprint: Blueprint,
        placement: Placement,
        reuse: Mapping[str, int],
        offers: Mapping[str, int],
        pinned: Mapping[str, int] = NO_MAPS,
        public: Mapping[str, int] = NO_MAPS,
        *,
        verbose: bool = False,
    ) -> LoadedObject:
        return self.loader.load(
            LoadRequest(
                object=blueprint.artifact.object,
                program=blueprint.program,
                program_type=PROGRAM_TYPES[placement.hook],
                proof=blueprint.artifact.proof,
                file=placement.direction.value,
                source=config.code or "",
                constants={**placement.constants(), **blueprint.constants},
                sizes=config.map_sizes or {},
                wanted=blueprint.wanted,
                tail_calls=blueprint.tail_calls,
                reuse={**reuse, LOG_MAP: self.log.map_fd},
                offers=offers,
                pinned=pinned,
                public=public,
                pin_roots=tuple(map(str, self.pin_roots)),
                memory_bytes=self.map_limits.total_bytes,
                verbose=verbose,
            )
        )


def _is(loaded: LoadedObject, name: str, number: int) -> bool:
    return name in loaded.maps and loaded.maps[name].info.id == number


@contextmanager
def _explained_by(warnings: tuple[Diagnostic, ...]) -> Iterator[None]:
    """Where an object has no lines, clang may have seen it coming: a function that is nowhere, for instance."""
    try:
        yield
    except OpenError as error:
        error.diagnostics = error.diagnostics or warnings
        raise


@contextmanager
def _explained_by_maps(shared: Mapping[str, int], public: Mapping[str, str]) -> Iterator[None]:
    """Whoever refers to a map that is not there wants to know which ones are."""
    try:
        yield
    except OpenError as error:
        if error.undefined:
            raise explain_undefined(error, shared, public) from error
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
    """One direction's program and maps in the kernel, and what they were made from.

    Where maps are read by swapping there are two copies of the program, and of these maps: `loaded` is the active one,
    at the hook, `idle` the other. All other maps are one and the same to both.

    Where maps are split per interface, `split`, what runs at each interface is a load of its own, see `lanes`. The
    path itself runs nowhere then, and these maps of it stay empty.
    """

    def __init__(self, config: PathConfig, placement: Placement, blueprint: Blueprint, loaded: LoadedObject) -> None:
        self.config = config
        self.placement = placement
        self.blueprint = blueprint
        self.loaded = loaded
        self.idle: LoadedObject | None = None
        self.swapping: frozenset[str] = frozenset()
        self.split: frozenset[str] = frozenset()

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
        """The maps that the program counts in, by the names the code gives them."""
        return self.loaded.maps

    def runs(self) -> Runs:
        """How often the program ran, in both of its copies: while the kernel timed programs."""
        return sum((each.program.runs() for each in (self.loaded, self.idle) if each), Runs())

    def flip(self) -> None:
        """Let the idle copy be the active one from now on; telling the hook is the caller's."""
        assert self.idle, "there is no copy to change places with"
        self.loaded, self.idle = self.idle, self.loaded

    def descriptors(self) -> dict[str, int]:
        """The maps that another load of the code may take over.

        Without constants, and without prog arrays: the programs in them belong to the copy that they were loaded with.
        """
        anew = self.blueprint.made_anew
        return {name: each.fd for name, each in self.maps.items() if name not in anew and READ_ONLY not in name}

    def idle_descriptors(self) -> dict[str, int]:
        """The maps that swap, as the idle copy has them."""
        return {name: self.idle.maps[name].fd for name in self.swapping} if self.idle else {}

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
        return self._verdicts(0)

    def withheld_drops(self) -> int:
        """Packets for which the handler of a passive cube returned RX_DROP; they were let pass."""
        return self._verdicts(1) if self.placement.passive else 0

    def _verdicts(self, kind: int) -> int:
        counter = self.maps.get(ANOMALIES_MAP)
        values = counter.lookup(kind.to_bytes(4, sys.byteorder)) if counter else None
        return sum(memoryview(values).cast("Q")) if values else 0

    def close(self) -> None:
        """Give the programs and the maps back; what is still attached keeps running. Twice is harmless."""
        self.loaded.close()
        if self.idle:
            self.idle.close()

    def __enter__(self) -> LoadedPath:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

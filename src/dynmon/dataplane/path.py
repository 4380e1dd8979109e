"""From the code of one path to a program that is in the kernel, not yet on any hook."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dynmon.bpf import BpfMap, LoadedObject, Loader, LoadRequest, Program, ProgramType
from dynmon.btf import Btf
from dynmon.compiler import Artifact, Compiler
from dynmon.dataplane.log import LOG_MAP, ProgramLog
from dynmon.dataplane.shared_maps import PublicMaps
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
class Foundry:
    """What it takes to make code run: one compiler, one loader, one log, one set of public maps for the daemon."""

    compiler: Compiler
    loader: Loader
    log: ProgramLog
    public_maps: PublicMaps
    map_limits: MapLimits

    def build(self, config: PathConfig, placement: Placement, offers: Mapping[str, int]) -> LoadedPath:
        """Compile and load; `offers` are maps of the cube's other path, before those that are public.

        Raises:
            InjectionError: The code does not compile, does not load or is refused by the verifier.
        """
        artifact = self.compiler.compile(config.code, placement.direction, placement.hook)
        loaded = self._load(config, artifact, placement, {}, {**self.public_maps.offers(), **offers})
        return LoadedPath(config, placement, artifact, loaded)

    def rebuild(
        self, path: LoadedPath, placement: Placement, replacements: Mapping[str, int] | None = None
    ) -> LoadedPath:
        """Load the same object again with other constants, on the very maps that `path` counts in.

        `replacements` take the place of those among them that the code calls ``extern``.

        Raises:
            InjectionError: The kernel refused what it took before, for want of memory for instance, or a replacement
                has keys or values of another size.
        """
        kept = {name: bpf_map.fd for name, bpf_map in path.maps.items() if ".rodata" not in name}
        kept |= replacements or {}
        loaded = self._load(path.config, path.artifact, placement, kept, kept)
        return LoadedPath(path.config, placement, path.artifact, loaded)

    def _load(
        self,
        config: PathConfig,
        artifact: Artifact,
        placement: Placement,
        reuse: Mapping[str, int],
        offers: Mapping[str, int],
    ) -> LoadedObject:
        return self.loader.load(
            LoadRequest(
                object=artifact.object,
                program=artifact.program,
                program_type=PROGRAM_TYPES[placement.hook],
                file=placement.direction.value,
                source=config.code,
                constants=placement.constants(),
                reuse={**reuse, LOG_MAP: self.log.map_fd},
                offers=offers,
                memory_bytes=self.map_limits.total_bytes,
            )
        )


class LoadedPath:
    """One direction's program and maps in the kernel, and what they were made from."""

    def __init__(self, config: PathConfig, placement: Placement, artifact: Artifact, loaded: LoadedObject) -> None:
        self.config = config
        self.placement = placement
        self.artifact = artifact
        self.loaded = loaded

    @property
    def program(self) -> Program:
        """The program that runs for each packet."""
        return self.loaded.program

    @property
    def maps(self) -> Mapping[str, BpfMap]:
        """The maps of the code by the names the code gives them."""
        return self.loaded.maps

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

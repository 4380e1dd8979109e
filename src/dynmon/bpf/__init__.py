"""The kernel's BPF: load objects, own programs, maps and links.

Names are imported when they are first used: the loader's process needs none of them, and none of numpy and pydantic
that come with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynmon.bpf.clsact import attach_clsact
    from dynmon.bpf.errors import (
        BatchTooSmall,
        HookFull,
        InterfaceBusy,
        LoaderDied,
        LoadError,
        ModeUnsupported,
        NotPassive,
        OpenError,
        VerifierError,
    )
    from dynmon.bpf.facts import DeclaredMap, ObjectFacts, ProgramFacts, Verification
    from dynmon.bpf.features import Features, kernel_features
    from dynmon.bpf.grace import GracePeriod
    from dynmon.bpf.kinds import MapInfo, MapType, ProgramType
    from dynmon.bpf.link import BpfLink, Link, attach_tcx, attach_xdp, xdp_program_id
    from dynmon.bpf.loader import LoadedObject, Loader, LoadRequest
    from dynmon.bpf.map import BpfMap
    from dynmon.bpf.memory import map_memory, possible_cpus
    from dynmon.bpf.perfbuf import PerfBuffer
    from dynmon.bpf.program import Program, TestRun
    from dynmon.bpf.ringbuf import RingBuffer
    from dynmon.bpf.tc import attach_tc

HOMES = {
    "clsact": ("attach_clsact",),
    "errors": (
        "BatchTooSmall",
        "HookFull",
        "InterfaceBusy",
        "LoadError",
        "LoaderDied",
        "ModeUnsupported",
        "NotPassive",
        "OpenError",
        "VerifierError",
    ),
    "facts": ("DeclaredMap", "ObjectFacts", "ProgramFacts", "Verification"),
    "features": ("Features", "kernel_features"),
    "grace": ("GracePeriod",),
    "kinds": ("MapInfo", "MapType", "ProgramType"),
    "link": ("BpfLink", "Link", "attach_tcx", "attach_xdp", "xdp_program_id"),
    "loader": ("LoadRequest", "LoadedObject", "Loader"),
    "map": ("BpfMap",),
    "memory": ("map_memory", "possible_cpus"),
    "perfbuf": ("PerfBuffer",),
    "program": ("Program", "TestRun"),
    "ringbuf": ("RingBuffer",),
    "tc": ("attach_tc",),
}
_HOME = {name: home for home, names in HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of the imports above
    "attach_clsact",
    "BatchTooSmall",
    "HookFull",
    "InterfaceBusy",
    "LoaderDied",
    "LoadError",
    "ModeUnsupported",
    "NotPassive",
    "OpenError",
    "VerifierError",
    "DeclaredMap",
    "ObjectFacts",
    "ProgramFacts",
    "Verification",
    "Features",
    "kernel_features",
    "GracePeriod",
    "MapInfo",
    "MapType",
    "ProgramType",
    "BpfLink",
    "Link",
    "attach_tcx",
    "attach_xdp",
    "xdp_program_id",
    "LoadedObject",
    "Loader",
    "LoadRequest",
    "BpfMap",
    "map_memory",
    "possible_cpus",
    "PerfBuffer",
    "Program",
    "TestRun",
    "RingBuffer",
    "attach_tc",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'dynmon.bpf' has no attribute {name!r}")
    value = getattr(import_module(f"dynmon.bpf.{home}"), name)
    globals()[name] = value
    return value

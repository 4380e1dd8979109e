"""Named cubes and their life."""

from dynmon.bpf.occupants import Occupant
from dynmon.cubes.dynmon import DynmonCube
from dynmon.cubes.errors import (
    AlreadyAttached,
    CubeExists,
    CubeNotFound,
    MetricNotFound,
    NotAttached,
)
from dynmon.cubes.registry import CubeRegistry
from dynmon.dataplane.hook_map import HookEntry

__all__ = [
    "AlreadyAttached",
    "CubeExists",
    "CubeNotFound",
    "CubeRegistry",
    "DynmonCube",
    "HookEntry",
    "MetricNotFound",
    "NotAttached",
    "Occupant",
]

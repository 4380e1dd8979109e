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
from dynmon.cubes.registry import Cube, CubeRegistry
from dynmon.cubes.simplebridge import SimpleBridge
from dynmon.dataplane.hook_map import HookEntry

__all__ = [
    "AlreadyAttached",
    "Cube",
    "CubeExists",
    "CubeNotFound",
    "CubeRegistry",
    "DynmonCube",
    "HookEntry",
    "MetricNotFound",
    "NotAttached",
    "Occupant",
    "SimpleBridge",
]

"""Code that runs in the kernel for one cube: built, replaced without losing a packet, attached in order."""

from dynmon.dataplane.attachment import Attachment
from dynmon.dataplane.chain import AttachPoint, Chain, NotOnChain
from dynmon.dataplane.dataplane import Dataplane
from dynmon.dataplane.lanes import Departed
from dynmon.dataplane.log import ProgramLog
from dynmon.dataplane.path import Found, Foundry, LoadedPath, Placement
from dynmon.dataplane.shared_maps import EXTERN, PUBLIC, SHARED, PublicMaps, maps_tagged
from dynmon.dataplane.sharing_errors import MapAlreadyPublic

__all__ = [
    "EXTERN",
    "PUBLIC",
    "SHARED",
    "AttachPoint",
    "Attachment",
    "Chain",
    "Dataplane",
    "Departed",
    "Found",
    "Foundry",
    "LoadedPath",
    "MapAlreadyPublic",
    "NotOnChain",
    "Placement",
    "ProgramLog",
    "PublicMaps",
    "maps_tagged",
]

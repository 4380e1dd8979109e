"""The body that creates a cube."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from dynmon.errors import InvalidInputError
from dynmon.models.base import CubeType, Document, LogLevel
from dynmon.models.dataplane import DataplaneConfig

CUBE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# A cube is addressed as /polycube/v1/NAME/…, so it cannot be called like what lives there.
RESERVED_CUBE_NAMES = frozenset(
    {
        "attach",
        "detach",
        "connect",
        "disconnect",
        "services",
        "cubes",
        "netdevs",
        "topology",
        "version",
        "metrics",
    }
    | {"dynmon", "simplebridge", "add", "del", "show", "set"}
)


class InvalidCubeName(InvalidInputError):
    """A name that cannot be part of a URL, a command line and a pin."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"cube name {name!r} {reason}")
        self.name = name


def check_cube_name(name: str) -> str:
    """Return `name` when a cube may have it.

    Raises:
        InvalidCubeName: It is reserved, or has a character outside letters, digits, ``_``, ``.`` and ``-``.
    """
    if not CUBE_NAME.fullmatch(name):
        raise InvalidCubeName(name, "must be 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit")
    if name in RESERVED_CUBE_NAMES:
        raise InvalidCubeName(name, "is reserved: it is a word of the API")
    return name


def _is_dynmon(service_name: str) -> str:
    if service_name != "dynmon":
        raise ValueError(f"must be 'dynmon', not {service_name!r}")
    return service_name


class CubeConfig(Document):
    """A dynmon cube as it is asked for; every part is optional.

    A `passive` cube can neither drop nor change packets; unless it is said, it is what the daemon's cubes are.
    """

    name: str | None = None
    service_name: Annotated[str, AfterValidator(_is_dynmon)] = "dynmon"
    type: CubeType = CubeType.TC
    loglevel: LogLevel = LogLevel.INFO
    passive: bool | None = None
    dataplane_config: DataplaneConfig = DataplaneConfig()

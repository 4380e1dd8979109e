"""Dynmon: ask a new question of live traffic, without restarting anything."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .monitor import Monitor

__all__ = ["Monitor", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the library when it is used: it takes half a second, and the command line must start at once."""
    if name != "Monitor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .monitor import Monitor

    return Monitor

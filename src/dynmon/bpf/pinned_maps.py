"""Take over a map that somebody else has pinned, where the daemon was told that it may.

The path comes out of a stranger's object. It is followed once: what it led to is held, judged by where that really is,
and opened by what is held; so nobody can change a link on the way between the look and the use.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dynmon.bpf import _syscall
from dynmon.bpf.bpffs import is_on_bpffs
from dynmon.bpf.refusals import Refusal

IS_A_MAP = "anon_inode:bpf-map"


def pinned_map(name: str, path: str, roots: Iterable[str]) -> int:
    """The map that is pinned at `path`, for the map of the code that is called `name`; gives a descriptor.

    Raises:
        Refusal: There is none, or `path` leads to no place below one of the `roots`.
    """
    allowed = [os.path.realpath(root) for root in roots]
    below = " or ".join(allowed) or "any folder"
    try:
        # Before anything is opened: who asks must not learn what there is elsewhere.
        if not _is_below(allowed, Path(os.path.realpath(path))):
            raise _NotAllowed(name, path, below)
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not _is_below(allowed, _door(held).readlink()):
                raise _NotAllowed(name, path, below)
            return _open(name, path, held)
        finally:
            os.close(held)
    except (OSError, ValueError) as error:
        raise Refusal(
            "open", f"map not found: {name!r} should be pinned at {path!r}, on a BPF filesystem below {below}"
        ) from error


class _NotAllowed(Refusal):
    """Where a map is to be found, no map is taken from."""

    def __init__(self, name: str, path: str, below: str) -> None:
        super().__init__(
            "open",
            f"map {name!r} is to be found at {path!r}, which is not below {below}",
            "maps are taken from there only; the daemon's option --pin-root names other folders",
        )


def _is_below(allowed: Iterable[str], place: Path) -> bool:
    return any(place.is_relative_to(root) for root in allowed)


def _open(name: str, path: str, held: int) -> int:
    if not is_on_bpffs(os.fstat(held)):
        raise ValueError("no pin can be here")
    descriptor = _syscall.object_get(str(_door(held)))
    if str(_door(descriptor).readlink()) != IS_A_MAP:
        os.close(descriptor)
        raise Refusal("open", f"map {name!r} is to be found at {path!r}, but what is pinned there is no map")
    return descriptor


def _door(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")

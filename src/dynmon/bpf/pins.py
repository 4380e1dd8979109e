"""Maps that are pinned by name: in a folder for each owner, below the daemon's own on a BPF filesystem.

libbpf would pin them into /sys/fs/bpf itself, where the next object with a map of that name takes them over, whoever
it belongs to. Here an owner has a folder of its own, and what is in there goes when the owner goes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

from dynmon.bpf import _syscall
from dynmon.bpf.bpffs import is_on_bpffs
from dynmon.errors import InjectionError

PIN_BY_NAME = "dynmon:pin-by-name"
MAP_NAME = re.compile(r"[A-Za-z0-9_.]{1,128}")
NOT_BPFFS = (errno.EPERM, errno.EINVAL, errno.EROFS, errno.EACCES, errno.ENOENT)


class CannotPin(InjectionError):
    """A map that is to be pinned by name cannot be."""

    stage: ClassVar[str] = "load"

    def __init__(self, map_name: str, path: Path, reason: str, hint: str = "") -> None:
        super().__init__(f"pin map {map_name!r} at {str(path)!r}: {reason}", message=reason, hint=hint)
        self.map_name = map_name

    def fields(self) -> Mapping[str, Any]:
        return {**super().fields(), "map": self.map_name}


class PinFolder:
    """The pins of one owner; nothing is made on disk before the first."""

    def __init__(self, root: Path, owner: str) -> None:
        # A BPF filesystem keeps names with a dot to itself; no owner's name has a tilde.
        self._folder = root / owner.replace(".", "~")
        self._names: set[str] = set()
        self._lock = -1

    def add(self, maps: Mapping[str, int]) -> set[str]:
        """Pin those of `maps` (name to descriptor) that are not yet; their names. All of them or none.

        Raises:
            CannotPin: The folder is not on a BPF filesystem, or the kernel refused.
        """
        fresh = {name: descriptor for name, descriptor in maps.items() if name not in self._names}
        with ExitStack() as undo:
            undo.callback(self.remove, ())  # at least the folder
            for name, descriptor in fresh.items():
                self._pin(name, descriptor)
                undo.callback(self.remove, [name])
            undo.pop_all()
        return set(fresh)

    def remove(self, names: Iterable[str]) -> None:
        """Take pins away, and the folder with the last."""
        for name in set(names) & self._names:
            self._names.discard(name)
            with suppress(FileNotFoundError):
                self._path(name).unlink()
        if not self._names and self._lock >= 0:
            with suppress(OSError):
                self._folder.rmdir()
            os.close(self._lock)
            self._lock = -1

    def keep_only(self, names: Iterable[str]) -> None:
        """Take all other pins away."""
        self.remove(self._names - set(names))

    def adopt(self) -> None:
        """Own what is in the folder already.

        Raises:
            OSError: Somebody else holds it, or it is not there.
        """
        self._take()
        self._names = {path.name for path in self._folder.iterdir()}

    def _pin(self, name: str, descriptor: int) -> None:
        path = self._path(name)
        if not MAP_NAME.fullmatch(name):  # the kernel sees only its first 15 characters
            raise CannotPin(name, self._folder, "only letters, digits, '_' and '.' can be the name of a pin")
        try:
            self._take()
            with suppress(FileNotFoundError):
                path.unlink()  # left by somebody who was killed
            _syscall.object_pin(descriptor, os.fspath(path))
        except BlockingIOError as error:
            hint = "give each daemon a --bpffs-dir of its own"
            raise CannotPin(name, path, "another daemon uses the folder", hint) from error
        except OSError as error:
            hint = "the folder must be on a BPF filesystem: mount -t bpf bpf /sys/fs/bpf"
            raise CannotPin(name, path, str(error.strerror), hint if error.errno in NOT_BPFFS else "") from error
        self._names.add(name)

    def _take(self) -> None:
        """Make the folder and hold it: two owners in one would take each other's pins away."""
        if self._lock >= 0:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # What is elsewhere are no pins, and not ours to remove: an option may name any folder.
            if not is_on_bpffs(os.fstat(lock)):
                with suppress(OSError):  # there is something in it
                    self._folder.rmdir()
                raise OSError(errno.EINVAL, "it is not on a BPF filesystem")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def _path(self, name: str) -> Path:
        return self._folder / name.replace(".", "~")


def remove_leftovers(root: Path) -> None:
    """Unpin what owners that were killed have left below `root`; folders that are held stay."""
    for folder in root.glob("*/"):
        leftover = PinFolder(root, folder.name)
        with suppress(OSError):
            leftover.adopt()
            leftover.keep_only(())

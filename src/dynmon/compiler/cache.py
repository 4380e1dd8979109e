"""Compiled objects on disk, by a digest of everything that went into them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from dataclasses import asdict
from pathlib import Path

from dynmon.errors import Diagnostic

MAX_BYTES = 256 << 20
SUFFIX = ".object"
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class ObjectCache:
    """A folder of objects; the least recently used ones go when it grows over its bound.

    Several processes may share it. An entry is a line of JSON (the digest of the object, its warnings) and the object;
    one that was damaged, or that somebody else has put there or could change, counts as absent: what is in it runs in
    the kernel, and in the daemon itself.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self.make_folder()

    def make_folder(self) -> None:
        """Make the folder where it is not there (any more).

        Raises:
            PermissionError: It belongs to somebody else.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_uid != os.geteuid():
            raise PermissionError(
                errno.EPERM, "this folder of compiled code belongs to another user", str(self._folder)
            )
        self._folder.chmod(0o700)

    def get(self, key: str) -> tuple[bytes, tuple[Diagnostic, ...]] | None:
        """The object and its warnings; None when they are not here or not whole."""
        path = self._folder / (key + SUFFIX)
        try:
            header, _, code = _own_bytes(path).partition(b"\n")
            facts = json.loads(header)
            if facts["sha256"] != hashlib.sha256(code).hexdigest():
                raise ValueError("damaged")
            warnings = tuple(Diagnostic(**warning) for warning in facts["warnings"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return code, warnings

    def put(self, key: str, code: bytes, warnings: tuple[Diagnostic, ...]) -> None:
        """Keep an object; a full disk costs only the next compilation."""
        facts = {"sha256": hashlib.sha256(code).hexdigest(), "warnings": [asdict(item) for item in warnings]}
        with contextlib.suppress(OSError):
            self.make_folder()
            descriptor, name = tempfile.mkstemp(prefix=".object-", dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(json.dumps(facts).encode() + b"\n" + code)
                Path(name).rename(self._folder / (key + SUFFIX))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._prune()

    def _prune(self) -> None:
        entries = []
        for path in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                entries.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _own_bytes(path: Path) -> bytes:
    """What is in a file that nobody but this user can write.

    Raises:
        PermissionError: Somebody else can.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & WRITABLE_BY_OTHERS:
            raise PermissionError(errno.EPERM, "others can change this compiled code", str(path))
        return file.read()

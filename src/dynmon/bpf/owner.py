"""What holds descriptors or a process: closed by the one that owns it, at the end of a `with` at the latest."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Self


class Owner(ABC):
    """A context manager that closes itself; `close` is harmless when it was called before."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FdOwner(Owner):
    """Owns the descriptor `fd` of something in the kernel that lives on while others use it."""

    fd: int

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

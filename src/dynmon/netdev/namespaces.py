"""Do something in another network namespace, without keeping that namespace alive.

What we want: programs on interfaces of containers. To the kernel, an interface's number means the one in the network
namespace of the thread that asks, so asking takes a thread that has gone there. A thread that came back might have
failed to, and whoever ran in it next would be in the wrong network: each errand has a thread of its own, which ends.

A namespace lives as long as somebody uses it: a process, a mount, a descriptor, a socket. A descriptor of ours would
keep the interfaces of a removed container alive, with their addresses in use and their peers in place, for as long as
a monitor is attached. So nobody here holds one between two errands. What is remembered is how the namespace was called
and its cookie, a number that the kernel never gives to another one. For the next errand the name is looked up again.
Where it is gone or means another namespace by now, we look at the other names, and at the processes: the namespace of a
running container has at least one.

A link of tcx or XDP needs none of this once it is made: it is at its interface, keeps no namespace alive, is updated
and detached from anywhere, and says when the interface is gone. A clsact filter takes an errand each time.

What remains: a namespace that only a descriptor, or a mount out of our sight, keeps alive counts as gone for clsact. A
network card that the kernel takes home when its namespace ends is shown where it was.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from dynmon.errors import KernelError, NotFoundError, UnsupportedError

CLONE_NEWNET = 0x40000000
SO_NETNS_COOKIE = 71
FOLDERS = (Path("/run/netns"), Path("/var/run/netns"))
SHOWN = 5
NO_NAMESPACE = (errno.ENOENT, errno.ESRCH, errno.ENOTDIR, errno.EINVAL)  # EINVAL: a file that is something else

P = ParamSpec("P")
T = TypeVar("T")

_setns = ctypes.CDLL(None, use_errno=True).setns  # os.setns comes with Python 3.12
_setns.argtypes = [ctypes.c_int, ctypes.c_int]


class NamespaceNotFound(NotFoundError):
    """No namespace is called so, or no process has this number."""

    def __init__(self, name: str) -> None:
        kind, _, called = name.partition("/")
        if kind == "pid":
            sentence = f"no process has the number {called}"
        else:
            sentence = f"no network namespace is called {called!r}; there are: {some(_names())}"
        super().__init__(f"{name}: {sentence}")
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"namespace": self.name}


class NamespaceForbidden(UnsupportedError):
    """The daemon may not go into the namespace."""

    def __init__(self, name: str) -> None:
        needed = "CAP_SYS_ADMIN and CAP_SYS_PTRACE" if name.startswith("pid/") else "CAP_SYS_ADMIN"
        super().__init__(f"{name}: the kernel does not let us into this namespace; it takes {needed}")
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"namespace": self.name}


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace as it was when we looked; equal to another when both are the same one, however called."""

    name: str = field(compare=False)
    inode: int
    # Zero on kernels before 5.14 (e8b9eab99232 "net: retrieve netns cookie via getsocketopt"). There, a namespace that
    # got the number of a deleted one is taken for it.
    cookie: int

    @classmethod
    def find(cls, name: str) -> Namespace | None:
        """The namespace ``netns/NAME`` or ``pid/PID``; None is the one that we are in.

        Raises:
            NamespaceNotFound: There is none.
            NamespaceForbidden: We may not go there.
            KernelError: There is no descriptor or thread left to go there.
        """
        for path in _paths(name):
            try:
                inode = path.stat().st_ino
                if inode == _home_inode():
                    return None
                return cls(name, inode, _errand(path, _cookie))
            except PermissionError as error:
                raise NamespaceForbidden(name) from error
            except OSError as error:
                if error.errno not in NO_NAMESPACE:
                    raise KernelError(f"go into {name}", error) from error
        raise NamespaceNotFound(name)

    def run(self, action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Do something there, in a thread that ends with it.

        Raises:
            OSError: ENODEV when the namespace is gone, which takes its interfaces with it; or what `action` raises.
        """

        def act() -> tuple[T] | None:
            return (action(*arguments, **options),) if _cookie() == self.cookie else None

        for path in self._candidates():
            with suppress(FileNotFoundError, ProcessLookupError):
                if (done := _errand(path, act)) is not None:
                    return done[0]
        raise OSError(errno.ENODEV, "the network namespace is gone")

    def _candidates(self) -> Iterator[Path]:
        """Paths that may be this namespace."""
        for path in _all_paths(self.name):
            with suppress(OSError):
                if path.stat().st_ino == self.inode:
                    yield path


def inside(namespace: Namespace | None, action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Do something in `namespace`, or, where it is None, here.

    Raises:
        OSError: ENODEV when the namespace is gone; or what `action` raises.
    """
    if namespace is None:
        return action(*arguments, **options)
    return namespace.run(action, *arguments, **options)


def some(names: list[str]) -> str:
    """The first of some names, for a sentence."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more


def _errand(path: Path, action: Callable[[], T]) -> T:
    result: Future[T] = Future()

    def go() -> None:
        try:
            if _setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            result.set_result(action())
        except BaseException as error:
            result.set_exception(error)

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        thread = threading.Thread(target=go, name="dynmon-netns")
        thread.start()
        thread.join()
    finally:
        os.close(descriptor)
    return result.result()


def _cookie() -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        try:
            return int.from_bytes(door.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), "little")
        except OSError:
            return 0


def _home_inode() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def _paths(name: str) -> list[Path]:
    kind, _, called = name.partition("/")
    return [Path(f"/proc/{called}/ns/net")] if kind == "pid" else [folder / called for folder in FOLDERS]


def _all_paths(name: str) -> Iterator[Path]:
    yield from _paths(name)
    for folder in FOLDERS:
        yield from folder.glob("*")
    yield from Path("/proc").glob("[0-9]*/ns/net")


def _names() -> list[str]:
    return sorted({path.name for folder in FOLDERS for path in folder.glob("*")})

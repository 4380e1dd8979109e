"""Hear of interfaces that come, change and go in the namespace that we are in."""

from __future__ import annotations

import errno
import os
import select
import socket
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from dynmon.errors import KernelError
from dynmon.netdev.links import NetLink, net_links
from dynmon.netdev.rtnetlink import ROOM, messages

NEW_LINK, DELETED_LINK = 16, 17
GROUP_LINK = 1  # RTMGRP_LINK
SO_RCVBUFFORCE = 33
QUEUE_BYTES = 8 << 20  # room for some thousand events
MOST_AT_ONCE = 1000


@dataclass(slots=True)
class Changes:
    """What has happened: interfaces that went away, as they were last, and those that came or changed."""

    gone: dict[int, NetLink] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)


class LinkWatch:
    """Owns a socket that the kernel tells of interfaces; one thread waits, any may end its waiting."""

    def __init__(self) -> None:
        """Begin to listen, then look: what comes in between is told.

        Raises:
            KernelError: The kernel refused.
        """
        try:
            self._door = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
            )
            with suppress(PermissionError):
                self._door.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES)
            self._door.bind((0, GROUP_LINK))
            self._links = net_links()
            self._has_missed = False
            self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError as error:
            raise KernelError("listen to changes of interfaces", error) from error
        _watches.add(self)

    @property
    def links(self) -> Mapping[int, NetLink]:
        """All interfaces by their number, as of the last change."""
        return self._links

    def wait(self) -> Changes | None:
        """What has happened since the last call, as soon as there is something; None when the waiting was ended.

        Raises:
            OSError: The kernel would not say. The next call makes up for it, when something happens again.
        """
        poll = select.poll()
        for descriptor in (self._door.fileno(), self._end):
            poll.register(descriptor, select.POLLIN)
        if self._end in dict(poll.poll()):
            return None
        changes = Changes()
        if self._has_missed:
            self._look_again(changes)
        with suppress(BlockingIOError):
            for _ in range(MOST_AT_ONCE):
                self._hear(changes)
        return changes

    def end(self) -> None:
        """Let `wait` return None, now and from now on."""
        os.eventfd_write(self._end, 1)

    def close(self) -> None:
        """Listen no more; for the thread that waits."""
        _watches.discard(self)
        self._door.close()
        os.close(self._end)

    def _hear(self, changes: Changes) -> None:
        try:
            data = self._door.recv(ROOM)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._look_again(changes)  # more happened than there was room for
            return
        for kind, body in messages(data):
            if kind in (NEW_LINK, DELETED_LINK) and (link := NetLink.of(body)):
                if kind == DELETED_LINK:
                    self._links.pop(link.index, None)
                    changes.gone[link.index] = link
                    changes.touched.discard(link.index)
                else:
                    self._links[link.index] = link
                    changes.touched.add(link.index)

    def _look_again(self, changes: Changes) -> None:
        self._has_missed = True
        before, self._links = self._links, net_links()
        self._has_missed = False
        changes.gone |= {index: link for index, link in before.items() if index not in self._links}
        changes.touched = set(self._links)


def _after_fork() -> None:
    """The child has the descriptors of a thread that it does not have."""
    for watch in list(_watches):
        watch.close()


_watches: weakref.WeakSet[LinkWatch] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)

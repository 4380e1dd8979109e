"""Take records out of a BPF ring buffer, in the order in which programs put them in."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.bpf.kinds import MapType
from dynmon.bpf.map import BpfMap
from dynmon.bpf.owner import Owner
from dynmon.errors import KernelError

STOP = -1  # from a callback: libbpf returns; the record counts as read


class RingBuffer(Owner):
    """Owns a ring buffer and reads it; `fd` is to be handed to programs, and polls readable when records wait.

    libbpf's consumer, because the positions in shared memory need acquire and release, which Python cannot say.
    Only one thread may drain.
    """

    def __init__(self, bpf_map: BpfMap) -> None:
        self._map = bpf_map
        self._take: Callable[[bytes], bool] = lambda record: False
        self._failure: BaseException | None = None
        self._callback = _libbpf.SampleCallback(self._receive)
        try:
            self._consumer = _libbpf.ring_buffer_new(bpf_map.fd, self._callback, None, None)
        except OSError as error:
            raise KernelError(f"read ring buffer {bpf_map.info.name!r}", error) from error

    @classmethod
    def create(cls, max_bytes: int, name: str) -> RingBuffer:
        """Make one with room for at least `max_bytes`: the kernel wants a power of two and whole pages."""
        size = 1 << (max(max_bytes, mmap.PAGESIZE) - 1).bit_length()
        bpf_map = BpfMap.create(MapType.RINGBUF, 0, 0, size, name=name)
        try:
            return cls(bpf_map)
        except BaseException:
            bpf_map.close()
            raise

    @property
    def fd(self) -> int:
        """The map's descriptor."""
        return self._map.fd

    def drain(self, callback: Callable[[bytes], None], limit: int) -> int:
        """Give `callback` up to `limit` waiting records; returns how many it was given."""
        if limit <= 0 or not self._consumer:
            return 0
        taken = 0

        def take(record: bytes) -> bool:
            nonlocal taken
            taken += 1
            callback(record)
            return taken < limit

        self._take = take
        result = _libbpf.ring_buffer_consume(self._consumer)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if result < 0 and result != STOP:
            raise KernelError(f"read ring buffer {self._map.info.name!r}", OSError(-result, os.strerror(-result)))
        return taken

    def close(self) -> None:
        """Stop reading and let go of the map."""
        if self._consumer:
            _libbpf.ring_buffer_free(self._consumer)
            self._consumer = None
        self._map.close()

    def _receive(self, _context: Any, start: int, size: int) -> int:
        """Called from C: an exception cannot pass, it is kept."""
        try:
            return 0 if self._take(ctypes.string_at(start, size)) else STOP
        except BaseException as error:
            self._failure = error
            return STOP

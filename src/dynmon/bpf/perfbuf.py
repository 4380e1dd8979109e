"""Take records out of a perf event array: a buffer for each CPU, each in the order of its programs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from dynmon.bpf import _libbpf
from dynmon.bpf.map import BpfMap
from dynmon.bpf.owner import Owner
from dynmon.errors import KernelError

PAGES = 64  # for each CPU, a power of two

Sample = Callable[[int, bytes], None]
Lost = Callable[[int, int], None]


class PerfBuffer(Owner):
    """Owns a perf event array and reads it; `fd` polls readable when records wait.

    Programs can put records in from the moment this is made until it is closed; before and after, they get an error and
    nobody counts what they had to say. An array has one reader: a second one takes the place of the first. Only one
    thread may drain.
    """

    def __init__(self, bpf_map: BpfMap, pages: int = PAGES) -> None:
        self._map = bpf_map
        self._sample: Sample = lambda cpu, record: None
        self._lost: Lost = lambda cpu, count: None
        self._failure: BaseException | None = None
        self._callbacks = _libbpf.PerfSampleCallback(self._receive), _libbpf.PerfLostCallback(self._receive_lost)
        try:
            self._consumer = _libbpf.perf_buffer_new(bpf_map.fd, pages, *self._callbacks, None, None)
        except OSError as error:
            raise KernelError(f"read perf event array {bpf_map.info.name!r}", error) from error

    @property
    def fd(self) -> int:
        """What to wait for."""
        return int(_libbpf.perf_buffer_epoll_fd(self._consumer))

    def drain(self, sample: Sample, lost: Lost) -> None:
        """Give `sample` the CPU and the bytes of each record that waits, and `lost` the CPU and how many found no room.

        No more than fits into the buffers: what comes in meanwhile is for the next time. The kernel fills a record up
        so that its bytes and four more are a multiple of eight.
        """
        if not self._consumer:
            return
        self._sample, self._lost = sample, lost
        try:
            _libbpf.perf_buffer_consume(self._consumer)
        except OSError as error:
            raise KernelError(f"read perf event array {self._map.info.name!r}", error) from error
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Stop reading and let go of the map."""
        if self._consumer:
            _libbpf.perf_buffer_free(self._consumer)
            self._consumer = None
        self._map.close()

    def _receive(self, _context: Any, cpu: int, start: int, size: int) -> None:
        """Called from C: an exception cannot pass, it is kept."""
        try:
            self._sample(cpu, ctypes.string_at(start, size))
        except BaseException as error:
            self._failure = error

    def _receive_lost(self, _context: Any, cpu: int, count: int) -> None:
        try:
            self._lost(cpu, count)
        except BaseException as error:
            self._failure = error

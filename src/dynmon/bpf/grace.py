"""Wait until no program runs any more that started before.

A link that was told to run another program does so from the next packet on, but on other CPUs the old one may still be
under way and write to its maps. Networking runs every program inside of an RCU read-side section, so one RCU grace
period is what to wait for. The kernel has no call for just that. It promises it for updates of a map of maps: since
Linux 4.20 these return to user space only when every program sees the new inner map, for which the kernel calls
``synchronize_rcu()`` (``maybe_wait_bpf_programs()`` in kernel/bpf/syscall.c). ``membarrier(MEMBARRIER_CMD_GLOBAL)``
happens to do the same, but promises a memory barrier only, returns at once on a machine with one CPU, and fails where
the kernel runs without ticks (nohz_full).
"""

from __future__ import annotations

import threading

from dynmon.bpf.kinds import MapType
from dynmon.bpf.map import BpfMap
from dynmon.bpf.owner import Owner

WORD_BYTES = 4
ONLY_KEY = bytes(WORD_BYTES)


class GracePeriod(Owner):
    """Owns the map of maps that is updated in order to wait, from the first time on; any number of threads may wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: tuple[BpfMap, BpfMap] | None = None

    def wait(self) -> None:
        """Return when every program that was running at the time of the call has ended.

        Raises:
            KernelError: The kernel would not wait.
        """
        with self._lock:
            outer, inner = self._maps = self._maps or _make()
        outer.update(ONLY_KEY, inner.fd.to_bytes(WORD_BYTES, "little"))

    def close(self) -> None:
        """Let go of the maps; twice is harmless."""
        with self._lock:
            for each in self._maps or ():
                each.close()
            self._maps = None


def _make() -> tuple[BpfMap, BpfMap]:
    inner = BpfMap.create(MapType.ARRAY, WORD_BYTES, WORD_BYTES, 1, name="dynmon_inner")
    try:
        kind = MapType.ARRAY_OF_MAPS
        return BpfMap.create(kind, WORD_BYTES, WORD_BYTES, 1, name="dynmon_grace", inner=inner), inner
    except BaseException:
        inner.close()
        raise

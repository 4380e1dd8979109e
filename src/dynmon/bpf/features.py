"""What this kernel can do, asked of the kernel itself: version numbers lie where features are backported."""

from __future__ import annotations

import errno
import functools
import os
from dataclasses import dataclass, fields, replace

from dynmon.bpf import _syscall
from dynmon.bpf.kinds import MapType, ProgramType

HIDE_VARIABLE = "DYNMON_WITHOUT"

RETURN_ZERO = bytes.fromhex("b7000000000000009500000000000000")
NO_INTERFACE = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Features:
    """Kernel features that we use where they exist."""

    has_tcx: bool  # links at tc (6.6)
    has_batch: bool  # reading maps by the batch (5.6)
    has_ring_buffer: bool  # 5.8

    @classmethod
    def probe(cls) -> Features:
        """Try each."""
        return cls(
            has_tcx=_has_tcx(),
            has_batch=_has_batch(),
            has_ring_buffer=_has_map(MapType.RINGBUF, 0, 0, 4096),
        )

    def without(self, names: str) -> Features:
        """The same with some taken away, named as in ``tcx,batch``."""
        hidden = {f"has_{name.strip().replace('-', '_')}" for name in names.split(",")}
        return replace(self, **{each.name: False for each in fields(self) if each.name in hidden})


def kernel_features() -> Features:
    """What there is, less what the environment's ``DYNMON_WITHOUT=tcx,batch`` hides so that tests see old kernels."""
    return _probed().without(os.environ.get(HIDE_VARIABLE, ""))


@functools.cache
def _probed() -> Features:
    return Features.probe()


def _has_tcx() -> bool:
    """Attach to an interface that cannot exist: a kernel that knows the hook looks for it."""
    try:
        program = _syscall.program_load(ProgramType.SCHED_CLS, RETURN_ZERO)
    except OSError:
        return False
    try:
        os.close(_syscall.link_create(program, NO_INTERFACE, _syscall.TCX_INGRESS, 0))
    except OSError as error:
        return error.errno == errno.ENODEV
    finally:
        os.close(program)
    return True


def _has_batch() -> bool:
    """Read an empty hash: it ends at once where the command exists."""
    try:
        fd = _syscall.map_create(MapType.HASH, 4, 4, 1, 0, "dynmon_probe")
    except OSError:
        return False
    try:
        room = _syscall.buffer(bytes(8))
        address = _syscall.address_of(room)
        _syscall.map_batch(_syscall.MAP_LOOKUP_BATCH, fd, None, address, address + 4, 1, 8)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _has_map(kind: MapType, key_size: int, value_size: int, max_entries: int) -> bool:
    try:
        os.close(_syscall.map_create(kind, key_size, value_size, max_entries, 0, "dynmon_probe"))
    except OSError:
        return False
    return True

"""Let the kernel time programs: how often each runs, and for how long.

It does so for all programs of the machine, and for each run of them: two readings of the clock more. So it is off
unless the administrator says ``kernel.bpf_stats_enabled``, or as long as a descriptor like the one here is open.
"""

from __future__ import annotations

import errno
from pathlib import Path

from dynmon.bpf import _syscall
from dynmon.bpf.owner import FdOwner
from dynmon.errors import KernelError, UnsupportedError

SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")


class TimingForbidden(UnsupportedError):
    """This process may not let the kernel time programs."""

    def __init__(self) -> None:
        super().__init__(
            "cannot let the kernel time programs: that takes CAP_SYS_ADMIN; "
            "an administrator can do it with sysctl kernel.bpf_stats_enabled=1"
        )


class Timing(FdOwner):
    """While it is open, the kernel times programs.

    Raises:
        TimingForbidden: This process may not ask for it.
        KernelError: The kernel refused; before Linux 5.8 it has no such thing.
    """

    def __init__(self) -> None:
        try:
            self.fd = _syscall.enable_stats()
        except OSError as error:
            if error.errno == errno.EPERM:
                raise TimingForbidden from error
            raise KernelError("let the kernel time programs", error) from error


def is_always_timed() -> bool:
    """Whether the administrator lets the kernel time programs."""
    try:
        return SWITCH.read_text().strip() == "1"
    except OSError:
        return False

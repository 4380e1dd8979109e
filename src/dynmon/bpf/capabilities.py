"""What this process must be allowed to do before anything else is worth trying."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynmon.errors import UnsupportedError

# linux/capability.h; either of a pair will do: CAP_BPF is new in Linux 5.8, CAP_SYS_ADMIN was for all of it before.
CAPABILITIES = {"CAP_BPF": (39, 21), "CAP_NET_ADMIN": (12,)}


class NotPermitted(UnsupportedError):
    """This process may not load programs, or not attach them."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"cannot load or attach eBPF programs without {' and '.join(missing)}; run it as root")
        self.missing = missing

    def fields(self) -> Mapping[str, Any]:
        return {"missing": self.missing}


def check_capabilities() -> None:
    """See that this process may load programs and attach them.

    Raises:
        NotPermitted: With what it lacks.
    """
    status = Path("/proc/self/status").read_text()
    effective = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    missing = [name for name, bits in CAPABILITIES.items() if not any(effective >> bit & 1 for bit in bits)]
    if missing:
        raise NotPermitted(missing)

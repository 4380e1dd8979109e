"""Where the daemon listens, keeps its files, and what it allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ADDRESS = "127.0.0.1"
DEFAULT_PORT = 9000
DEFAULT_STATE_DIR = Path("/var/lib/dynmon")
DEFAULT_BPFFS_DIR = Path("/sys/fs/bpf/dynmon")
DEFAULT_PIN_ROOTS = (Path("/sys/fs/bpf"),)


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What one run of the compiler may use."""

    timeout_seconds: float = 20.0
    memory_bytes: int = 2 << 30
    output_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one HTTP request may cost before it is refused."""

    body_bytes: int = 8 << 20
    capture_body_bytes: int = 32 << 20  # of a dry run, of which two may come in at a time
    header_seconds: float = 10.0
    body_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class MapLimits:
    """How much kernel memory the maps of one path may take, by arithmetic before the first map is made.

    Per-CPU maps are not charged to the memory cgroup, so nothing but this stops a request from
    exhausting the host.
    """

    total_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much of the daemon's memory reading may take.

    `read_bytes` is what one read may take out of a map at once. `kept_bytes` is what is kept of one metric between
    reads: totals of maps that are emptied, and what nobody has asked for yet. `series` is how many
    label sets all metrics together may export.
    """

    read_bytes: int = 256 << 20
    kept_bytes: int = 256 << 20
    series: int = 2_000_000


DEFAULT_READ_LIMITS = ReadLimits()
DEFAULT_OTLP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Where metrics are pushed, and how often."""

    endpoint: str
    interval_seconds: int = DEFAULT_OTLP_SECONDS


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of one daemon."""

    address: str = DEFAULT_ADDRESS
    port: int = DEFAULT_PORT
    state_dir: Path = DEFAULT_STATE_DIR
    bpffs_dir: Path = DEFAULT_BPFFS_DIR
    log_level: str = "info"
    clang: str | None = None
    compile_limits: CompileLimits = field(default_factory=CompileLimits)
    request_limits: RequestLimits = field(default_factory=RequestLimits)
    map_limits: MapLimits = field(default_factory=MapLimits)
    read_limits: ReadLimits = DEFAULT_READ_LIMITS
    pin_roots: tuple[Path, ...] = DEFAULT_PIN_ROOTS
    otlp: OtlpSettings | None = None
    passive: bool = False

    @property
    def pins_dir(self) -> Path:
        """A folder for each cube, with the maps that its code pins by name."""
        return self.bpffs_dir / "cubes"

    @property
    def cache_dir(self) -> Path:
        """Compiled objects; safe to delete at any time."""
        return self.state_dir / "cache"

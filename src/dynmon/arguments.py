"""The command line of dynmond → its settings."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dynmon import __version__
from dynmon.settings import (
    DEFAULT_ADDRESS,
    DEFAULT_BPFFS_DIR,
    DEFAULT_OTLP_SECONDS,
    DEFAULT_PIN_ROOTS,
    DEFAULT_PORT,
    DEFAULT_READ_LIMITS,
    DEFAULT_STATE_DIR,
    OtlpSettings,
    ReadLimits,
    Settings,
)

LOG_LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "err": logging.ERROR,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": logging.CRITICAL + 1,
}
MOST_MEBIBYTES = 1 << 20
MOST_SECONDS = 86_400
MOST_SERIES = 1 << 32
OTLP_PATH = "/v1/metrics"


def parse_arguments(arguments: Sequence[str] | None = None) -> Settings:
    """The settings that the command line asks for."""
    options = _parser().parse_args(arguments)
    return Settings(
        address="127.0.0.1" if options.address == "localhost" else options.address,
        port=options.port,
        state_dir=options.state_dir.absolute(),
        bpffs_dir=options.bpffs_dir.absolute(),
        log_level=options.loglevel,
        clang=options.clang,
        pin_roots=tuple(root.absolute() for root in options.pin_root or DEFAULT_PIN_ROOTS),
        read_limits=ReadLimits(options.read_memory << 20, options.kept_memory << 20, options.series_limit),
        otlp=OtlpSettings(options.otlp, options.otlp_interval) if options.otlp else None,
        passive=options.passive,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dynmond", description="Run monitors of live traffic: inject eBPF code over REST, read its maps."
    )
    parser.add_argument("-a", "--address", default=DEFAULT_ADDRESS, help="listen here (default: %(default)s)")
    parser.add_argument("-p", "--port", type=_port, default=DEFAULT_PORT, help="TCP port (default: %(default)s)")
    parser.add_argument(
        "--state-dir", type=Path, default=DEFAULT_STATE_DIR, help="compiled objects and state (default: %(default)s)"
    )
    parser.add_argument(
        "--bpffs-dir",
        type=Path,
        default=DEFAULT_BPFFS_DIR,
        help="where maps that code pins by name appear (default: %(default)s)",
    )
    parser.add_argument(
        "--pin-root",
        type=Path,
        action="append",
        help="code may use maps that are pinned below this folder; repeat for more "
        f"(default: {', '.join(map(str, DEFAULT_PIN_ROOTS))})",
    )
    parser.add_argument(
        "--read-memory",
        type=_number_of("MiB", MOST_MEBIBYTES),
        default=DEFAULT_READ_LIMITS.read_bytes >> 20,
        metavar="MIB",
        help="what one read may take out of a map at once (default: %(default)s)",
    )
    parser.add_argument(
        "--kept-memory",
        type=_number_of("MiB", MOST_MEBIBYTES),
        default=DEFAULT_READ_LIMITS.kept_bytes >> 20,
        metavar="MIB",
        help="what is kept of one metric between reads (default: %(default)s)",
    )
    parser.add_argument(
        "--series-limit",
        type=_number_of("series", MOST_SERIES),
        default=DEFAULT_READ_LIMITS.series,
        metavar="N",
        help="label sets that all metrics together may export (default: %(default)s)",
    )
    parser.add_argument(
        "--otlp",
        type=_endpoint,
        metavar="URL",
        help="push metrics to this OpenTelemetry collector, by OTLP over HTTP, as http://localhost:4318",
    )
    parser.add_argument(
        "--otlp-interval",
        type=_number_of("seconds", MOST_SECONDS),
        default=DEFAULT_OTLP_SECONDS,
        metavar="SECONDS",
        help="how often (default: %(default)s)",
    )
    parser.add_argument(
        "--passive", action="store_true", help="no cube's code may drop or change packets: the kernel has to prove it"
    )
    parser.add_argument(
        "-l", "--loglevel", choices=LOG_LEVELS, default="info", help="what the daemon says (default: %(default)s)"
    )
    parser.add_argument("--clang", help="compile with this one, by name or path (default: $DYNMON_CLANG, else clang)")
    parser.add_argument("-v", "--version", action="version", version=f"dynmond {__version__}")
    return parser


def _number_of(what: str, most: int) -> Callable[[str], int]:
    """What reads a whole number from 1 to `most`."""

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else 0
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a number of {what}: 1 to {most}")
        return number

    return read


def _endpoint(text: str) -> str:
    """The URL, with OTLP's own path where it has none."""
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the URL of a collector; give it as http://localhost:4318")
    return urlunsplit(parts._replace(path=OTLP_PATH)) if parts.path in ("", "/") else text


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to 65535, 0 for any that is free")
    return port

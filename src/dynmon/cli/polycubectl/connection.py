"""A client for the daemon that the settings name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from dynmon.cli.polycubectl.config import Config, ConfigError
from dynmon.errors import InvalidInputError

# httpx brings a command line of its own and imports it, with click and rich, where those are installed. That is more
# than half of the time that a command of ours takes; None makes the import fail, and httpx does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

from dynmon.client import DEFAULT_TIMEOUT_SECONDS, DynmonClient, TlsFiles, normalised_url  # noqa: E402


def connect(
    config: Config,
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> DynmonClient:
    """A client with the address and TLS files of `config`; files that plain http cannot use are mentioned.

    Raises:
        ConfigError: The address or a file cannot be used.
    """
    try:
        return _client(config, timeout_seconds, trace)
    except InvalidInputError as error:
        raise ConfigError(str(error)) from error


def _client(config: Config, timeout_seconds: float, trace: Callable[[str], None] | None) -> DynmonClient:
    url = normalised_url(config.url)
    names = (config.cacert, config.cert, config.key)
    if url.startswith("http:") and any(names):
        print("polycubectl: cacert, cert and key are not used: the URL is not https", file=sys.stderr)
    files = TlsFiles(*(Path(name) if name else None for name in names))
    return DynmonClient(url, tls=files, timeout_seconds=timeout_seconds, trace=trace)

"""A client for the daemon that the settings name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from dynmon.cli.polycubectl.config import Config
from dynmon.client import DEFAULT_TIMEOUT_SECONDS, DynmonClient, TlsFiles, normalised_url


def connect(
    config: Config,
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> DynmonClient:
    """A client with the address and TLS files of `config`; files that plain http cannot use are mentioned.

    Raises:
        InvalidInputError: The address or a file cannot be used.
    """
    url = normalised_url(config.url)
    names = (config.cacert, config.cert, config.key)
    if url.startswith("http:") and any(names):
        print("polycubectl: cacert, cert and key are not used: the URL is not https", file=sys.stderr)
    files = TlsFiles(*(Path(name) if name else None for name in names))
    return DynmonClient(url, tls=files, timeout_seconds=timeout_seconds, trace=trace)

"""`import dynmon` is fast, and `from dynmon import Monitor` works."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dynmon

SLOW = ("numpy", "pydantic", "pandas", "polars", "pyroute2", "dynmon.monitor")


def test_importing_the_package_imports_nothing_slow():
    code = f"import dynmon, sys; print(dynmon.__version__, *(set({SLOW!r}) & set(sys.modules)))"

    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert f"{dynmon.__version__}\n" == outcome.stdout


def test_the_monitor_brings_no_server_and_no_client():
    """A notebook has no use for them, nor for the libraries of data frames before it asks for one."""
    foreign = ("uvicorn", "starlette", "httpx", "pandas", "polars", "rich", "dynmon.api", "dynmon.daemon")
    code = f"import sys; from dynmon import Monitor; print(*(set({foreign!r}) & set(sys.modules)))"

    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert "\n" == outcome.stdout


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'dynmon' has no attribute 'Monitors'"):
        dynmon.Monitors  # noqa: B018

"""The folder that clang runs in: a copy of our own headers, and ways to the kernel's.

The copy is there because the unprivileged user that clang runs as may not be allowed to walk to where this package
is installed, and so that nothing else of that place is in reach.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dynmon.compiler.toolchain import digest_of_files
from dynmon.errors import UnsupportedError

OWN_HEADERS = Path(__file__).parent / "include"
USR_INCLUDE = Path("/usr/include")
# One of the files of each distribution package, to notice an upgrade.
WITNESSES = ("linux/bpf.h", "linux/version.h", "bpf/bpf_helper_defs.h", "bpf/bpf_helpers.h")


class HeadersNotFound(UnsupportedError):
    """The distribution's headers for BPF programs are not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"compile eBPF code: header {name} is missing; install it with: apt-get install libbpf-dev linux-libc-dev"
        )


def system_headers() -> dict[str, Path]:
    """The folders of the host that code may include from, by the name they are included under.

    Raises:
        HeadersNotFound: The packages that they come from are not installed.
    """
    for name in WITNESSES:
        if not (USR_INCLUDE / name).is_file():
            raise HeadersNotFound(name)
    architecture = USR_INCLUDE / f"{platform.machine()}-linux-gnu" / "asm"
    return {
        "linux": USR_INCLUDE / "linux",
        "asm-generic": USR_INCLUDE / "asm-generic",
        "asm": architecture if architecture.is_dir() else USR_INCLUDE / "asm",
        "bpf": USR_INCLUDE / "bpf",
    }


def headers_digest() -> str:
    """Changes with every change of a header that code can include."""
    digest = hashlib.sha256()
    for path in _own_files():
        digest.update(f"{path.relative_to(OWN_HEADERS)}\0".encode() + path.read_bytes() + b"\0")
    digest.update(digest_of_files(USR_INCLUDE / name for name in WITNESSES).encode())
    return digest.hexdigest()


def install_headers(parent: Path, digest: str) -> Path:
    """The folder with the headers of `digest` below `parent`, made when it is not there yet; older ones go then.

    A process that uses one of those notices, and makes its own anew.
    """
    folder = parent / f"headers-{digest[:32]}"
    if folder.is_dir():
        return folder
    unfinished = Path(tempfile.mkdtemp(prefix=".headers-", dir=parent))
    try:
        _fill(unfinished)
        unfinished.rename(folder)
    except OSError:
        # Another thread or daemon was faster; a folder that is not empty cannot be renamed over.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for other in parent.glob("headers-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _own_files() -> Iterator[Path]:
    return (path for path in sorted(OWN_HEADERS.rglob("*.h")) if path.is_file())


def _fill(folder: Path) -> None:
    for path in _own_files():
        copy = folder / "include" / path.relative_to(OWN_HEADERS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    uapi = folder / "sys" / "uapi"
    uapi.mkdir(parents=True)
    for name, target in system_headers().items():
        (folder / "sys" / name).symlink_to(target)
        (uapi / name).symlink_to(target)
    # Whatever the umask: clang runs as somebody else, and reads.
    for path in (folder, *(path for path in folder.rglob("*") if not path.is_symlink())):
        path.chmod(0o755 if path.is_dir() else 0o644)

"""What tests share: waiting, requirements, namespaces joined by veth, raw frames."""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dynmon.bpf.features import kernel_features

REQUIRED = frozenset(filter(None, os.environ.get("DYNMON_TESTS_REQUIRE", "").split(",")))
PROMETHEUS = shutil.which("prometheus", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
ETH_P_ALL = 0x0003
_numbers = itertools.count(os.getpid() % 10_000 * 10_000)  # of one of several processes
_libc = ctypes.CDLL(None, use_errno=True)


def _has_root() -> bool:
    return os.geteuid() == 0


def _has_clang() -> bool:
    return shutil.which(os.environ.get("DYNMON_CLANG") or "clang") is not None


def _since(*version: int) -> Callable[[], bool]:
    return lambda: _has_root() and tuple(map(int, os.uname().release.split(".")[:2])) >= version


def has_tcx() -> bool:
    """Whether this kernel has tcx, and DYNMON_WITHOUT does not hide it."""
    return _has_root() and kernel_features().has_tcx


@functools.cache
def _has_sanitizers() -> bool:
    command = (os.environ.get("DYNMON_CLANG") or "clang", "-fsanitize=address,undefined", "-x", "c", "-o", "/dev/null")
    try:
        built = subprocess.run([*command, "-"], input=b"int main(void) { return 0; }", capture_output=True, check=False)
    except OSError:
        return False
    return not built.returncode


CHECKS: dict[str, tuple[Callable[[], bool], str]] = {
    "kernel": (_has_root, "needs root on a kernel with BPF"),
    "clang": (_has_clang, "needs clang on PATH, or the one that DYNMON_CLANG names"),
    "bpftool": (lambda: shutil.which("bpftool") is not None, "needs bpftool on PATH"),
    "prometheus": (lambda: PROMETHEUS is not None, "needs Debian's prometheus, by scripts/setup dev or on PATH"),
    "tshark": (lambda: shutil.which("tshark") is not None, "needs tshark on PATH"),
    "sanitizers": (_has_sanitizers, "needs clang with its runtime library (apt-get install libclang-rt-14-dev)"),
    "tcx": (has_tcx, "needs tcx: Linux 6.6 or later"),
    "kernel-context": (_since(6, 2), "needs the kernel's own view of a packet, bpf_cast_to_kern_ctx(): Linux 6.2"),
    "lazy-functions": (_since(6, 8), "needs global functions that are checked where they are called: Linux 6.8"),
    "argument-tags": (_since(6, 8), "needs arguments of global functions that are tagged: Linux 6.8"),
}


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip when one of `names` is missing, with a reason that can be checked.

    Names listed in DYNMON_TESTS_REQUIRE are never skipped: there, a missing one lets the test fail.
    """
    missing = [name for name in names if name not in REQUIRED and not CHECKS[name][0]()]
    return pytest.mark.skipif(bool(missing), reason="; ".join(CHECKS[name][1] for name in missing))


def wait_until(condition: Callable[[], object], what: str, timeout_seconds: float = 10.0) -> None:
    """Return as soon as `condition` holds; fail the test when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_seconds} s for {what}")
        time.sleep(0.005)


def eventually(read: Callable[[], object], expected: object) -> None:
    """Assert that `read` comes to give `expected`: a sent packet may still be on its way.

    Not wait_until, which cannot show in what the last reading differs.
    """
    deadline = time.monotonic() + 5
    while (value := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.005)
    assert expected == value, f"{expected} != {value}"


def run(*command: str, check: bool = True, timeout_seconds: float = 60.0, **options: object) -> str:
    """Run a command to its end and return what it printed."""
    result = subprocess.run(command, text=True, capture_output=True, timeout=timeout_seconds, check=False, **options)
    if check and result.returncode:
        pytest.fail(f"{' '.join(command)} exited with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def open_descriptors() -> set[str]:
    """What every descriptor of this process refers to, as ``number -> target`` strings."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} -> {entry.readlink()}")
        except OSError:
            continue
    return found


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def isolate() -> None:
    """Give this thread, and what it starts, namespaces of its own, as scripts/isolated gives them to a command."""
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    for kind, place in (("sysfs", "/sys"), ("bpf", "/sys/fs/bpf"), ("tmpfs", "/run/netns")):
        run("mount", "-t", kind, kind, place)
    run("ip", "link", "set", "lo", "up")


@contextmanager
def network_namespace(path: str) -> Iterator[None]:
    """Run the block's system calls of this thread in the namespace at `path`, and come back."""
    with Path("/proc/thread-self/ns/net").open("rb") as home, Path(path).open("rb") as target:
        _setns(target.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Veth:
    """A pair of interfaces: `host` in the namespace of the test, `peer` in a namespace of its own.

    IPv6 and ARP are off on both, so no packet is on the wire but those that a test sends.
    """

    host: str
    peer: str
    namespace: str

    def send_in(self, *frames: bytes, count: int = 1) -> int:
        """Send `frames` from the peer, `count` times: they are received (ingress) on the host's side."""
        with network_namespace(f"/run/netns/{self.namespace}"):
            return send_frames(self.peer, frames, count)

    def send_out(self, *frames: bytes, count: int = 1) -> int:
        """Send `frames` from the host's side (egress), `count` times."""
        return send_frames(self.host, frames, count)

    def send(self, direction: str, *frames: bytes, count: int = 1) -> int:
        """Send so that the host's interface sees the frames in `direction`."""
        return self.send_in(*frames, count=count) if direction == "ingress" else self.send_out(*frames, count=count)


def send_frames(interface: str, frames: tuple[bytes, ...], count: int) -> int:
    """Send raw frames on `interface`; returns how many, dropped ones included."""
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as door:
        door.bind((interface, 0))
        for _ in range(count):
            for frame in frames:
                try:
                    door.send(frame)
                except OSError as error:
                    # The answer to a frame that a program dropped on its way out.
                    if error.errno != errno.ENOBUFS:
                        raise
                sent += 1
    return sent


@contextmanager
def veth_pair(*, addresses: tuple[str, str] | None = None, host: str = "") -> Iterator[Veth]:
    """A veth pair with its peer in a new namespace; both are gone afterwards.

    With `addresses` (such as ``("10.9.0.1/24", "10.9.0.2/24")``) the ends are hosts. Of two that can ping one another
    each knows where the other is: no ARP, be it the question or the check some seconds later, is among what is counted.
    """
    if os.environ.get("DYNMON_ISOLATED") != "yes":
        pytest.fail("network tests run in namespaces of their own: make test, or scripts/isolated pytest ...")
    number = next(_numbers)
    veth = Veth(host=host or f"dh{number}", peer=f"dp{number}", namespace=f"dynmon-test-{number}")
    run("ip", "netns", "add", veth.namespace)
    try:
        quiet = ("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        run(*quiet)
        run("ip", "netns", "exec", veth.namespace, *quiet)
        run("ip", "link", "add", veth.host, "type", "veth", "peer", "name", veth.peer, "netns", veth.namespace)
        ends = (
            (veth.host, (), addresses and addresses[0]),
            (veth.peer, ("-n", veth.namespace), addresses and addresses[1]),
        )
        for name, prefix, address in ends:
            if address:
                run("ip", *prefix, "addr", "add", address, "dev", name)
            run("ip", *prefix, "link", "set", name, "up", *(() if address else ("arp", "off")))
        if addresses and all(addresses):
            for (name, prefix, _), (other, there, address) in (ends, ends[::-1]):
                [facts] = json.loads(run("ip", *there, "-j", "link", "show", other))
                known = (str(address).partition("/")[0], "lladdr", facts["address"], "nud", "permanent")
                run("ip", *prefix, "neigh", "replace", *known, "dev", name)
        run("ip", "link", "set", "lo", "up")
        wait_until(lambda: "state UP" in run("ip", "link", "show", veth.host), f"{veth.host} to be up")
        yield veth
    finally:
        run("ip", "link", "del", veth.host, check=False)
        run("ip", "netns", "del", veth.namespace)

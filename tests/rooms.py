"""Namespaces with an interface in them, as containers have, for tests that attach there."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.hooks import attached
from tests.support import network_namespace, run, send_frames, wait_until

INDEX = 1000  # the same in each
QUIET = ("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
_numbers = itertools.count()


@dataclass(frozen=True)
class Room:
    """The interface `inside` of a namespace of this name, and its other end in the namespace of the test.

    Nothing is on the wire but what a test sends.
    """

    name: str
    outside: str
    inside: str = "eth0"

    @property
    def port(self) -> str:
        return f"netns/{self.name}/{self.inside}"

    @property
    def path(self) -> str:
        return f"/run/netns/{self.name}"

    def ip(self, *words: str) -> str:
        """Run ``ip`` there."""
        return run("ip", "-n", self.name, *words)

    def send(self, direction: str, frame: bytes, count: int) -> None:
        """Let the inner interface receive or send frames."""
        if direction == "ingress":
            send_frames(self.outside, (frame,), count)
        else:
            with network_namespace(self.path):
                send_frames(self.inside, (frame,), count)

    def attached(self) -> dict[str, list[str]]:
        """Everything on the inner interface."""
        with network_namespace(self.path):
            return attached(self.inside)


@contextmanager
def room(name: str) -> Iterator[Room]:
    """A namespace of this name; it may have been deleted before the end."""
    made = Room(name, f"far{os.getpid()}-{next(_numbers)}"[-15:])
    run("ip", "netns", "add", name)
    try:
        run(*QUIET)
        run("ip", "netns", "exec", name, *QUIET)
        peer = ("peer", "name", made.outside, "netns", str(os.getpid()))
        made.ip("link", "add", made.inside, "index", str(INDEX), "type", "veth", *peer)
        made.ip("link", "set", made.inside, "up", "arp", "off")
        run("ip", "link", "set", made.outside, "up", "arp", "off")
        wait_until(lambda: "state UP" in run("ip", "link", "show", made.outside), f"{made.outside} to be up")
        yield made
    finally:
        run("ip", "netns", "del", name, check=False)
        wait_until(lambda: not exists(made.outside), f"{made.outside} to go")


def exists(interface: str) -> bool:
    """Whether the namespace of the test has this interface."""
    return f" {interface}@" in run("ip", "link", "show")


@contextmanager
def process(*prefix: str) -> Iterator[subprocess.Popen[str]]:
    """A process in the network namespace that `prefix` (``unshare --net``, ``ip netns exec NAME``) puts it in."""
    command = [*prefix, "sh", "-c", "echo ready; exec sleep infinity"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert "ready\n" == running.stdout.readline()
            yield running
        finally:
            running.kill()

"""The process that starts clang, again and again, where it can do no harm. Runs alone: ``python -I -S`` this file.

What we want: a compiler that reads a stranger's source and cannot read a file of the host but its own libraries and
the headers, nor write any, nor talk to anybody, nor outlast its limits. What does not work: doing that between fork
and exec of the daemon, which has threads; or a fresh interpreter for each compilation, which costs 15 ms. So this
small process gives its rights away once, at its start: an empty network namespace, resource limits, the user
"nobody", no new privileges. Each compilation is then a fork, one Landlock system call and an exec.

Standard input is a sequenced-packet socket to the daemon. The first packet is the configuration; the answer says
whether the sandbox stands. Every later packet is an argument vector with four descriptors: stdin, stdout and stderr
of clang, and a socket on which its wait status is told. The daemon closes that socket to have clang killed. When the
daemon ends, however it ends, its socket closes, and this process kills what runs and ends too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
from typing import Any

NOBODY = 65534
PACKET_BYTES = 1 << 16

PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1
FS_EXECUTE, FS_READ_FILE, FS_READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Accesses that a Landlock version knows: files; TCP bind and connect (4); abstract sockets and signals (6).
FS_ACCESSES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
FS_ACCESSES_NEWEST = (1 << 16) - 1
NET_TCP = 0x3
SCOPED_ALL = 0x3

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Refused(Exception):
    """The sandbox cannot be built here."""


def call(what: str, result: int) -> int:
    """`result`, unless it is a failure."""
    if result < 0:
        number = ctypes.get_errno()
        raise Refused(f"{what}: {os.strerror(number)}")
    return result


def landlock_version() -> int:
    """0 where the kernel has no Landlock."""
    version = libc.syscall(
        SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(LANDLOCK_CREATE_RULESET_VERSION)
    )
    return max(0, int(version))


def make_ruleset(version: int, paths: list[str]) -> int:
    """A Landlock ruleset in which nothing can be opened but what is at or below `paths`, for reading."""
    attributes = struct.pack("=Q", FS_ACCESSES.get(version, FS_ACCESSES_NEWEST))
    if version >= 4:
        attributes += struct.pack("=Q", NET_TCP)
    if version >= 6:
        attributes += struct.pack("=Q", SCOPED_ALL)
    ruleset = libc.syscall(SYS_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    call("create a Landlock ruleset", ruleset)
    for path in paths:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        access = FS_EXECUTE | FS_READ_FILE | (FS_READ_DIR if stat.S_ISDIR(os.fstat(opened).st_mode) else 0)
        rule = struct.pack("=Qi", access, opened)
        added = libc.syscall(
            SYS_LANDLOCK_ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(LANDLOCK_RULE_PATH_BENEATH),
            rule,
            ctypes.c_uint(0),
        )
        call(f"allow {path}", added)
        os.close(opened)
    return int(ruleset)


def leave_network() -> None:
    """Move into an empty network namespace; without privileges, with a user namespace around it."""
    if libc.unshare(CLONE_NEWNET) < 0:
        call("leave the network", libc.unshare(CLONE_NEWUSER | CLONE_NEWNET))


def limit_resources(memory_bytes: int, cpu_seconds: int) -> None:
    """Limits that every compilation inherits; nothing but pipes can be written to."""
    for kind, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def become_nobody() -> None:
    """Give root away, where there is root to give."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def build_sandbox(config: dict[str, Any]) -> int:
    """Give rights away; the Landlock ruleset that each compilation has to enter, -1 when bubblewrap confines it."""
    os.chdir(config["folder"])
    version = 0 if config["bubblewrap"] else landlock_version()
    if version == 0 and not config["bubblewrap"]:
        raise Refused("no-landlock")
    ruleset = make_ruleset(version, config["readable"]) if version else -1
    if version:  # bubblewrap does both itself
        leave_network()
        become_nobody()
    limit_resources(config["memory_bytes"], config["cpu_seconds"])
    call("renounce privileges", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return ruleset


def start(arguments: list[str], descriptors: list[int], ruleset: int) -> int:
    """Run a command with `descriptors` as stdin, stdout and stderr; its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        if ruleset >= 0:
            call("enter the sandbox", libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0)))
        os.execve(arguments[0], arguments, {})
    except BaseException as error:
        os.write(2, f"error: cannot run {arguments[0]}: {error}\n".encode())
    finally:
        os._exit(127)


class Server:
    """Starts commands, tells how they ended, kills those that nobody waits for any more."""

    def __init__(self, control: socket.socket, ruleset: int) -> None:
        self.control = control
        self.ruleset = ruleset
        self.running: dict[int, tuple[int, socket.socket]] = {}  # pidfd: (pid, where to tell)
        self.waiting: dict[int, int] = {}  # descriptor of that socket: pidfd
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Until the daemon closes its end."""
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor in self.running:
                    self.ended(descriptor)
                elif descriptor in self.waiting:
                    self.kill(self.waiting[descriptor])
                elif descriptor == self.control.fileno() and not self.accept():
                    return

    def accept(self) -> bool:
        """Start one command; false when the daemon is gone."""
        packet, descriptors, _, _ = socket.recv_fds(self.control, PACKET_BYTES, 4)
        if not packet:
            for pidfd in self.running:
                self.kill(pidfd)
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # recv_fds ignores MSG_CMSG_CLOEXEC before Python 3.12
        teller = socket.socket(fileno=descriptors[3])
        pid = start(json.loads(packet), descriptors[:3], self.ruleset)
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        self.running[pidfd] = pid, teller
        self.waiting[teller.fileno()] = pidfd
        self.poll.register(pidfd, select.POLLIN)
        self.poll.register(teller, 0)  # only that the other end was closed
        return True

    def kill(self, pidfd: int) -> None:
        """End a command and all that it started."""
        pid, teller = self.running[pidfd]
        self.poll.unregister(teller)
        self.waiting.pop(teller.fileno())
        # The command leads its own group from before exec; until it does, there is only itself.
        for kill in (os.killpg, os.kill):
            try:
                kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def ended(self, pidfd: int) -> None:
        """Tell how a command ended."""
        pid, teller = self.running.pop(pidfd)
        status = os.waitpid(pid, 0)[1]
        self.poll.unregister(pidfd)
        if self.waiting.pop(teller.fileno(), None) is not None:
            self.poll.unregister(teller)
        with contextlib.suppress(OSError):  # nobody may wait any more
            teller.send(struct.pack("=i", os.waitstatus_to_exitcode(status)))
        teller.close()
        os.close(pidfd)


def main() -> int:
    """Serve one daemon."""
    control = socket.socket(fileno=os.dup(0))
    control.set_inheritable(False)
    config = json.loads(control.recv(PACKET_BYTES))
    try:
        ruleset = build_sandbox(config)
    except (Refused, OSError, ValueError) as error:
        control.send(json.dumps({"refused": str(error)}).encode())
        return 1
    control.send(b"{}")
    Server(control, ruleset).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())

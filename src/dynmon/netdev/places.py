"""What a port's name says: an interface, perhaps in another namespace, perhaps as the port of a master.

    eth0    netns/blue/eth0    pid/1234/eth0    br0:eth1    netns/blue/br0:eth1

The kernel allows neither ``/`` nor ``:`` in the name of an interface, so each name has one meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dynmon.errors import InvalidInputError

FORMS = "write IF, netns/NAME/IF or pid/PID/IF, with MASTER: before IF where it is a port of MASTER"
NETNS, PID = "netns", "pid"
PID_DIGITS = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


class InvalidPort(InvalidInputError):
    """This can be the name of no port."""

    def __init__(self, port: str, reason: str) -> None:
        super().__init__(f"port {port!r}: {reason}; {FORMS}")
        self.port = port

    def fields(self) -> Mapping[str, str]:
        return {"port": self.port}


@dataclass(frozen=True, slots=True)
class Place:
    """A port's name in its parts; those that it does not have are ""."""

    interface: str
    master: str = ""
    namespace: str = ""  # netns/NAME or pid/PID

    @classmethod
    def parse(cls, port: str) -> Place:
        """Take a name apart; nothing is looked for.

        Raises:
            InvalidPort: It has none of the forms.
        """
        namespace, slash, name = port.rpartition("/")
        if slash:
            _check_namespace(port, namespace)
        master, colon, interface = name.rpartition(":")
        if not interface or (colon and not master):
            raise InvalidPort(port, "a name is missing")
        if ":" in master:
            raise InvalidPort(port, "it has more than one colon")
        return cls(interface, master, namespace)

    def renamed(self, interface: str) -> Place:
        """The same place, now that its interface is called so."""
        return replace(self, interface=interface)

    def __str__(self) -> str:
        namespace = f"{self.namespace}/" if self.namespace else ""
        master = f"{self.master}:" if self.master else ""
        return f"{namespace}{master}{self.interface}"


def _check_namespace(port: str, namespace: str) -> None:
    kind, _, name = namespace.partition("/")
    if kind not in (NETNS, PID) or "/" in name:
        raise InvalidPort(port, "it has slashes, but is in no namespace")
    if kind == PID and not PID_DIGITS.fullmatch(name):
        raise InvalidPort(port, f"{name!r} is not the number of a process")
    # What is not printable holds zero bytes, and halves of characters that no file can be called by.
    if name in ("", ".", "..") or not name.isprintable():
        raise InvalidPort(port, f"{name!r} is not the name of a namespace")

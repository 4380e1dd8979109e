"""Find the interface that a place names, and say what there is instead where there is none."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dynmon.errors import KernelError, NotFoundError
from dynmon.netdev.interfaces import Interface, InterfaceNotFound, interface_index, list_interfaces
from dynmon.netdev.namespaces import Namespace, NamespaceNotFound, inside, some
from dynmon.netdev.places import Place


class PortNotFound(NotFoundError):
    """Nothing has this port: no cube, no bridge, bond or other master."""

    def __init__(self, port: str, reason: str) -> None:
        super().__init__(f"port {port!r} not found: {reason}")
        self.port = port

    def fields(self) -> Mapping[str, Any]:
        return {"port": self.port}


@dataclass(frozen=True, slots=True)
class Located:
    """An interface that was found: its number, and the namespace in which this number means it, None for our own.

    Equal to another when both are the same interface, by whatever names they were found.
    """

    index: int
    namespace: Namespace | None

    def name(self) -> str:
        """What the interface is called now.

        Raises:
            OSError: ENODEV when its namespace is gone, ENXIO when it is gone from there.
        """
        return inside(self.namespace, socket.if_indextoname, self.index)


def locate(place: Place) -> Located:
    """The interface that `place` names.

    Raises:
        NamespaceNotFound, NamespaceForbidden: There is no such namespace for us.
        InterfaceNotFound: It has no such interface.
        PortNotFound: The interface is no port of that master, or there is no such master.
    """
    namespace = Namespace.find(place.namespace) if place.namespace else None
    try:
        return Located(_index(place, namespace), namespace)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise KernelError(f"look for {str(place)!r}", error) from error
        raise NamespaceNotFound(place.namespace) from error


def _index(place: Place, namespace: Namespace | None) -> int:
    if place.master:
        return _port_index(place, inside(namespace, list_interfaces))
    try:
        return inside(namespace, interface_index, place.interface)
    except InterfaceNotFound as error:
        if not place.namespace:
            raise
        present = [name for _, name in inside(namespace, socket.if_nameindex)]
        raise InterfaceNotFound(place.interface, f"in {place.namespace}; there are: {some(present)}") from error


def _port_index(place: Place, interfaces: list[Interface]) -> int:
    names = {each.index: each.name for each in interfaces}
    port = next((each for each in interfaces if each.name == place.interface), None)
    master = next((each for each in interfaces if each.name == place.master), None)
    if master is None:
        where = f" in {place.namespace}" if place.namespace else ""
        cubes = "" if place.namespace else "no cube with ports and "
        raise PortNotFound(str(place), f"{cubes}no interface is called {place.master!r}{where}")
    if port is not None and port.master == master.index:
        return port.index
    if port is None:
        reason = f"no interface is called {place.interface!r}"
    elif port.master is None:
        reason = f"{place.interface!r} is a port of nothing"
    else:
        reason = f"{place.interface!r} is a port of {names.get(port.master, 'another one')!r}"
    present = [each.name for each in interfaces if each.master == master.index]
    raise PortNotFound(str(place), f"{reason}; ports of {place.master!r}: {some(present)}")

"""Network interfaces, the namespaces they are in, and the names by which people say which one they mean."""

from dynmon.netdev.interfaces import (
    Interface,
    InterfaceNotFound,
    find_interface,
    interface_index,
    list_interfaces,
    usable_interfaces,
)
from dynmon.netdev.locating import Located, PortNotFound, locate
from dynmon.netdev.namespaces import Namespace, NamespaceForbidden, NamespaceNotFound, inside
from dynmon.netdev.places import InvalidPort, Place

__all__ = [
    "Interface",
    "InterfaceNotFound",
    "InvalidPort",
    "Located",
    "Namespace",
    "NamespaceForbidden",
    "NamespaceNotFound",
    "Place",
    "PortNotFound",
    "find_interface",
    "inside",
    "interface_index",
    "list_interfaces",
    "locate",
    "usable_interfaces",
]

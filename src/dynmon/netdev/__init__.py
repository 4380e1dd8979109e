"""Network interfaces, the namespaces they are in, and the names by which people say which one they mean."""

from dynmon.netdev.interfaces import (
    Interface,
    InterfaceNotFound,
    InterfaceState,
    Promiscuity,
    delete_interface,
    find_interface,
    interface_index,
    interface_state,
    list_interfaces,
    make_veth,
    usable_interfaces,
)
from dynmon.netdev.locating import Located, PortNotFound, locate
from dynmon.netdev.namespaces import Namespace, NamespaceForbidden, NamespaceNotFound, inside
from dynmon.netdev.places import InvalidPort, Place

__all__ = [
    "Interface",
    "InterfaceNotFound",
    "InterfaceState",
    "InvalidPort",
    "Located",
    "Namespace",
    "NamespaceForbidden",
    "NamespaceNotFound",
    "Place",
    "PortNotFound",
    "Promiscuity",
    "delete_interface",
    "find_interface",
    "inside",
    "interface_index",
    "interface_state",
    "list_interfaces",
    "locate",
    "make_veth",
    "usable_interfaces",
]

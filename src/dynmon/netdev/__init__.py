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
from dynmon.netdev.links import NetLink, net_links
from dynmon.netdev.locating import Located, PortNotFound, locate
from dynmon.netdev.namespaces import Namespace, NamespaceForbidden, NamespaceNotFound, inside
from dynmon.netdev.places import InvalidPort, Place
from dynmon.netdev.selectors import Selector
from dynmon.netdev.watching import Changes, LinkWatch

__all__ = [
    "Changes",
    "Interface",
    "InterfaceNotFound",
    "InterfaceState",
    "InvalidPort",
    "LinkWatch",
    "Located",
    "Namespace",
    "NamespaceForbidden",
    "NamespaceNotFound",
    "NetLink",
    "Place",
    "PortNotFound",
    "Promiscuity",
    "Selector",
    "delete_interface",
    "find_interface",
    "inside",
    "interface_index",
    "interface_state",
    "list_interfaces",
    "locate",
    "make_veth",
    "net_links",
    "usable_interfaces",
]

"""Decoders that take numbers and give them names."""

from __future__ import annotations

import errno
import socket
import time
from functools import cache

from dynmon.btf.plans import Field, Rows
from dynmon.metrics.decoders.base import OfNumbers, Texts, number_part, numbers_of
from dynmon.models import DecoderConfig, DecoderName
from dynmon.rendering import Part

# IANA's "Assigned Internet Protocol Numbers", those that Debian's /etc/protocols has too, by their names there.
PROTOCOLS = {
    0: "ip",
    1: "icmp",
    2: "igmp",
    4: "ipencap",
    6: "tcp",
    8: "egp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    43: "ipv6-route",
    44: "ipv6-frag",
    46: "rsvp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    59: "ipv6-nonxt",
    60: "ipv6-opts",
    89: "ospf",
    94: "ipip",
    103: "pim",
    108: "ipcomp",
    112: "vrrp",
    115: "l2tp",
    124: "isis",
    132: "sctp",
    136: "udplite",
    137: "mpls-in-ip",
    262: "mptcp",
}
# IEEE's registry, by the names of Debian's /etc/ethertypes.
ETHER_TYPES = {
    0x0800: "IPv4",
    0x0806: "ARP",
    0x0842: "WOL",
    0x8035: "RARP",
    0x8100: "802_1Q",
    0x86DD: "IPv6",
    0x8808: "MAC_CONTROL",
    0x8809: "SLOW",
    0x8847: "MPLS",
    0x8848: "MPLS_MULTI",
    0x8863: "PPP_DISC",
    0x8864: "PPP_SES",
    0x888E: "EAPOL",
    0x88A8: "802_1ad",
    0x88CC: "LLDP",
    0x88E5: "MACSEC",
    0x88F7: "PTP",
    0x8906: "FCOE",
}
FIRST_ETHER_TYPE = 0x600
VLAN_BITS = 0xFFF
NS_PER_MS = 1_000_000
MS_PER_SECOND = 1000
LINUX_ERRORS = 4096  # errors are numbers below this one, also as the kernel returns them: negative


class UintDecoder(OfNumbers):
    """A number that is never negative."""

    name = DecoderName.UINT
    gives_number = True
    is_signed = False

    def text(self, number: int) -> str:
        return str(number)

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [str(number) for number in numbers_of(field, rows, is_signed=self.is_signed)]

    def parts(self, field: Field) -> tuple[Part, ...]:
        return (number_part(field, is_signed=self.is_signed),)


class IntDecoder(UintDecoder):
    """A number that may be negative."""

    name = DecoderName.INT
    is_signed = True


class PortDecoder(OfNumbers):
    """A port; with ``services`` by its name, where it has one."""

    name = DecoderName.PORT

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        self.gives_number = not config.services

    def text(self, number: int) -> str:
        return _service(number) if self.config.services else str(number)

    def parts(self, field: Field) -> tuple[Part, ...]:
        return () if self.config.services else (number_part(field, is_signed=False),)


class ProtoDecoder(OfNumbers):
    """The name of a protocol above IP, or the number."""

    name = DecoderName.PROTO

    def text(self, number: int) -> str:
        return PROTOCOLS.get(number, str(number))


class EtherTypeDecoder(OfNumbers):
    """The name of a protocol above Ethernet; of one without a name its number as 0x1234, of a length the length."""

    name = DecoderName.ETHER_TYPE

    def text(self, number: int) -> str:
        if number < FIRST_ETHER_TYPE:
            return str(number)
        return ETHER_TYPES.get(number, f"{number:#06x}")


class IfnameDecoder(OfNumbers):
    """The interface that has this index in the daemon's network namespace, or the index."""

    name = DecoderName.IFNAME

    def text(self, number: int) -> str:
        # The interface may be gone by the time a map is read; its number is then the best label there is.
        try:
            return socket.if_indextoname(number)
        except (OSError, OverflowError):
            return str(number)


class ErrnoDecoder(OfNumbers):
    """The name of an error, positive or as the kernel returns it; or the number."""

    name = DecoderName.ERRNO

    def text(self, number: int) -> str:
        return errno.errorcode.get(abs(number), str(number))

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        unsigned = numbers_of(field, rows)
        width = 1 << 8 * field.plan.size
        return [self.text(number - width if number >= width - LINUX_ERRORS else number) for number in unsigned]


class BoolDecoder(OfNumbers):
    """``true`` for anything but zero."""

    name = DecoderName.BOOL

    def text(self, number: int) -> str:
        return "true" if number else "false"


class KtimeDecoder(OfNumbers):
    """Nanoseconds of the monotonic clock as seconds since the epoch, to the millisecond.

    Time is as the clocks stood when it was first asked for: were it asked for anew each time, the label of one moment
    would change with every correction of the clock.
    """

    name = DecoderName.KTIME

    def text(self, number: int) -> str:
        seconds, milliseconds = divmod((number + _epoch_of_boot_ns()) // NS_PER_MS, MS_PER_SECOND)
        return f"{seconds}.{milliseconds:03d}"


class VlanDecoder(OfNumbers):
    """The 12 bits of a VLAN tag that say which VLAN it is."""

    name = DecoderName.VLAN
    gives_number = True

    def text(self, number: int) -> str:
        return str(number & VLAN_BITS)


@cache
def _epoch_of_boot_ns() -> int:
    return time.time_ns() - time.monotonic_ns()


@cache
def _service(port: int) -> str:
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyport(port, protocol)
        except (OSError, OverflowError):
            continue
    return str(port)

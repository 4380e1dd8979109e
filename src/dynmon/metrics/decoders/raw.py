"""Decoders that take bytes."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_network

import numpy as np

from dynmon.btf.plans import Enumeration, Field, Repeated, Rows
from dynmon.btf.prefixes import LENGTH_BYTES, Prefix
from dynmon.metrics.decoders.base import (
    OTHER,
    Decoder,
    OfBytes,
    OfNumbers,
    Texts,
    check_size,
    described,
    escaped,
    number_part,
    numbers_of,
)
from dynmon.metrics.fields import Misfit
from dynmon.models import DecoderConfig, DecoderName
from dynmon.rendering import Choice, Form, Hexadecimal, Ipv4, Ipv6, Mac, Part, Text
from dynmon.rendering import Prefix as PrefixPart

IPV4_BYTES, IPV6_BYTES, MAC_BYTES = 4, 16, 6
FAMILIES = {IPV4_BYTES: socket.AF_INET, IPV6_BYTES: socket.AF_INET6}
PREFIX_SIZES = (LENGTH_BYTES + IPV4_BYTES, LENGTH_BYTES + IPV6_BYTES)
LABEL_LENGTH_BITS = 0x3F


class InetIpDecoder(OfBytes):
    """An IPv4 or IPv6 address in network order."""

    name = DecoderName.INET_IP

    def check(self, field: Field) -> None:
        check_size(self.name, field, IPV4_BYTES, IPV6_BYTES)

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [socket.inet_ntop(FAMILIES[rows.shape[1]], row.tobytes()) for row in rows]

    def parts(self, field: Field) -> tuple[Part, ...]:
        return (Ipv4(field.offset) if field.plan.size == IPV4_BYTES else Ipv6(field.offset),)


class MacDecoder(OfBytes):
    """A MAC address: six bytes, or the first six of eight."""

    name = DecoderName.MAC

    def check(self, field: Field) -> None:
        check_size(self.name, field, MAC_BYTES, MAC_BYTES + 2)

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [row[:MAC_BYTES].tobytes().hex(":") for row in rows]

    def parts(self, field: Field) -> tuple[Part, ...]:
        return (Mac(field.offset),) if field.plan.size == MAC_BYTES else ()


class StringDecoder(OfBytes):
    """Text up to the first NUL; what is no UTF-8 becomes U+FFFD."""

    name = DecoderName.STRING

    def check(self, field: Field) -> None:
        """Any bytes may be text."""

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [row.tobytes().partition(b"\0")[0].decode(errors="replace") for row in rows]

    def parts(self, field: Field) -> tuple[Part, ...]:
        return (Text(field.offset, field.plan.size, Form.EXPOSITION),)


class HexDecoder(OfBytes):
    """Two hexadecimal digits for each byte, in the order of memory."""

    name = DecoderName.HEX

    def check(self, field: Field) -> None:
        """Any bytes have digits."""

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [row.tobytes().hex() for row in rows]

    def parts(self, field: Field) -> tuple[Part, ...]:
        return (Hexadecimal(field.offset, field.plan.size),)


class EnumDecoder(OfNumbers):
    """The enumerator's name, or the number where none has it."""

    name = DecoderName.ENUM

    def check(self, field: Field) -> None:
        if not isinstance(field.plan, Enumeration):
            raise Misfit("", f"decoder {self.name} takes an enum, which {described(field)} is not")

    def check_behind(self, before: Decoder) -> None:
        raise Misfit("", f"decoder {self.name} takes an enum, so it must be the first, not behind {before.name}")

    def text(self, number: int) -> str:
        return str(number)

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        assert isinstance(field.plan, Enumeration)
        return [field.plan.names.get(number, str(number)) for number in numbers_of(field, rows)]

    def parts(self, field: Field) -> tuple[Part, ...]:
        assert isinstance(field.plan, Enumeration)
        if OTHER in field.plan.values:
            return ()
        number = number_part(field)
        return (Choice(number, {value: escaped(name) for value, name in field.plan.names.items()}, number),)


class DnameDecoder(OfBytes):
    """A name as DNS writes it on the wire, without the dot at its end; what is cut off or compressed ends there."""

    name = DecoderName.DNAME

    def check(self, field: Field) -> None:
        """Any bytes may be the beginning of a name."""

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [_dotted(row.tobytes()) for row in rows]


class CidrDecoder(OfBytes):
    """A prefix: the key of an LPM trie, or an address cut to ``prefix-length``."""

    name = DecoderName.CIDR

    def check(self, field: Field) -> None:
        length, size = self.config.prefix_length, field.plan.size
        if length is None:
            if size not in PREFIX_SIZES:
                wanted = " or ".join(map(str, PREFIX_SIZES))
                raise Misfit(
                    "",
                    f"decoder {self.name} takes {wanted} bytes (a length and an address), but {described(field)} has "
                    f"{size}; an address needs prefix-length",
                )
            return
        check_size(self.name, field, IPV4_BYTES, IPV6_BYTES)
        if length > 8 * size:
            raise Misfit("prefix-length", f"{length} bits are more than {described(field)} has")

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        length, size = self.config.prefix_length, rows.shape[1]
        if length is None:
            return [str(each) for each in Prefix(size, field.plan).decode(rows)]
        masked = rows & np.packbits(np.arange(8 * size) < length)
        addresses = [socket.inet_ntop(FAMILIES[size], row.tobytes()) for row in masked]
        return [str(ip_network(f"{address}/{length}")) for address in addresses]

    def parts(self, field: Field) -> tuple[Part, ...]:
        if self.config.prefix_length is not None or not isinstance(field.plan, Prefix):
            return ()
        return (PrefixPart(field.offset, field.plan.address_bytes),)


class PlainDecoder(OfBytes):
    """What JSON shows: for numbers that no other decoder is about."""

    name = DecoderName.UINT

    def __init__(self) -> None:
        super().__init__(DecoderConfig(name=self.name))

    def check(self, field: Field) -> None:
        """It is asked for nothing that it cannot do."""

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [json.dumps(value) for value in field.plan.decode(rows)]


def is_text(field: Field) -> bool:
    """Whether C takes the field for text."""
    return isinstance(field.plan, Repeated) and getattr(field.plan.element, "is_char", False)


def _dotted(wire: bytes) -> str:
    labels = []
    while wire and 0 < wire[0] <= LABEL_LENGTH_BITS:
        length = wire[0]
        label = wire[1 : length + 1]
        labels.append("".join(map(_character, label if len(label) == length else label.rstrip(b"\0"))))
        wire = wire[length + 1 :]
    return ".".join(filter(None, labels)) or "."


def _character(byte: int) -> str:
    """As RFC 1035 writes it in master files: what would be taken for something else as a number."""
    if byte in b'.\\"()@$;':
        return f"\\{byte:c}"
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03d}"

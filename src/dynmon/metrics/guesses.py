"""Which labels a key has when nobody says so, and how each is decoded: guessed from C types and names.

A guess has to be sure. A type that says what it is (``__be32``, ``struct in6_addr``, ``u8[6]``) is; so is a name, where
the type leaves it open and the name says one thing only (``ifindex``). Else the label is the raw number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dynmon.btf.plans import (
    Boolean,
    Enumeration,
    Field,
    Floating,
    Hexadecimal,
    Integer,
    Plan,
    Record,
    Repeated,
)
from dynmon.btf.prefixes import Prefix
from dynmon.metrics.decoders.base import is_numeric
from dynmon.metrics.decoders.raw import is_text
from dynmon.metrics.fields import base_name, element, is_network_order, members
from dynmon.metrics.widening import overlapping
from dynmon.models import DecoderName

WORD = re.compile(r"[a-z]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


ADDRESS = _set(
    "addr address ip ipv ipaddr saddr daddr raddr laddr src dst source destination dest sip dip nexthop gateway gw peer"
    " local remote client server host"
)
# What has four bytes in network order in packets, and is no address.
NO_ADDRESS = _set(
    "seq ack spi vni id mark cookie xid teid flow flowlabel label len length size count ttl flags hash serial time"
    " timestamp proto protocol port ports tag vlan checksum csum"
)
# What has sixteen bytes, and is no address.
NO_IPV6 = _set("uuid guid hash digest md name comm text string data key secret token cookie cid pad padding")
PORTS = _set("port sport dport")
ETHER_TYPES = _set("h_proto eth_proto ether_type ethertype eth_type h_vlan_encapsulated_proto")
INTERFACES = re.compile(r"(.*_)?if_?index")
PADDING = re.compile(r"_*(pad(ding)?|unused|reserved|rsvd)_?[0-9]*")
MAC_BYTES, IPV4_BYTES, IPV6_BYTES = 6, 4, 16
SEPARATE_ELEMENTS = 8


@dataclass(frozen=True, slots=True)
class Guess:
    """A field that makes a label, the decoder for it (None where JSON's form is the text), and why that one."""

    field: Field
    decoder: DecoderName | None
    why: str


def guesses(field: Field) -> Iterator[Guess]:
    """The labels that a key, or a part of it, makes, in the order of declaration; not what is private or padding."""
    found = _at_once(field)
    if found:
        yield found
    elif isinstance(field.plan, Record):
        yield from _record(field)
    elif isinstance(field.plan, Repeated):
        for number in range(field.plan.count):
            yield from guesses(element(field, number))


def guess(field: Field) -> Guess:
    """How one field is decoded as a whole, whatever is in it."""
    return _at_once(field) or Guess(field, DecoderName.HEX, "it has several parts; it is shown as the bytes that it is")


def is_hidden(field: Field) -> bool:
    """Whether the field is private to the code, by its name, or padding."""
    name = field.name.rpartition(".")[2]
    return name.startswith("__") or PADDING.fullmatch(name) is not None


def _record(field: Field) -> Iterator[Guess]:
    assert isinstance(field.plan, Record)
    parts = list(members(field))
    grouped = {number: group for group in overlapping(field.plan.parts) for number in group if len(group) > 1}
    for number, part in enumerate(parts):
        group = grouped.get(number)
        if group is None:
            if not is_hidden(part):
                yield from guesses(part)
        elif number == min(group):
            yield _union([parts[each] for each in group], field.name if len(group) == len(parts) else "")


def _union(parts: list[Field], name: str) -> Guess:
    """Members that lie upon one another, of a union that may have a name: what all agree upon, else the bytes."""
    start = min(part.offset for part in parts)
    size = max(part.offset + part.plan.size for part in parts) - start
    views = [_at_once(part) for part in parts if part.offset == start and part.plan.size == size]
    if len(views) == len(parts):
        sure = next((view for view in views if view and view.decoder in (DecoderName.INET_IP, DecoderName.MAC)), None)
        if sure:
            field = replace(sure.field, name=name or sure.field.name)
            return Guess(field, sure.decoder, f"one member of a union, all of {size} bytes: {sure.why}")
    largest = max(parts, key=lambda part: part.plan.size)
    union = Field(name or largest.name, start, Hexadecimal(size), f"union of {size} bytes")
    return Guess(
        union, DecoderName.HEX, "the members of a union lie upon one another; which is meant, only the code knows"
    )


def _at_once(field: Field) -> Guess | None:
    """The guess for a field that is one label; None for those that are several."""
    match field.plan:
        case Prefix():
            return Guess(field, DecoderName.CIDR, "the key of a trie, a prefix length and an address")
        case Record():
            return _address_struct(field)
        case Repeated():
            return _array(field)
        case Enumeration():
            return Guess(field, DecoderName.ENUM, "its type is an enum")
        case Boolean():
            return Guess(field, DecoderName.BOOL, "its type is a boolean")
        case Hexadecimal():
            return Guess(field, DecoderName.HEX, "its type is not known")
        case Floating():
            return Guess(field, None, "it is floating point")
    return _number(field)


def _address_struct(field: Field) -> Guess | None:
    wanted = {"in_addr": IPV4_BYTES, "in6_addr": IPV6_BYTES}.get(base_name(field))
    if wanted is None or wanted != field.plan.size:
        return None
    return Guess(field, DecoderName.INET_IP, f"its type is {field.type_name}")


def _array(field: Field) -> Guess | None:
    assert isinstance(field.plan, Repeated)
    inner, size, words = field.plan.element, field.plan.size, _words(field)
    if is_text(field):
        return Guess(field, DecoderName.STRING, "it is an array of char")
    if not isinstance(inner, Integer):
        return None
    if size == MAC_BYTES and inner.size == 1:
        return Guess(field, DecoderName.MAC, "it is an array of 6 bytes")
    if size == IPV6_BYTES and not words & NO_IPV6 and (inner.size == 1 or words & ADDRESS or is_network_order(field)):
        return Guess(field, DecoderName.INET_IP, f"it is an array of 16 bytes{_named(words & ADDRESS)}")
    if size == IPV4_BYTES and inner.size == 1 and words & ADDRESS:
        return Guess(field, DecoderName.INET_IP, f"it is an array of 4 bytes{_named(words & ADDRESS)}")
    if inner.size == 1 or field.plan.count > SEPARATE_ELEMENTS:
        return Guess(field, DecoderName.HEX, "an array of numbers that nothing tells the meaning of: its bytes")
    return None


def _number(field: Field) -> Guess:
    words, name, base = _words(field), field.name.rpartition(".")[2], base_name(field)
    if is_network_order(field):
        if field.plan.size == IPV4_BYTES and _last_word(field) not in NO_ADDRESS:
            return Guess(field, DecoderName.INET_IP, f"its type is {base}{_named(words & ADDRESS)}")
        if field.plan.size == 2 and name in ETHER_TYPES:
            return Guess(field, DecoderName.ETHER_TYPE, f"its type is {base}, and it is called {name}")
        if field.plan.size == 2 and words & PORTS:
            return Guess(field, DecoderName.PORT, f"its type is {base}{_named(words & PORTS)}")
        return Guess(field, DecoderName.UINT, f"its type is {base}: a number in network order, which is turned round")
    if INTERFACES.fullmatch(name) and field.plan.size == IPV4_BYTES:
        return Guess(field, DecoderName.IFNAME, f"it is called {name}")
    decoder = DecoderName.INT if _is_signed(field.plan) else DecoderName.UINT
    why = "it is a number" if is_numeric(field.plan) else "it is what the code has"
    if words & ADDRESS and field.plan.size == IPV4_BYTES:
        why = f"its name may mean an address, but its type {base} does not: the raw number, unless inet_ip is asked for"
    elif words & PORTS and field.plan.size == 2:
        why = f"its type {base} is in the order of this machine; a port in network order would be a __be16"
    return Guess(field, decoder, why)


def _is_signed(plan: Plan) -> bool:
    return bool(getattr(plan, "is_signed", False))


def _words(field: Field) -> frozenset[str]:
    return frozenset(_all_words(field))


def _last_word(field: Field) -> str:
    """What a name such as ``peer_id`` is about."""
    return next(reversed(_all_words(field)), "")


def _all_words(field: Field) -> list[str]:
    return WORD.findall(re.sub("([A-Z]+)", r" \1", field.name.rpartition(".")[2]).lower())


def _named(words: frozenset[str]) -> str:
    return f", and its name has {min(words)!r}" if words else ""

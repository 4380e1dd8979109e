"""Turn a `pcn_log` format string and its arguments into text.

Arguments are 64-bit words as the program widened them. ``%I`` is an IPv4 address and ``%P`` a port, both in network
byte order; ``%M`` is a MAC address whose first octet is the lowest byte; everything else is C's printf.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence

CONVERSION = re.compile(
    r"%(?:%|(?P<flags>[-+ #0]*)(?P<width>\d{0,3})(?:\.(?P<precision>\d{0,3}))?"
    r"(?P<size>hh|h|ll|l|j|z|t)?(?P<kind>[diuxXocpIMP]))"
)
SIZE_BITS = {"hh": 8, "h": 16, None: 32, "l": 64, "ll": 64, "j": 64, "z": 64, "t": 64}


def _ipv4(word: int) -> str:
    return socket.inet_ntoa((word & 0xFFFFFFFF).to_bytes(4, "little"))


def _mac(word: int) -> str:
    return word.to_bytes(8, "little")[:6].hex(":")


def _port(word: int) -> str:
    return str(int.from_bytes((word & 0xFFFF).to_bytes(2, "little"), "big"))


NETWORK_KINDS: dict[str, Callable[[int], str]] = {"I": _ipv4, "M": _mac, "P": _port}


def format_log(template: str, arguments: Sequence[int]) -> str:
    """The text of a log line; a conversion without an argument is left as it was written."""
    remaining = iter(arguments)

    def convert(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        word = next(remaining, None)
        return match[0] if word is None else _convert(match, word)

    return CONVERSION.sub(convert, template)


def _convert(match: re.Match[str], word: int) -> str:
    kind = match["kind"]
    if kind in NETWORK_KINDS:
        return NETWORK_KINDS[kind](word)
    if kind == "p":
        return f"{word:#x}"
    if kind == "c":
        return chr(word & 0xFF)
    bits = SIZE_BITS[match["size"]]
    value = word & ((1 << bits) - 1)
    if kind in "di" and value >> (bits - 1):
        value -= 1 << bits
    precision = "" if match["precision"] is None else f".{match['precision']}"
    return f"%{match['flags']}{match['width']}{precision}{kind}" % value

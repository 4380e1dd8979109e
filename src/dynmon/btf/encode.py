"""JSON values → bytes: what a read gave can be given back.

A value is laid over zeros, bit by bit. What members of a union say about the same bits must agree, so that all of them
may be given, as a read shows them, or just one. What a read shows for many contents is written last, and where the
others have not already said so: true for any number but zero, null for a float that is NaN or infinite.

What a read never shows but people write is understood where it can mean only one thing: text for arrays of char,
addresses in their usual spelling or as hexadecimal digits for arrays of bytes, dotted IPv4 for integers of four
bytes, in the order of the wire, and the key of a trie as its type has it, in place of a prefix.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from dynmon.btf.object import Btf
from dynmon.btf.planner import plan_for
from dynmon.btf.plans import (
    Address,
    Bits,
    Boolean,
    Enumeration,
    Floating,
    Hexadecimal,
    Integer,
    Plan,
    Record,
    Repeated,
)
from dynmon.btf.prefixes import LENGTH_BYTES, Prefix
from dynmon.errors import InvalidInputError

NUMBER = re.compile(r"-?(?:[0-9]{1,40}|0[xX][0-9a-fA-F]{1,32})")
DIGITS = re.compile(r"(?:[0-9a-fA-F]{2})*")
MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
IPV4_SIZE = 4
SHOWN_CHARACTERS = 40
SHOWN_NAMES = 20
CONTRADICTION = "contradicts another member of its union"
FLOAT_FORMS = {2: "<e", 4: "<f", 8: "<d"}


class UnencodableValue(InvalidInputError):
    """A value does not fit its type; `path` is the place inside it, such as ``flow.ports[2]``, or empty."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {"path": self.path, "reason": self.reason}


def encode(btf: Btf, type_id: int, value: object) -> bytes:
    """The bytes of a JSON value of a type; members that it does not mention are zero.

    Raises:
        UnencodableValue: It is no value of this type.
        UndecodableType: The type has no values at all.
    """
    return encode_by_plan(plan_for(btf, type_id), value)


def encode_untyped(size: int, value: object) -> bytes:
    """The bytes of a value whose type is not known: hexadecimal digits as in memory, or a number, lowest byte first.

    Raises:
        UnencodableValue: It has not exactly `size` bytes.
    """
    return encode_by_plan(Hexadecimal(size), value)


def encode_by_plan(plan: Plan, value: object) -> bytes:
    """The bytes that `plan` decodes to `value`.

    Raises:
        UnencodableValue: There are none.
    """
    draft = _Draft(plan.size)
    draft.fill(plan, value, "", 0)
    return draft.finished()


class _Draft:
    """The bytes so far, and which of their bits are taken."""

    def __init__(self, size: int) -> None:
        self._content = bytearray(size)
        self._taken = bytearray(size)
        self._nulls: list[tuple[str, int, str]] = []
        self._truths: list[tuple[str, int, int]] = []

    def fill(self, plan: Plan, value: object, path: str, at: int) -> None:
        """Put the value of `plan` at byte `at`."""
        WRITERS[type(plan)](self, plan, value, path, at)

    def put(self, path: str, first_bit: int, width: int, number: int) -> None:
        """Write the lowest `width` bits of a number."""
        start, shift = divmod(first_bit, 8)
        end = (first_bit + width + 7) // 8
        mask = (1 << width) - 1 << shift
        there = int.from_bytes(self._content[start:end], "little")
        taken = int.from_bytes(self._taken[start:end], "little")
        bits = number << shift & mask
        if (there ^ bits) & mask & taken:
            raise UnencodableValue(path, CONTRADICTION)
        self._content[start:end] = (there | bits).to_bytes(end - start, "little")
        self._taken[start:end] = (taken | mask).to_bytes(end - start, "little")

    def put_bytes(self, path: str, at: int, content: bytes) -> None:
        """Write whole bytes."""
        self.put(path, 8 * at, 8 * len(content), int.from_bytes(content, "little"))

    def finished(self) -> bytes:
        """The bytes, with every null and every truth told."""
        for path, at, form in self._nulls:
            self._spoil(path, at, form)
        for path, first_bit, width in self._truths:
            span, mask = slice(first_bit // 8, (first_bit + width + 7) // 8), (1 << width) - 1
            there, taken = (
                int.from_bytes(each[span], "little") >> first_bit % 8 & mask for each in (self._content, self._taken)
            )
            if not there:
                # Any bit makes it true. Another member of a union may have said that the lowest one is zero.
                free = ~taken & mask
                self.put(path, first_bit, width, free & -free or 1)
        return bytes(self._content)

    def _spoil(self, path: str, at: int, form: str) -> None:
        """Let a float be no finite number, by the bits that are not taken."""
        end = at + struct.calcsize(form)
        if math.isfinite(struct.unpack_from(form, self._content, at)[0]):
            there, taken = (int.from_bytes(each[at:end], "little") for each in (self._content, self._taken))
            self.put(path, 8 * at, 8 * (end - at), there | ~taken)
        if math.isfinite(struct.unpack_from(form, self._content, at)[0]):
            raise UnencodableValue(path, CONTRADICTION)

    def write_integer(self, plan: Integer, value: object, path: str, at: int) -> None:
        if plan.size == IPV4_SIZE and isinstance(value, str) and (address := _address(value, IPV4_SIZE)):
            self.put_bytes(path, at, address)
            return
        number = _number(value, 8 * plan.size, plan.is_signed, path)
        if plan.is_big_endian:
            self.put_bytes(path, at, number.to_bytes(plan.size, "big", signed=plan.is_signed))
        else:
            self.put(path, 8 * at, 8 * plan.size, number)

    def write_bits(self, plan: Bits, value: object, path: str, at: int) -> None:
        self.put(path, 8 * at + plan.shift, plan.bits, _number(value, plan.bits, plan.is_signed, path))

    def write_boolean(self, plan: Boolean, value: object, path: str, at: int) -> None:
        if not isinstance(value, bool | int) or value not in (0, 1):
            raise UnencodableValue(path, f"expected true or false, not {_shown(value)}")
        first_bit, width = 8 * at + _shift(plan.number), _width(plan.number)
        if value:
            self._truths.append((path, first_bit, width))
        else:
            self.put(path, first_bit, width, 0)

    def write_enumeration(self, plan: Enumeration, value: object, path: str, at: int) -> None:
        if isinstance(value, str) and not NUMBER.fullmatch(value):
            if value not in plan.values:
                raise UnencodableValue(path, f"expected {_listed(plan.values)} or a number, not {_shown(value)}")
            value = plan.values[value]
        number = _number(value, _width(plan.number), plan.number.is_signed, path)
        self.put(path, 8 * at + _shift(plan.number), _width(plan.number), number)

    def write_float(self, plan: Floating, value: object, path: str, at: int) -> None:
        if value is None:
            self._nulls.append((path, at, FLOAT_FORMS[plan.size]))
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnencodableValue(path, f"expected a number, not {_shown(value)}")
        try:
            self.put_bytes(path, at, struct.pack(FLOAT_FORMS[plan.size], value))
        except (OverflowError, struct.error):
            reason = f"{_shown(value)} is too large for a number of {plan.size} bytes"
            raise UnencodableValue(path, reason) from None

    def write_pointer(self, plan: Address, value: object, path: str, at: int) -> None:
        self.put(path, 8 * at, 8 * plan.size, _number(value, 8 * plan.size, False, path))

    def write_untyped(self, plan: Hexadecimal, value: object, path: str, at: int) -> None:
        if isinstance(value, str):
            if len(value) != 2 * plan.size or not DIGITS.fullmatch(value):
                raise UnencodableValue(path, f"expected {2 * plan.size} hexadecimal digits, not {_shown(value)}")
            self.put_bytes(path, at, bytes.fromhex(value))
            return
        if isinstance(value, bool) or not isinstance(value, int):
            reason = f"expected {2 * plan.size} hexadecimal digits or a number, not {_shown(value)}"
            raise UnencodableValue(path, f"{reason} (its type is not known)")
        self.put(path, 8 * at, 8 * plan.size, _number(value, 8 * plan.size, False, path))

    def write_list(self, plan: Repeated, value: object, path: str, at: int) -> None:
        element = plan.element
        if isinstance(value, str) and isinstance(element, Integer) and element.size == 1:
            content = _text(value, plan.count, path) if element.is_char else _bytes(value, plan.count, path)
            self.put_bytes(path, at, content)
            return
        if not isinstance(value, list):
            raise UnencodableValue(path, f"expected a list of {plan.count} values, not {_shown(value)}")
        if len(value) > plan.count:
            raise UnencodableValue(path, f"expected {plan.count} values at most, not {len(value)}")
        for index, item in enumerate(value):
            self.fill(element, item, f"{path}[{index}]", at + index * element.size)

    def write_prefix(self, plan: Prefix, value: object, path: str, at: int) -> None:
        if isinstance(value, str) and (network := _network(value, plan.address_bytes)):
            self.put_bytes(path, at, network)
        elif isinstance(value, str) and isinstance(plan.stored, Record):
            reason = f'expected a prefix such as "{plan.example}", or an object, not {_shown(value)}'
            raise UnencodableValue(path, reason)
        else:
            self.fill(plan.stored, value, path, at)

    def write_record(self, plan: Record, value: object, path: str, at: int) -> None:
        parts = {part.name: part for part in plan.parts}
        if not isinstance(value, dict):
            raise UnencodableValue(path, f"expected an object with {_listed(parts)}, not {_shown(value)}")
        for name, item in value.items():
            if name not in parts:
                raise UnencodableValue(path, f"has no member {_shown(name)}; its members: {_listed(parts)}")
            part = parts[name]
            self.fill(part.plan, item, f"{path}.{name}" if path else name, at + part.offset)


WRITERS: dict[type[Plan], Callable[[_Draft, Any, object, str, int], None]] = {
    Integer: _Draft.write_integer,
    Bits: _Draft.write_bits,
    Boolean: _Draft.write_boolean,
    Enumeration: _Draft.write_enumeration,
    Floating: _Draft.write_float,
    Address: _Draft.write_pointer,
    Hexadecimal: _Draft.write_untyped,
    Repeated: _Draft.write_list,
    Prefix: _Draft.write_prefix,
    Record: _Draft.write_record,
}


def _shift(number: Integer | Bits) -> int:
    return number.shift if isinstance(number, Bits) else 0


def _width(number: Integer | Bits) -> int:
    return number.bits if isinstance(number, Bits) else 8 * number.size


def _number(value: object, bits: int, is_signed: bool, path: str) -> int:
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    number = int(value, 16 if "x" in value.lower() else 10) if _is_numeral(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not lowest <= number <= highest:
        raise UnencodableValue(path, f"expected a number from {lowest} to {highest}, not {_shown(value)}")
    return number


def _is_numeral(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and NUMBER.fullmatch(value) is not None


def _text(value: str, size: int, path: str) -> bytes:
    content = value.encode(errors="surrogatepass")
    if len(content) > size:
        raise UnencodableValue(path, f"expected text of {size} bytes at most, not {_shown(value)}")
    return content.ljust(size, b"\0")


def _bytes(value: str, size: int, path: str) -> bytes:
    if len(value) == 2 * size and DIGITS.fullmatch(value):
        return bytes.fromhex(value)
    address = _address(value, size)
    if address is None:
        spelling = SPELLINGS.get(size, "")
        reason = f"expected a list of {size} numbers, {2 * size} hexadecimal digits{spelling}, not {_shown(value)}"
        raise UnencodableValue(path, reason)
    return address


SPELLINGS = {4: " or an IPv4 address", 6: " or a MAC address", 16: " or an IPv6 address"}


def _address(text: str, size: int) -> bytes | None:
    """The bytes of an address in its usual spelling; None if `text` is none of this size."""
    if MAC.fullmatch(text):
        address = bytes.fromhex(text.replace(":", ""))
    else:
        try:
            address = ipaddress.ip_address(text).packed
        except ValueError:
            return None
    return address if len(address) == size and "%" not in text else None


def _network(text: str, size: int) -> bytes | None:
    """The key of a trie for a prefix in its usual spelling; None if `text` is none of addresses of this size."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    address = network.network_address.packed
    return network.prefixlen.to_bytes(LENGTH_BYTES, "little") + address if len(address) == size else None


def _listed(names: Mapping[str, object]) -> str:
    listed = ", ".join(list(names)[:SHOWN_NAMES]) or "none"
    return listed if len(names) <= SHOWN_NAMES else f"{listed} and {len(names) - SHOWN_NAMES} more"


def _shown(value: object) -> str:
    """The value as JSON, cut short, in characters that can be sent."""
    try:
        text = json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()
    except ValueError:  # Python writes no integers of more than 4300 digits
        return "a number with thousands of digits"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"

"""Which keys of LPM tries are network prefixes, and how they are shown.

The kernel gives every trie's key the same form: a prefix length of four bytes, then data whose leading bits count.
Four bytes of data are taken for an IPv4 address and sixteen for an IPv6 one where the declared type does not speak
against it: an integer, an array of integers that are no characters, a struct or union with nothing else in it. So are
those behind the length in a key that is an integer of eight bytes, or one whose type is not known. Other keys, such as
those with text or several fields, are shown as they are declared.

Bits beyond the prefix do not count: the kernel keeps those of whoever wrote an entry last, and no two entries differ in
nothing else. They are shown as zero.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dynmon.btf.plans import Hexadecimal, Integer, Plan, Record, Repeated, Rows

LENGTH_BYTES = 4
FAMILIES = {4: socket.AF_INET, 16: socket.AF_INET6}
EXAMPLES = {4: "10.0.0.0/8", 16: "2001:db8::/32"}


@dataclass(frozen=True, slots=True)
class Prefix(Plan):
    """The key of a trie as ``10.0.0.0/8`` or ``2001:db8::/32``; `stored` is what its declared type makes of it."""

    stored: Plan
    plural: ClassVar[str] = "prefixes"

    @property
    def address_bytes(self) -> int:
        """4 for IPv4, 16 for IPv6."""
        return self.size - LENGTH_BYTES

    @property
    def example(self) -> str:
        """What some prefix looks like."""
        return EXAMPLES[self.address_bytes]

    def decode(self, rows: Rows) -> list[Any]:
        masked = mask_prefixes(rows[:, : self.size])
        lengths = masked[:, :LENGTH_BYTES].copy().view("<u4")[:, 0].tolist()
        packed, size, family = masked[:, LENGTH_BYTES:].tobytes(), self.address_bytes, FAMILIES[self.address_bytes]
        return [
            f"{socket.inet_ntop(family, packed[row * size : (row + 1) * size])}/{length}"
            for row, length in enumerate(lengths)
        ]


def mask_prefixes(rows: Rows) -> Rows:
    """Keys of a trie, whatever their data is, with the bits beyond each prefix set to zero."""
    lengths = rows[:, :LENGTH_BYTES].copy().view("<u4")
    bits = np.arange(8 * (rows.shape[1] - LENGTH_BYTES), dtype=np.uint32)
    masked = rows.copy()
    masked[:, LENGTH_BYTES:] &= np.packbits(bits < lengths, axis=1)
    return masked


def prefix_plan(plan: Plan) -> Plan:
    """How to show the keys of a trie that `plan` decodes: as prefixes if they are some, otherwise as `plan` does."""
    return Prefix(plan.size, plan) if plan.size - LENGTH_BYTES in FAMILIES and _is_prefix(plan) else plan


def _is_prefix(plan: Plan) -> bool:
    if isinstance(plan, Record):
        length, *data = _visible(plan)
        return (
            _is_length(length) and len(data) == 1 and _is_address(data[0]) and length.size + data[0].size == plan.size
        )
    return isinstance(plan, Hexadecimal) or (isinstance(plan, Integer) and plan.size == 2 * LENGTH_BYTES)


def _visible(record: Record) -> list[Plan]:
    """Members with bytes, as declared: the kernel's own key ends with an array of none."""
    return [part.plan for part in record.parts if part.plan.size]


def _is_length(plan: Plan) -> bool:
    if isinstance(plan, Record):
        return [True] == [_is_length(each) for each in _visible(plan)]
    return isinstance(plan, Integer) and plan.size == LENGTH_BYTES and not plan.is_big_endian


def _is_address(plan: Plan) -> bool:
    """Whether all that `plan` shows is the whole address, once or, as a union does, in several ways."""
    if isinstance(plan, Record):
        inside = _visible(plan)
        return bool(inside) and all(each.size == plan.size and _is_address(each) for each in inside)
    element = plan.element if isinstance(plan, Repeated) else plan
    return isinstance(element, Integer) and not element.is_char

"""Keys of LPM tries are prefixes where their data is an address, and what they are declared as where it is not."""

import ipaddress
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynmon.btf import Hexadecimal, Prefix, UnencodableValue, encode_by_plan, leaves_of, plan_for, prefix_plan
from tests.unit.btf.builder import CHAR, BtfBuilder


def rows(*keys):
    return np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)


def key(length, address):
    return struct.pack("<I", length) + ipaddress.ip_address(address).packed


class Types(BtfBuilder):
    """The types that keys are made of."""

    def __init__(self):
        super().__init__()
        self.u8, self.u16, self.u32 = (self.integer(f"u{8 * size}", size) for size in (1, 2, 4))
        self.u64, self.char = self.integer("u64", 8), self.integer("char", 1, CHAR)

    def key(self, *members, size=8):
        """A struct of the prefix length and `members`: (type, byte)."""
        parts = [(f"m{at}", type_id, 8 * at) for type_id, at in members]
        return self.structure("key", size, [("prefixlen", self.u32, 0), *parts])

    def plan(self, type_id):
        return prefix_plan(plan_for(self.btf(), type_id))


PREFIXES = {
    "u32": lambda t: t.key((t.u32, 4)),
    "be32": lambda t: t.key((t.typedef("__be32", t.u32), 4)),
    "u8[4]": lambda t: t.key((t.array(t.u8, 4), 4)),
    "in_addr": lambda t: t.key((t.structure("in_addr", 4, [("s_addr", t.u32, 0)]), 4)),
    "union": lambda t: t.key((t.union("", 4, [("word", t.u32, 0), ("bytes", t.array(t.u8, 4), 0)]), 4)),
    "the kernel's key and an address": lambda t: t.structure(
        "key",
        8,
        [
            ("lpm", t.structure("bpf_lpm_trie_key", 4, [("prefixlen", t.u32, 0), ("data", t.array(t.u8, 0), 32)]), 0),
            ("address", t.u32, 32),
        ],
    ),
    "u64": lambda t: t.u64,
    "u8[16]": lambda t: t.key((t.array(t.u8, 16), 4), size=20),
    "be32[4]": lambda t: t.key((t.array(t.u32, 4), 4), size=20),
    "in6_addr": lambda t: t.key(
        (
            t.structure(
                "in6_addr",
                16,
                [("", t.union("", 16, [("a", t.array(t.u8, 16), 0), ("b", t.array(t.u16, 8), 0)]), 0)],
            ),
            4,
        ),
        size=20,
    ),
}
OTHERS = {
    "text": lambda t: t.key((t.array(t.char, 4), 4)),
    "two fields": lambda t: t.key((t.u16, 4), (t.u16, 6)),
    "another size": lambda t: t.key((t.u64, 4), size=12),
    "padding": lambda t: t.key((t.u16, 4)),
    "a union around everything": lambda t: t.union(
        "key", 8, [("words", t.array(t.u32, 2), 0), ("bytes", t.array(t.u8, 8), 0)]
    ),
    "a list of numbers": lambda t: t.array(t.u32, 2),
}


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_key_with_an_address_is_a_prefix(kind):
    types = Types()
    plan = types.plan(PREFIXES[kind](types))
    keys, texts = {
        8: ([key(8, "10.0.0.0"), key(32, "192.0.2.1"), key(0, "0.0.0.0")], ["10.0.0.0/8", "192.0.2.1/32", "0.0.0.0/0"]),
        20: ([key(32, "2001:db8::"), key(128, "::1"), key(0, "::")], ["2001:db8::/32", "::1/128", "::/0"]),
    }[plan.size]

    assert isinstance(plan, Prefix)
    assert texts == plan.decode(rows(*keys))
    assert keys == [encode_by_plan(plan, text) for text in texts]


@pytest.mark.parametrize("kind", OTHERS)
def test_a_key_with_anything_else_is_what_it_is_declared_as(kind):
    types = Types()
    type_id = OTHERS[kind](types)

    assert plan_for(types.btf(), type_id) == types.plan(type_id)


@pytest.mark.parametrize(("size", "is_prefix"), [(8, True), (20, True), (6, False), (16, False), (24, False)])
def test_a_key_without_type_is_a_prefix_by_its_size(size, is_prefix):
    assert is_prefix == isinstance(prefix_plan(Hexadecimal(size)), Prefix)


@given(st.sampled_from([4, 16]).flatmap(lambda size: st.tuples(st.binary(min_size=size, max_size=size), st.data())))
def test_bits_beyond_the_prefix_are_shown_as_zero(drawn):
    """As ipaddress, which knows nothing of rows, masks them."""
    packed, data = drawn
    length = data.draw(st.integers(0, 8 * len(packed)))
    plan = prefix_plan(Hexadecimal(4 + len(packed)))

    [text] = plan.decode(rows(struct.pack("<I", length) + packed))

    assert ipaddress.ip_network((packed, length), strict=False) == ipaddress.ip_network(text)


def test_no_keys_are_no_prefixes():
    assert [] == prefix_plan(Hexadecimal(8)).decode(np.empty((0, 8), np.uint8))


def test_a_prefix_may_be_given_as_its_type_has_it():
    types = Types()
    plan = types.plan(PREFIXES["u8[4]"](types))

    assert key(8, "10.0.0.0") == encode_by_plan(plan, {"prefixlen": 8, "m4": "10.0.0.0"})
    assert key(32, "10.0.0.1") == encode_by_plan(plan, "10.0.0.1")
    assert key(8, "10.0.0.0") == encode_by_plan(plan, "10.1.2.3/8")
    assert key(8, "10.0.0.0") == encode_by_plan(prefix_plan(Hexadecimal(8)), "080000000a000000")
    assert key(8, "10.0.0.0") == encode_by_plan(types.plan(types.u64), 0x0A00000008)


@pytest.mark.parametrize("value", ["10.0.0.0/33", "ten", "2001:db8::/32", ""])
def test_what_is_no_prefix_is_refused(value):
    types = Types()
    with pytest.raises(UnencodableValue) as refusal:
        encode_by_plan(types.plan(PREFIXES["u32"](types)), value)

    assert f'expected a prefix such as "10.0.0.0/8", or an object, not "{value}"' == str(refusal.value)


def test_a_prefix_says_why():
    types = Types()
    [leaf] = leaves_of(types.plan(PREFIXES["u8[16]"](types)), "struct key", "key")

    assert ("key", "struct key", 0, 20, "prefix such as 2001:db8::/32") == (
        leaf.path,
        leaf.type_name,
        leaf.offset,
        leaf.size,
        leaf.shown_as,
    )
    assert "the key of a trie: a prefix length, then 16 bytes that are taken for an address; bits" in leaf.why

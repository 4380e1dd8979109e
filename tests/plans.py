"""Plans and rows for tests: every part, at any place, with any bytes; and the row kernel that is to write them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from dynmon.compiler.sandbox import Sandbox
from dynmon.compiler.shared_object import build_library, find_linker
from dynmon.compiler.toolchain import find_toolchain
from dynmon.rendering import (
    BitField,
    Choice,
    Float,
    Form,
    Hexadecimal,
    Integer,
    Ipv4,
    Ipv6,
    Literal,
    Mac,
    Part,
    Pick,
    Prefix,
    Repeat,
    Scaled,
    Text,
    extent,
)
from dynmon.rendering.native import kernel_source
from dynmon.settings import CompileLimits

PICKED = 3
# What is written in another way than its neighbours.
EDGES = [
    *(b"\0", b"\xff", b"\x80", b"\x01", b"\x7f", b"\n", b'"', b"\\", b"\x1f"),
    *(
        b"\xc3\xa9",
        b"\xe2\x82\xac",
        b"\xf0\x9f\x90\x9d",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xe0\x80",
    ),
]
offsets = st.integers(0, 40)
forms = st.sampled_from(Form)
texts = st.binary(max_size=40)


@st.composite
def bit_fields(draw: st.DrawFn, most_bits: int = 128) -> BitField:
    """A bit-field in as few bytes as it can be in, or one more."""
    shift, bits = draw(st.integers(0, 7)), draw(st.integers(1, most_bits))
    size = min(17, -(-(shift + bits) // 8) + draw(st.integers(0, 1)))
    return BitField(draw(offsets), size, shift, bits, draw(st.booleans()))


integers = st.builds(Integer, offsets, st.sampled_from([*range(1, 9), 16]), st.booleans(), st.booleans())
words = st.builds(Integer, offsets, st.integers(1, 8), st.booleans(), st.booleans()) | bit_fields(64)
numbers_chosen = st.integers(-2, 3) | st.integers(-(1 << 70), 1 << 70)
simple = st.one_of(
    st.builds(Literal, texts),
    integers,
    bit_fields(),
    st.builds(Float, offsets, st.sampled_from([2, 4, 8]), forms),
    st.builds(Scaled, words, st.sampled_from([1e-9, 1e-6, 0.001, 1.0, 2.5, -1.0, 1e300]) | st.floats(), forms),
    st.builds(Ipv4, offsets),
    st.builds(Ipv6, offsets),
    st.builds(Prefix, offsets, st.sampled_from([4, 16])),
    st.builds(Mac, offsets),
    st.builds(Hexadecimal, offsets, st.integers(0, 20)),
    st.builds(Text, offsets, st.integers(0, 40), forms),
    # The index is in the first bytes of a row, which `rows_for` makes small enough.
    st.builds(Pick, st.just(0), st.lists(texts, min_size=PICKED, max_size=PICKED)),
)


def _nested(inner: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    movable = inner.filter(lambda part: not _has_pick(part))
    return st.builds(Choice, words, st.dictionaries(numbers_chosen, texts, max_size=6), inner) | st.builds(
        Repeat, offsets, st.lists(movable, max_size=3).map(tuple), st.integers(0, 4), st.integers(0, 9), texts
    )


def _has_pick(part: Part) -> bool:
    match part:
        case Choice():
            return _has_pick(part.otherwise)
        case Repeat():
            return any(map(_has_pick, part.parts))
    return isinstance(part, Pick)


parts = st.recursive(simple, _nested, max_leaves=6)
plans = st.lists(parts, max_size=8)


@st.composite
def rows_for(draw: st.DrawFn, plan: list[Part], most: int = 6) -> np.ndarray:
    """Rows that are just long enough, often with bytes that matter."""
    count, width = draw(st.integers(0, most)), max(4, extent(plan))
    piece = st.sampled_from(EDGES) | st.binary(min_size=1, max_size=8)
    rows = np.zeros((count, width), np.uint8)
    for row in rows:
        filled = b"".join(draw(st.lists(piece, max_size=width)))[:width]
        row[: len(filled)] = np.frombuffer(filled, np.uint8)
        row[:4] = np.frombuffer(draw(st.integers(0, PICKED - 1)).to_bytes(4, "little"), np.uint8)
    return rows


def built_library(folder: Path) -> bytes:
    """The row kernel, as the clang that is here makes it."""
    limits = CompileLimits()
    sandbox = Sandbox(find_toolchain(os.environ.get("DYNMON_CLANG")), folder, limits)
    try:
        return build_library(kernel_source(), sandbox, find_linker())
    finally:
        sandbox.close()

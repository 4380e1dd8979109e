"""Both executors write the same, byte for byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynmon.errors import UnsupportedError
from dynmon.rendering import Float, Form, Hexadecimal, Integer, Ipv6, Literal, Pick, Scaled, Text
from dynmon.rendering.native import CALL_BYTES, RowKernel
from dynmon.rendering.plain import render_plainly
from dynmon.rendering.program import encode
from tests.plans import built_library, plans, rows_for
from tests.support import needs

pytestmark = needs("clang")
NEWLINE = Literal(b"\n")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    return RowKernel(built_library(tmp_path_factory.mktemp("headers")))


def both(kernel, plan, rows):
    """What the native one writes, and what it should."""
    return kernel.render(encode(plan), rows).split(b"\n"), render_plainly(plan, rows).split(b"\n")


@given(st.data())
@settings(max_examples=400)
def test_any_plan(kernel, data):
    """All parts, in any order and one inside the other."""
    plan = data.draw(plans)
    rows = data.draw(rows_for(plan))

    assert render_plainly(plan, rows) == kernel.render(encode(plan), rows)


@pytest.mark.parametrize("form", Form)
@given(st.lists(st.floats(), min_size=1, max_size=50))
@settings(max_examples=300)
def test_doubles(kernel, form, values):
    """Shortest digits, and the nearest where there are several."""
    rows = np.array(values, "<f8").view(np.uint8).reshape(-1, 8)
    written, expected = both(kernel, [Float(0, 8, form), NEWLINE], rows)

    assert expected == written


@pytest.mark.parametrize("form", Form)
def test_doubles_at_every_power(kernel, form):
    """Every power of two and of ten, and their neighbours."""
    powers = np.array([2.0**n for n in range(-1074, 1024)] + [float(f"1e{n}") for n in range(-323, 309)])
    values = np.concatenate([powers, np.nextafter(powers, np.inf), np.nextafter(powers, 0), -powers])
    written, expected = both(kernel, [Float(0, 8, form), NEWLINE], values.view(np.uint8).reshape(-1, 8))

    assert expected == written


def test_doubles_at_random(kernel):
    """Any bits at all."""
    rows = np.random.default_rng(6).integers(0, 256, (50_000, 8), np.uint8)
    written, expected = both(kernel, [Float(0, 8, Form.JSON), NEWLINE], rows)

    assert expected == written


def test_every_half(kernel):
    """All that 16 bits can be."""
    rows = np.arange(1 << 16, dtype="<u2").view(np.uint8).reshape(-1, 2)
    written, expected = both(kernel, [Float(0, 2, Form.EXPOSITION), NEWLINE], rows)

    assert expected == written


def test_integers_at_every_power(kernel):
    """One digit more, one bit more."""
    near = [(base**n + step) % (1 << 128) for base in (2, 10) for n in range(129) for step in (-1, 0, 1)]
    rows = np.frombuffer(b"".join(number.to_bytes(16, "little") for number in near), np.uint8).reshape(-1, 16)
    for size in (1, 2, 4, 8, 16):
        for is_signed in (False, True):
            written, expected = both(kernel, [Integer(0, size, is_signed), NEWLINE], rows)
            assert expected == written


def test_scaled_counts(kernel):
    """Nanoseconds to seconds: the whole range."""
    rows = np.random.default_rng(6).integers(0, 256, (20_000, 8), np.uint8)
    rows[::2, 4:] = 0
    for is_signed in (False, True):
        plan = [Scaled(Integer(0, 8, is_signed), 1e-9, Form.EXPOSITION), NEWLINE]
        written, expected = both(kernel, plan, rows)
        assert expected == written


def test_ipv6_with_every_pattern_of_zeros(kernel):
    """Which run of zeros is left out, and where IPv4 is dotted."""
    words = [[(pattern >> place & 1) * 0xA0B for place in range(8)] for pattern in range(256)]
    words += [[0, 0, 0, 0, 0, 0xFFFF, high, low] for high in (0, 1, 0xFFFF) for low in (0, 0x1234)]
    rows = np.frombuffer(b"".join(struct.pack(">8H", *each) for each in words), np.uint8).reshape(-1, 16)
    written, expected = both(kernel, [Ipv6(0), NEWLINE], rows)

    assert expected == written


def test_text_of_any_two_bytes(kernel):
    """Every beginning of a character, with every byte behind it."""
    pairs = np.arange(1 << 16, dtype=">u2").view(np.uint8).reshape(-1, 2)
    rows = np.concatenate([pairs, np.full_like(pairs, 0x80)], axis=1)
    for form in Form:
        plan = [Text(0, 4, form), Literal(b"\0")]
        assert render_plainly(plan, rows) == kernel.render(encode(plan), rows)


def test_longer_than_one_call(kernel):
    """Rows for which the text is made in several calls, and one row that fills more than one."""
    rows = np.random.default_rng(6).integers(0, 256, (3, CALL_BYTES), np.uint8)
    for plan in ([Hexadecimal(0, CALL_BYTES)], [Literal(b"x" * (CALL_BYTES // 2)), Integer(0, 1)]):
        assert render_plainly(plan, rows) == kernel.render(encode(plan), rows)


def test_many_texts_to_pick(kernel):
    """More of them than an index of two bytes tells apart."""
    texts = [b"text %d" % number for number in range(70_000)]
    rows = np.arange(70_000, dtype="<u4").view(np.uint8).reshape(-1, 4)

    assert b"".join(texts) == kernel.render(encode([Pick(0, texts)]), rows)


@pytest.mark.parametrize("library", [b"", b"\x7fELF" + bytes(60)])
def test_what_is_no_library_is_refused(library):
    """The error says that it is the row kernel that cannot be loaded."""
    with pytest.raises(UnsupportedError, match="load the row kernel: "):
        RowKernel(library)

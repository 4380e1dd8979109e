"""The native executor is built when it is worth it, takes over by itself, and is not missed where it cannot be."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from dynmon.errors import UnsupportedError
from dynmon.rendering import ENGINE, Integer, Literal, render, render_chunks
from dynmon.rendering.engine import WORTH_BUILDING_ROWS, Engine
from dynmon.rendering.native import kernel_source
from tests.plans import built_library
from tests.support import needs


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return built_library(tmp_path_factory.mktemp("headers"))


@needs("clang")
def test_many_rows_make_it_be_built(library):
    """Few do not; it is there for everybody when it is built, also when nobody could build another."""
    engine, asked = Engine(), []

    def build(source):
        asked.append(source)
        return library

    with engine.built_by(build):
        assert engine.kernel(WORTH_BUILDING_ROWS - 1) is None
        assert [] == asked
        engine.kernel(WORTH_BUILDING_ROWS)
        engine.wait()
        assert engine.kernel(1) is engine.kernel(WORTH_BUILDING_ROWS) is not None
    assert engine.kernel(1) is not None
    assert [kernel_source()] == asked


def test_what_cannot_be_built_is_said_once(caplog):
    """And not tried again."""

    def build(source):
        raise UnsupportedError("link a library: there is no ld")

    engine = Engine()
    with engine.built_by(build), caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert engine.kernel(WORTH_BUILDING_ROWS) is None
            engine.wait()

    assert ["big answers are written by the slower executor: link a library: there is no ld"] == caplog.messages


def test_without_anybody_to_build_it():
    """The other executor writes."""
    assert Engine().kernel(WORTH_BUILDING_ROWS) is None


@needs("clang")
def test_a_text_goes_on_in_the_other_executor(library):
    """What is written first and what is written when the native one is there are one text."""
    rows = np.arange(6 * WORTH_BUILDING_ROWS, dtype="<u4").view(np.uint8).reshape(-1, 4)
    plan = [Integer(0, 4), Literal(b"\n")]
    with ENGINE.built_by(lambda source: library):
        chunks = render_chunks(plan, rows, WORTH_BUILDING_ROWS)
        first = next(chunks)
        ENGINE.wait()
        whole = first + b"".join(chunks)

    assert b"".join(b"%d\n" % number for number in range(len(rows))) == whole == render(plan, rows)

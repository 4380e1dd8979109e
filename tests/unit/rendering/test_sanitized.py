"""The row kernel under AddressSanitizer and UBSan: no byte too many, nothing that C leaves open."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynmon.rendering
from dynmon.rendering import Float, Form
from dynmon.rendering.plain import render_plainly
from dynmon.rendering.program import SLACK, encode
from tests.plans import plans, rows_for
from tests.support import needs, run

pytestmark = needs("sanitizers")
KERNEL = Path(dynmon.rendering.__file__).parent / "kernel"
SANITIZERS = "-fsanitize=address,undefined"
LENGTH = struct.Struct("<Q")


class Driver:
    """A process that renders what it is sent, and ends when it does something wrong."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def render(self, plan, rows) -> bytes:
        program = encode(plan)
        sizes = (len(program.steps), len(program.entries), len(program.pool), len(program.powers), *rows.shape)
        arrays = (program.steps, program.entries, program.pool, program.powers, rows)
        self.process.stdin.write(struct.pack("<7Q", *sizes, len(rows) * program.longest + SLACK))
        self.process.stdin.write(b"".join(array.tobytes() for array in arrays))
        self.process.stdin.flush()
        told = self.process.stdout.read(LENGTH.size)
        if len(told) < LENGTH.size:
            pytest.fail(self.process.stderr.read().decode())
        return self.process.stdout.read(*LENGTH.unpack(told))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    program = tmp_path_factory.mktemp("driver") / "driver"
    source = Path(__file__).with_name("driver.c")
    clang = os.environ.get("DYNMON_CLANG") or "clang"
    flags = ("-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", SANITIZERS, "-fno-sanitize-recover=all")
    run(clang, *flags, "-I", str(KERNEL), "-o", str(program), str(source))
    driver = Driver(program)
    yield driver
    driver.process.stdin.close()
    assert 0 == driver.process.wait()
    driver.process.stdout.close()
    driver.process.stderr.close()


@given(st.data())
@settings(max_examples=400)
def test_any_plan(driver, data):
    """All parts, in any order and one inside the other, in as little memory as there may be."""
    plan = data.draw(plans)
    rows = data.draw(rows_for(plan))

    assert render_plainly(plan, rows) == driver.render(plan, rows)


def test_doubles(driver):
    """Every power of ten of the table."""
    powers = np.array([2.0**n for n in range(-1074, 1024)] + [float(f"1e{n}") for n in range(-323, 309)])
    plan, rows = [Float(0, 8, Form.JSON)], powers.view(np.uint8).reshape(-1, 8)

    assert render_plainly(plan, rows) == driver.render(plan, rows)

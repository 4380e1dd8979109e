"""What a program can return, as its instructions tell."""

from __future__ import annotations

import struct

import pytest

from dynmon.bpf.exits import possible_verdicts

EXIT = (0x95, 0, 0, 0, 0)


def program(*instructions: tuple[int, int, int, int, int]) -> bytes:
    return b"".join(
        struct.pack("=BBhi", code, target | source << 4, offset, immediate)
        for code, target, source, offset, immediate in instructions
    )


def move(register: int, value: int) -> tuple[int, int, int, int, int]:
    return (0xB7, register, 0, 0, value)


def copy(target: int, source: int) -> tuple[int, int, int, int, int]:
    return (0xBF, target, source, 0, 0)


def call(helper: int, source: int = 0) -> tuple[int, int, int, int, int]:
    return (0x85, 0, source, 0, helper)


def skip_if_equal(register: int, value: int, count: int) -> tuple[int, int, int, int, int]:
    return (0x15, register, 0, count, value)


LOAD_WORD = (0x61, 1, 1, 0, 0)


@pytest.mark.parametrize("value", [-1, 0, 2, 7])
def test_a_constant(value: int) -> None:
    assert {value} == possible_verdicts(program(move(0, value), EXIT))


def test_a_32_bit_move_of_minus_one_is_minus_one() -> None:
    assert {-1} == possible_verdicts(program((0xB4, 0, 0, 0, -1), EXIT))


def test_a_wide_constant_takes_two_places() -> None:
    assert {2} == possible_verdicts(program((0x18, 0, 0, 0, 2), (0, 0, 0, 0, 0), EXIT))


def test_branches_join() -> None:
    """Both ways are possible, whatever the branch looks at."""
    code = program(LOAD_WORD, move(0, -1), skip_if_equal(1, 7, 1), move(0, 2), EXIT)

    assert {-1, 2} == possible_verdicts(code)


def test_a_comparison_tells_the_value() -> None:
    """Code that returns the null pointer of a lookup that found nothing returns 0 there."""
    code = program(call(1), skip_if_equal(0, 0, 1), move(0, 2), EXIT)

    assert {0, 2} == possible_verdicts(code)


def test_a_value_waits_in_another_register() -> None:
    """A helper leaves registers 6 to 9 as they are."""
    assert {-1} == possible_verdicts(program(move(6, -1), call(1), copy(0, 6), EXIT))


def test_a_loop_ends() -> None:
    code = program(move(0, 0), LOAD_WORD, move(0, 2), (0x55, 1, 0, -3, 0), EXIT)

    assert {2} == possible_verdicts(code)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param((call(1), EXIT), id="what a helper returns"),
        pytest.param((move(1, -1), call(1), copy(0, 1), EXIT), id="an argument, behind the call"),
        pytest.param(((0x61, 0, 1, 0, 0), EXIT), id="memory"),
        pytest.param((move(0, 1), (0x07, 0, 0, 0, 1), EXIT), id="arithmetic"),
        pytest.param((move(0, 1), (0xDB, 10, 0, -8, 1), EXIT), id="what was in memory before an addition"),
        pytest.param((move(0, 1), (0xDB, 10, 1, -8, 0xF1), EXIT), id="what was compared and exchanged"),
        pytest.param((call(12), move(0, 2), EXIT), id="a tail call"),
        pytest.param((call(77, 2), move(0, 2), EXIT), id="a function of the kernel"),
        pytest.param(((0x8D, 1, 0, 0, 0), move(0, 2), EXIT), id="a call of what a register says"),
        pytest.param((move(0, 2),), id="no end"),
        pytest.param((), id="nothing"),
    ],
)
def test_what_is_not_known(code: tuple[tuple[int, int, int, int, int], ...]) -> None:
    assert possible_verdicts(program(*code)) is None


def test_too_long_a_program_has_no_answer() -> None:
    assert possible_verdicts(program(*[move(1, 0)] * 50_000, move(0, 0), EXIT)) is None

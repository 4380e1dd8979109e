"""Programs are timed until the latest time that somebody asked for."""

import time

from dynmon.cubes.timing import ProgramTiming
from tests.support import open_descriptors, wait_until


def is_held():
    return any("bpf-stats" in each for each in open_descriptors())


def test_a_shorter_wish_does_not_end_a_longer_one():
    began = time.monotonic()
    with ProgramTiming() as timing:
        timing.extend(0.5)
        timing.extend(0.01)
        assert timing.is_on
        wait_until(lambda: not is_held(), "programs to be timed no more")

    assert time.monotonic() - began >= 0.5


def test_a_longer_wish_goes_on_from_a_shorter_one():
    began = time.monotonic()
    with ProgramTiming() as timing:
        timing.extend(0.01)
        timing.extend(0.5)
        wait_until(lambda: not is_held(), "programs to be timed no more")
        assert time.monotonic() - began >= 0.5

        timing.extend(60)
        assert is_held()
    assert not is_held()
    timing.close()

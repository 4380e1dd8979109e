"""Whoever has waited longest is next."""

import signal
import threading

import pytest

from dynmon.cubes.turns import Turns
from tests.support import wait_until


def test_it_is_taken_in_the_order_of_asking():
    turns, order = Turns(), []

    def take(number):
        with turns, turns:
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    with turns:
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(lambda number=number: len(turns._waiting) == number + 1, "a thread to wait")
    for thread in threads:
        thread.join()

    assert [0, 1, 2, 3, 4] == order


def test_a_reader_that_never_stops_lets_others_in():
    turns, is_over = Turns(), threading.Event()

    def read():
        while not is_over.is_set():
            with turns:
                sum(range(20_000))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        with turns:
            pass
    is_over.set()
    reader.join()


class Interrupted(Exception):
    pass


@pytest.fixture
def interruptions():
    """Whether the main thread has been interrupted: the first SIGUSR1 raises there, those after it do nothing."""
    seen = []

    def interrupt(*_):
        seen.append(True)
        if 1 == len(seen):
            raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield seen
    signal.signal(signal.SIGUSR1, before)


def test_a_wait_that_is_interrupted_holds_nobody_up(interruptions):
    turns, may_end = Turns(), threading.Event()
    has_it = threading.Event()

    def hold():
        with turns:
            has_it.set()
            may_end.wait()

    def is_interrupted():
        # Again and again: a signal in the instant before Python sleeps in a lock is seen when the sleep ends.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        return interruptions

    def interrupt():
        wait_until(lambda: turns._waiting, "the main thread to wait")
        wait_until(is_interrupted, "the main thread to be interrupted")

    threads = [threading.Thread(target=hold), threading.Thread(target=interrupt)]
    threads[0].start()
    has_it.wait()
    threads[1].start()
    with pytest.raises(Interrupted), turns:
        pass
    assert not turns._waiting
    may_end.set()
    for thread in threads:
        thread.join()
    with turns:
        assert 1 == turns._depth
    assert not turns._owner

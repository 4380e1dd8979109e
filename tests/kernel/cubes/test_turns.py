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


def test_a_wait_that_is_interrupted_holds_nobody_up():
    turns, may_end = Turns(), threading.Event()
    has_it = threading.Event()

    def hold():
        with turns:
            has_it.set()
            may_end.wait()

    def interrupt():
        wait_until(lambda: turns._waiting, "the main thread to wait")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threads = [threading.Thread(target=hold), threading.Thread(target=interrupt)]
    threads[0].start()
    has_it.wait()
    threads[1].start()
    with pytest.raises(KeyboardInterrupt), turns:
        pass
    assert not turns._waiting
    may_end.set()
    for thread in threads:
        thread.join()
    with turns:
        assert 1 == turns._depth
    assert not turns._owner

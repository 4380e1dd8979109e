"""A lock that is taken in turns.

Python's own locks go to whoever asks at the right moment, and that is mostly the thread that has just given it back. A
few readers that never stop would keep an injection waiting for seconds.
"""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A lock that goes to whoever has waited longest; a thread that has it may take it again."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner = 0  # no thread has this number
        self._depth = 0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    @property
    def is_held(self) -> bool:
        """Whether this thread has it."""
        return self._owner == threading.get_ident()

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        turn = threading.Lock()
        turn.acquire()
        try:
            with self._guard:
                if not self._owner:
                    self._owner, self._depth = me, 1
                    return
                self._waiting.append((me, turn))
            turn.acquire()
        except BaseException:  # an interrupt from the keyboard
            self._give_up(me, turn)
            raise

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            with self._guard:
                self._pass_on()

    def _pass_on(self) -> None:
        if not self._waiting:
            self._owner = 0
            return
        self._owner, turn = self._waiting.popleft()
        self._depth = 1
        turn.release()

    def _give_up(self, me: int, turn: threading.Lock) -> None:
        with self._guard:
            if (me, turn) in self._waiting:
                self._waiting.remove((me, turn))
            elif self._owner == me:  # it was our turn already
                self._pass_on()

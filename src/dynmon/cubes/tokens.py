"""Tokens: what a client has seen, so that its next read can begin there."""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from dynmon.cubes.errors import TokenForgotten
from dynmon.metrics.ledger import Ledger
from dynmon.models import Direction

MOST_TOKENS = 256
Name = tuple[Direction, str, str]  # a metric of a path, and the interface where it is split


@dataclass(frozen=True, slots=True)
class Seen:
    """How far into which ledgers a token goes, by metric; and the token that was given for it."""

    marks: dict[Name, tuple[Ledger, int]]
    parent: str | None

    def release(self) -> None:
        for ledger, mark in self.marks.values():
            ledger.release(mark)


class Tokens:
    """The tokens of one cube. A token lasts until its successor is used, for an answer may get lost on its way."""

    def __init__(self, cube: str) -> None:
        self._cube = cube
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._prefix = secrets.token_hex(4)  # a cube of the same name, made later, has other tokens
        self._numbers = itertools.count(1)

    def issue(self, marks: dict[Name, tuple[Ledger, int]], parent: str | None) -> str:
        """A new token; the oldest ones are forgotten where there are too many."""
        token = f"{self._prefix}-{next(self._numbers)}"
        self._seen[token] = Seen(marks, parent)
        while len(self._seen) > MOST_TOKENS:
            self._seen.popitem(last=False)[1].release()
        return token

    def look_up(self, token: str) -> Seen:
        """What was given for a token. Whoever presents it has got it, so the one before is no longer needed.

        Raises:
            TokenForgotten: It is unknown, or too many others came after it.
        """
        seen = self._seen.get(token)
        if seen is None:
            raise TokenForgotten(self._cube, token)
        self._seen.move_to_end(token)
        if seen.parent is not None and seen.parent in self._seen:
            self._seen.pop(seen.parent).release()
        return seen

    def forget_all_but(self, ledgers: Iterable[Ledger]) -> None:
        """Let go of ledgers that are in use no more, and of the tokens that only go into such."""
        used = {id(each) for each in ledgers}
        for token, seen in list(self._seen.items()):
            marks = {name: each for name, each in seen.marks.items() if id(each[0]) in used}
            if marks or not seen.marks:
                self._seen[token] = Seen(marks, seen.parent)
            else:
                del self._seen[token]

    def clear(self) -> None:
        """Forget all, with the ledgers that they refer to."""
        self._seen.clear()

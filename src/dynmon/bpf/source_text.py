"""The lines of a user's text, by the file and number that the compiler knows them by.

Code that was packed with the headers beside it has line markers, ``# 1 "common.h" 1``: what follows is line 1 of that
file, and ``# 2 "<stdin>" 2`` leads back. So the number of a line is not its position in the text.
"""

from __future__ import annotations

import re

USER_FILE = "<stdin>"
# clang ends a line at each of these.
LINE_END = re.compile(r"\r\n|\r|\n")
# Longer lines are of nobody who reads them; patterns are looked for in what is left.
MAX_LINE = 1000
MARKER = re.compile(r'^[ \t]*#[ \t]*(?:line[ \t]+)?(\d+)[ \t]+"((?:\\.|[^"\\])*)"')


class SourceText:
    """A text and the headers that were packed into it. Files go by their last name, as the kernel shows them."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int], str] = {}
        self._headers: set[str] = set()
        name, number = USER_FILE, 1
        for line in (whole[:MAX_LINE] for whole in LINE_END.split(text)):
            if marker := MARKER.match(line):
                # The marker stands where the user wrote #include.
                self._lines.setdefault((name, number), f'#include "{marker[2]}"')
                name, number = base_name(marker[2]), int(marker[1])
                self._headers |= {name, marker[2]} - {USER_FILE}
            else:
                self._lines[name, number] = line
                number += 1

    @property
    def lines(self) -> dict[int, str]:
        """The user's own lines by their numbers."""
        return {number: line for (name, number), line in self._lines.items() if name == USER_FILE}

    def line(self, file: str, number: int) -> str:
        """The text of a line, "" where it is none of this text."""
        return self._lines.get((base_name(file), number), "")

    def has_header(self, file: str) -> bool:
        """Whether `file`, as it is included or without its folder, is one of the headers."""
        return file in self._headers

    def quote_header(self, file: str, number: int) -> str:
        """Say that something is about a line of a header, while its place is where the user's code leads there."""
        return f"in {file}:{number} ({self.line(file, number).strip()}): "


def base_name(path: str) -> str:
    """The file without its folder."""
    return path.rpartition("/")[2]

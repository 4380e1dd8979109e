"""Put the headers that stand beside a C file into its text: code travels to the daemon as one text.

A name may also be one from the top of a checkout, ``"lib/bpf/x.h"``: what is not beside the file that includes it is
looked for in the folder of the file that is packed and in those above, nearest first, up to the one with ``.git``.

Only ``#include "name"`` of a file that is there is replaced, once for each time it is written, as the preprocessor
would; include guards are left to do their work. Line markers around it (``# 1 "name" 1``) keep the compiler's findings
at the lines of the files that people have. ``vmlinux.h`` stays as it is: the daemon has one of its own kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dynmon.errors import InvalidInputError

LINES = re.compile(r"[^\n]*\n|[^\n]+")
INCLUDE = re.compile(r'[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"')
ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once\b", re.MULTILINE)
# Where a comment or a literal begins, and where it ends.
OPENING = re.compile(r"""/\*|//|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""")
MAIN_FILE = "<stdin>"
OF_THE_KERNEL = "vmlinux.h"
MAX_CHARACTERS = 16 << 20
MAX_DEPTH = 64
MAX_FOLDERS = 32
OF_THE_HOST = Path("/usr/include")  # the daemon has headers of its own


class IncludeError(InvalidInputError):
    """Headers that include one another without end."""


def with_local_includes(text: str, file: Path, read: Callable[[Path], str]) -> str:
    """`text` of `file` with its local headers in it, which `read` gives; without any it is the same, to the byte.

    Raises:
        IncludeError: A header includes itself, or they unfold into more than anybody wrote.
    """
    pieces = list(_Unfolding(read, _folders(file)).pieces(text, file, MAIN_FILE, (file.resolve(),)))
    return "".join(pieces)


@dataclass(slots=True)
class _Unfolding:
    read: Callable[[Path], str]
    folders: Sequence[Path]
    once: set[Path] = field(default_factory=set)
    characters: int = 0

    def pieces(self, text: str, file: Path, name: str, way: tuple[Path, ...]) -> Iterator[str]:
        in_comment = False
        for number, line in enumerate(LINES.findall(text), 1):
            match = None if in_comment else INCLUDE.match(line)
            header = _local(match[1], file, self.folders) if match else None
            in_comment = _ends_in_comment(line, in_comment)
            if match is None or header is None:
                yield line
                continue
            if header.resolve() in self.once:
                yield "\n"
                continue
            yield f'# 1 "{_quoted(match[1])}" 1\n'
            yield from self._header(header, match[1], way)
            yield f'# {number + 1} "{_quoted(name)}" 2\n'

    def _header(self, header: Path, name: str, way: tuple[Path, ...]) -> Iterator[str]:
        path = header.resolve()
        if path in way or len(way) > MAX_DEPTH:
            names = " includes ".join(step.name for step in (*way[way.index(path) if path in way else 0 :], path))
            raise IncludeError(f"headers include one another without end: {names}")
        text = self.read(header)
        self.characters += len(text)
        if self.characters > MAX_CHARACTERS:
            raise IncludeError(f"the headers of {way[0].name} unfold into more than {MAX_CHARACTERS >> 20} MiB")
        if ONCE.search(text):
            self.once.add(path)
            # In the middle of a text the pragma would say it of all of it.
            text = ONCE.sub("//\\g<0>", text)
        yield from self.pieces(text, header, name, (*way, path))
        if not text.endswith("\n"):
            yield "\n"


def _folders(file: Path) -> list[Path]:
    """The folder of `file` and those above it, as far as its checkout reaches."""
    folders: list[Path] = []
    for folder in file.resolve().parents[:MAX_FOLDERS]:
        folders.append(folder)
        if (folder / ".git").exists():
            break
    return folders


def _local(name: str, file: Path, folders: Sequence[Path]) -> Path | None:
    written = Path(name)
    if written.name == OF_THE_KERNEL or "\0" in name:
        return None
    if _is_there(beside := file.parent / name):
        return beside
    if written.is_absolute() or ".." in written.parts:
        return None
    above = (folder / name for folder in folders)
    return next((each for each in above if _is_there(each) and not each.resolve().is_relative_to(OF_THE_HOST)), None)


def _is_there(header: Path) -> bool:
    """Whether it is a file; one that may not be looked at, or whose name is too long, is none."""
    try:
        return header.is_file()
    except OSError:
        return False


def _ends_in_comment(line: str, in_comment: bool) -> bool:
    """Whether the line behind this one begins within a ``/* */`` comment."""
    position = 0
    while True:
        if in_comment:
            end = line.find("*/", position)
            if end < 0:
                return True
            in_comment, position = False, end + 2
        opening = OPENING.search(line, position)
        if opening is None or opening[0] == "//":
            return False
        position = opening.end()
        in_comment = opening[0] == "/*"


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\")

"""The JSON body of a request: from key=value arguments, or from standard input."""

from __future__ import annotations

import json
import math
import os
import re
import select
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynmon.cli.polycubectl.grammar import UsageError
from dynmon.errors import InvalidInputError

MAX_STDIN_BYTES = 64 << 20
# A pipe that is inherited but never written to (ssh without a terminal, a test runner, a CI job) looks like one
# whose writer is slow. So long we wait for its first byte; a lone "-" argument waits for ever.
FIRST_BYTE_SECONDS = 3.0

MAX_NUMBER_CHARACTERS = 300  # 1e308 is the end of the floats, and nobody counts further
INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("f", "F", "false", "FALSE", "False"), False),
}
# Names and words: 007 and 1e3 are good names for a cube or an interface, and stay strings.
TEXT_KEYS = frozenset(
    {"name", "cube", "port", "peer", "peer1", "peer2", "parent", "before", "after", "position", "map-name"}
    | {"code", "help", "type", "loglevel", "service-name", "uri"}
)

Scalar = str | int | float | bool


class BadInput(UsageError):
    """Standard input holds neither JSON nor YAML."""


def coerce(key: str, text: str) -> Scalar:
    """The value of ``key=text``: a number or truth value where it looks like one and the key is not a name's."""
    if key.rsplit(".", 1)[-1] in TEXT_KEYS or len(text) > MAX_NUMBER_CHARACTERS:
        return text
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return BOOLEANS.get(text, text)


def nest(pairs: Sequence[tuple[str, Scalar]]) -> dict[str, Any]:
    """Dotted keys as nested objects, keys in alphabetical order.

    Raises:
        UsageError: A key is both a value and an object.
    """
    document: dict[str, Any] = {}
    for key, value in sorted(pairs):
        *parents, leaf = key.split(".")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise UsageError(f"{key!r} cannot be set: {parent!r} has a value of its own")
        place[leaf] = value
    return document


def read_stdin(wait: bool) -> str | None:
    """What standard input brings, None when it brings nothing.

    A terminal, a device such as /dev/null, a closed descriptor and an empty file bring nothing. A file is read
    from where it stands; a pipe or socket until its writer closes it. A pipe that stays silent for
    FIRST_BYTE_SECONDS brings nothing either, unless `wait`.

    Raises:
        BadInput: More than MAX_STDIN_BYTES, or not UTF-8.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return None
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        if not wait and not select.select([0], [], [], FIRST_BYTE_SECONDS)[0]:
            _say_that_stdin_is_silent()
            return None
    elif not stat.S_ISREG(mode):
        return None
    try:
        with os.fdopen(0, "rb", closefd=False) as stdin:
            raw = stdin.read(MAX_STDIN_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read standard input: {error.strerror}") from error
    if len(raw) > MAX_STDIN_BYTES:
        raise BadInput(f"standard input is longer than {MAX_STDIN_BYTES >> 20} MiB")
    try:
        return raw.decode() or None
    except UnicodeDecodeError as error:
        raise BadInput(f"standard input is not UTF-8 text (byte {error.start})") from error


def parse_document(text: str) -> Any:
    """`text` as JSON, or as YAML when it is not JSON; ``code-file`` entries are replaced by what they name.

    Raises:
        BadInput: It is neither, or names a file that cannot be read.
    """
    from dynmon.cli.pack import parse_text, resolve_code_files

    try:
        document = parse_text(text, "standard input")
        json.dumps(document, allow_nan=False)
        return resolve_code_files(document, _folder_of_stdin())
    except InvalidInputError as error:
        raise BadInput(str(error)) from error
    except (TypeError, ValueError) as error:
        raise BadInput(f"standard input cannot be sent as JSON: {error}") from error


def _folder_of_stdin() -> Path:
    """Where the file on standard input lies, so that it can name others beside it; else the working directory."""
    try:
        file = Path("/proc/self/fd/0").readlink()
    except OSError:
        return Path()
    return file.parent if file.is_file() else Path()


def _say_that_stdin_is_silent() -> None:
    print(
        f"polycubectl: nothing came on standard input within {FIRST_BYTE_SECONDS:g} s, so it is not used "
        "('-' as an argument waits for it, '</dev/null' does not)",
        file=sys.stderr,
    )

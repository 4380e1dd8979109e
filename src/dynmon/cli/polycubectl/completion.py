"""Bash completion: the script that ``polycubectl completion bash`` prints, and the candidates it asks for.

The script hands its words to the hidden ``polycubectl completion candidates INDEX WORD…``. Candidates come from
the daemon's OPTIONS answers; where there is no daemon there are none, and no message breaks the prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dynmon.cli.polycubectl.grammar import FORMATS, METHODS, PLACES, POSITIONS, UsageError
from dynmon.errors import DynmonError

if TYPE_CHECKING:
    from dynmon.client import DynmonClient

BASH_SCRIPT = r"""# bash completion for polycubectl: source this, or put it into /etc/bash_completion.d/
_polycubectl() {
    COMPREPLY=()
    local line
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(polycubectl completion candidates "$COMP_CWORD" "${COMP_WORDS[@]}" 2>/dev/null </dev/null)
    case "${#COMPREPLY[@]},${COMPREPLY[0]}" in
        1,*=) compopt -o nospace 2>/dev/null ;;
        1,'<'*) COMPREPLY+=(' ') ;;  # a hint: two candidates are shown, and none is typed
    esac
}
complete -F _polycubectl polycubectl
"""
TIMEOUT_SECONDS = 3.0
# Bash takes these as words of their own (COMP_WORDBREAKS); a key=value or cube:port argument is one word to us.
BREAKS = "=:"
SHOW_FLAGS = (*(f"-{name}" for name in FORMATS), "-hide=")
LOCAL_WORDS = ("completion", "version")
TWO_NAMES = ("attach", "detach", "connect", "disconnect")


def run_completion(arguments: Sequence[str]) -> int:
    """``completion bash`` prints the script, ``completion candidates INDEX WORD…`` what can stand at INDEX.

    Raises:
        UsageError: Neither of them.
    """
    match list(arguments):
        case ["bash"]:
            print(BASH_SCRIPT, end="")
        case ["candidates", index, _, *words] if index.isdecimal() and int(index) >= 1:
            for candidate in _for_bash(words, int(index) - 1):
                print(candidate)
        case _:
            raise UsageError("usage: polycubectl completion bash")
    return 0


def _for_bash(bash_words: Sequence[str], index: int) -> Iterator[str]:
    *before, current = join_words([*bash_words, ""][: index + 1])
    # Bash replaces only what stands behind the last break.
    typed = max(current.rfind(character) for character in BREAKS) + 1
    for candidate in sorted(set(_matching(before, current))):
        yield candidate[typed:]


def join_words(bash_words: Sequence[str]) -> list[str]:
    """The words as they were typed, from the pieces that bash breaks them into; there is always a last one."""
    words: list[str] = []
    glue = False
    for piece in bash_words:
        is_break = bool(piece) and not piece.strip(BREAKS)
        if words and (is_break or glue):
            words[-1] += piece
        else:
            words.append(piece)
        glue = is_break
    return words or [""]


def _matching(before: Sequence[str], current: str) -> Iterable[str]:
    try:
        candidates = list(_candidates(before, current))
    except (DynmonError, OSError):
        return ()
    if hints := [candidate for candidate in candidates if candidate.startswith("<")]:
        # A new name is wanted; those that exist already are in the answer too, but are of no use.
        return () if current else hints[:1]
    return (word for word in candidates if word.startswith(current))


def _candidates(before: Sequence[str], current: str) -> Iterator[str]:
    from dynmon.cli.polycubectl.config import environment_config
    from dynmon.cli.polycubectl.connection import connect

    command = next((word for word in before if word in METHODS), "")
    if current.startswith("-"):
        yield from SHOW_FLAGS if command == "show" else ()
        return
    with connect(environment_config(), timeout_seconds=TIMEOUT_SECONDS) as client:
        if before and before[0] in TWO_NAMES:
            yield from _for_two_names(client, before, current)
            return
        path = [word for word in before if word != command and "=" not in word and not word.startswith("-")]
        if "=" in current:
            key = current.partition("=")[0]
            for value in client.options([*path, *key.split(".")], completion=True) or ():
                yield f"{key}={value}"
            return
        for word in client.options(path, command.upper() or "NONE", completion=True) or ():
            yield str(word)
    if not before:
        yield from LOCAL_WORDS


def _for_two_names(client: DynmonClient, before: Sequence[str], current: str) -> Iterator[str]:
    verb, arguments = before[0], before[1:]
    of_cubes = verb in ("attach", "detach")
    if len(arguments) < 2 and not of_cubes:
        yield from _ports(client)
    elif not arguments:
        yield from _cubes(client)
    elif len(arguments) == 1:
        yield from (str(netdev["name"]) for netdev in client.netdevs())
        yield from _ports(client)
    elif len(arguments) == 2 and verb == "attach":
        yield from (f"{place}=" for place in PLACES)
        if current.startswith("position="):
            yield from (f"position={position}" for position in POSITIONS)
        elif "=" in current:
            yield from (f"{current.partition('=')[0]}={cube}" for cube in _cubes(client))


def _cubes(client: DynmonClient) -> Iterator[str]:
    return (str(cube["name"]) for cubes in client.list().values() for cube in cubes)


def _ports(client: DynmonClient) -> Iterator[str]:
    """The ports of standard cubes, of which there may be none at all."""
    try:
        return map(str, client.options(["connect"], completion=True) or ())
    except DynmonError:
        return iter(())

"""The words of a command line, understood: ``[path…] [add|del|show|set] [path…] [key=value…] [flags] [?]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dynmon.errors import InvalidInputError

# The first of these words is the command; it and the words around it may stand in any order.
METHODS = {"add": "POST", "set": "PATCH", "show": "GET", "del": "DELETE"}
NO_COMMAND_METHOD = "POST"
POSITIONS = ("auto", "first", "last")
PLACES = ("position", "before", "after")
ON_RETURN = "on-return"
FORMATS = ("normal", "brief", "verbose", "json", "yaml")
# Replaced as a whole by PUT; the rest of a resource is changed by PATCH.
REPLACED_AS_A_WHOLE = frozenset({"dataplane-config", "ingress-path", "egress-path"})
HELP = "?"
FROM_STDIN = "-"


class UsageError(InvalidInputError):
    """A command line that says nothing we can do."""


@dataclass(frozen=True, slots=True)
class View:
    """How an answer is shown."""

    format: str = "normal"
    hide: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command line asks for.

    `pairs` are the key=value arguments as they were typed. `literal_pairs` are strings whatever they look
    like. `waits_for_stdin` says that the body must come from standard input.
    """

    command: str = ""
    segments: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    literal_pairs: bool = False
    takes_stdin: bool = False
    waits_for_stdin: bool = False
    wants_help: bool = False
    view: View = View()

    @property
    def method(self) -> str:
        """The HTTP method that carries this command."""
        if self.command == "set" and self.segments and self.segments[-1] in REPLACED_AS_A_WHOLE:
            return "PUT"
        return METHODS.get(self.command, NO_COMMAND_METHOD)


def parse(words: Sequence[str]) -> Invocation:
    """Understand the words behind ``polycubectl``.

    Raises:
        UsageError: They are not in the grammar.
    """
    if "" in words:
        raise UsageError("an empty word names nothing")
    for word in words:
        if (not word.isprintable() and "=" not in word) or _is_broken(word):
            raise UsageError(f"{word!r} has characters that cannot be sent")
    if HELP in words[:-1]:
        raise UsageError(f"{HELP} must be the last word")
    if words and words[-1] == HELP:
        return replace(_parse_general(words[:-1]), wants_help=True)
    return ALIASES.get(words[0], _parse_general)(words) if words else Invocation()


def _parse_general(words: Sequence[str]) -> Invocation:
    flags = [word for word in words if word.startswith("-")]
    command, segments, pairs = "", [], []
    for word in words:
        if word.startswith("-"):
            continue
        if "=" in word:
            pairs.append(_pair(word))
        elif pairs:
            raise UsageError(f"{word!r} stands behind key=value arguments; the path and the command go before them")
        elif word in METHODS and not command:
            command = word
        else:
            segments.append(word)
    _refuse_duplicates(pairs)
    if pairs and command in ("show", "del"):
        raise UsageError(f"{command} takes no key=value arguments")
    takes_stdin = command in ("", "add") or (command == "set" and len(pairs) != 1)
    waits = FROM_STDIN in flags or (command == "set" and not pairs)
    if FROM_STDIN in flags and not takes_stdin:
        raise UsageError(f"{FROM_STDIN!r} (read the body from standard input) goes with add and set only")
    return Invocation(
        command=command,
        segments=tuple(segments),
        pairs=tuple(pairs),
        takes_stdin=takes_stdin,
        waits_for_stdin=waits,
        view=_parse_view([flag for flag in flags if flag != FROM_STDIN], command),
    )


def _is_broken(word: str) -> bool:
    """Whether the shell gave us bytes that are not UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in word)


def _pair(word: str) -> tuple[str, str]:
    key, value = word.split("=", 1)
    if "=" in value:
        raise UsageError(f"{word!r} has more than one '='; send such a value as JSON on standard input")
    if not key or not all(key.split(".")):
        raise UsageError(f"{word!r} has no key before '='")
    return key, value


def _refuse_duplicates(pairs: Sequence[tuple[str, str]]) -> None:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise UsageError(f"{key!r} is given more than once")


def _parse_view(flags: Sequence[str], command: str) -> View:
    view = View()
    formats = [flag.removeprefix("-") for flag in flags if not flag.startswith("-hide=")]
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"-{name} is not a valid flag; there are -hide=KEYS and -{', -'.join(FORMATS)}")
    if flags and command != "show":
        raise UsageError(f"{flags[0]} is a flag of show")
    if len(formats) > 1:
        raise UsageError(f"-{' and -'.join(formats)} cannot be used together")
    for flag in flags:
        if flag.startswith("-hide="):
            hidden = tuple(key for key in flag.removeprefix("-hide=").split(",") if key)
            view = replace(view, hide=view.hide + hidden)
    if formats:
        view = replace(view, format=formats[0])
    if view.hide and view.format in ("json", "yaml"):
        raise UsageError(f"-hide cannot be used with -{view.format}")
    return view


def _parse_attach(words: Sequence[str]) -> Invocation:
    usage = f"polycubectl attach CUBE PORT [position=auto|first|last] [{ON_RETURN}=attach]"
    invocation = _two_names(words, ("cube", "port"), usage)
    options = invocation.pairs[2:]
    for key, value in options:
        if key not in (*PLACES, ON_RETURN):
            raise UsageError(f"attach does not know {key!r}; it knows {', '.join((*PLACES, ON_RETURN))}")
        if key == "position" and value not in POSITIONS:
            raise UsageError(f"position must be one of {', '.join(POSITIONS)}, not {value!r}")
        if not value:
            raise UsageError(f"{key} needs a value")
    if sum(key in PLACES for key, _ in options) > 1:
        raise UsageError("position, before and after cannot be used together")
    return invocation


def _parse_detach(words: Sequence[str]) -> Invocation:
    return _only_pairs(_two_names(words, ("cube", "port"), "polycubectl detach CUBE PORT"), 2)


def _parse_connection(words: Sequence[str]) -> Invocation:
    return _only_pairs(_two_names(words, ("peer1", "peer2"), f"polycubectl {words[0]} CUBE:PORT CUBE:PORT"), 2)


def _two_names(words: Sequence[str], keys: tuple[str, str], usage: str) -> Invocation:
    """The two words behind the first are names, whatever is in them: ``type=veth`` is a selector."""
    named = tuple(zip(keys, words[1:3], strict=False))
    general = _parse_general(words[3:])
    are_names = len(named) == len(keys) and not any(_is_option(name) for _, name in named)
    if not are_names or general.command or general.segments:
        raise UsageError(f"{words[0]} needs two names: {usage}")
    return Invocation(segments=(words[0],), pairs=named + general.pairs, literal_pairs=True)


def _is_option(word: str) -> bool:
    key, equals, _ = word.partition("=")
    return word.startswith("-") or (bool(equals) and key in (*PLACES, ON_RETURN))


def _only_pairs(invocation: Invocation, count: int) -> Invocation:
    if len(invocation.pairs) > count:
        raise UsageError(f"{invocation.segments[0]} takes no key=value arguments")
    return invocation


def _parse_listing(words: Sequence[str]) -> Invocation:
    """``cubes`` alone means ``cubes show``; so do ``cubes -json`` and ``topology IFNAME``."""
    if any(word in METHODS or "=" in word for word in words):
        return _parse_general(words)
    invocation = _parse_general([*words, "show"])
    if words == ["topology"]:
        return replace(invocation, view=View("verbose", ("uuid",)))
    return invocation


def _parse_version(words: Sequence[str]) -> Invocation:
    if len(words) > 1:
        raise UsageError("version stands alone")
    return Invocation(command="show", segments=("version",))


ALIASES: dict[str, Callable[[Sequence[str]], Invocation]] = {
    "attach": _parse_attach,
    "detach": _parse_detach,
    "connect": _parse_connection,
    "disconnect": _parse_connection,
    "cubes": _parse_listing,
    "netdevs": _parse_listing,
    "services": _parse_listing,
    "topology": _parse_listing,
    "version": _parse_version,
}

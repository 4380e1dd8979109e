"""Which kind of C a source is: the dialect, or plain libbpf C with programs of its own.

Comments are taken off and words are looked at; nothing is expanded, and the compiler gets the source as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum


class Spelling(StrEnum):
    """How the code of a path is written."""

    DIALECT = "dialect"
    LIBBPF = "libbpf"
    OBJECT = "object"


STRING = r'"(?:\\.|[^"\\\n])*"?'
CHARACTER = r"'(?:\\.|[^'\\\n])*'?"
COMMENT_OR_LITERAL = re.compile(rf"//(?:\\\r?\n|[^\n])*|/\*.*?(?:\*/|\Z)|{STRING}|{CHARACTER}", re.DOTALL)
TOKEN = re.compile(rf"\w+|{STRING}|{CHARACTER}|\S", re.DOTALL)
HANDLER = "handle_rx"
# SEC, section, __section__, BPF_SEC: what puts something in a section.
SECTION = re.compile(r"(?:\w*_)?sec(?:tion)?_*", re.IGNORECASE)
NOT_A_PROGRAM = re.compile(r"\.|(?:license|version)$|maps\b")

# How code for the kernel's own build names headers, and what it has to define for them.
OF_THE_KERNEL_TREE = re.compile(
    r"^[ \t]*#[ \t]*(?:define[ \t]+KBUILD_MODNAME\b|include[ \t]*[<\"](?:uapi/|net/ip|linux/(?:skbuff|kconfig)\.h))",
    re.MULTILINE,
)
DEFINED_STRING = re.compile(rf"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+({STRING})", re.MULTILINE)


def spelling_of(source: str) -> Spelling:
    """The dialect where there is its handler, or no program at all; else libbpf C."""
    code = without_comments(source)
    strings = dict(DEFINED_STRING.findall(code))
    tokens = TOKEN.findall(code)
    programs, own_section = 0, False
    for word, following, argument in _windows(tokens):
        if word in ";{}":
            own_section = False
        elif following != "(":
            continue
        elif SECTION.fullmatch(word) and _is_program(strings.get(argument, argument)):
            programs += 1
            own_section = True
        elif word == HANDLER and not own_section:  # a program may have this name too
            return Spelling.DIALECT
    return Spelling.LIBBPF if programs else Spelling.DIALECT


def is_of_the_kernel_tree(source: str) -> bool:
    """Whether the code was written to be built with the kernel's own headers."""
    return bool(OF_THE_KERNEL_TREE.search(source))


def without_comments(source: str) -> str:
    """The source with a blank for each comment."""
    return COMMENT_OR_LITERAL.sub(lambda match: match[0] if match[0][0] in "\"'" else " ", source)


def _windows(tokens: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each token with the two behind it."""
    return zip(tokens, [*tokens[1:], ""], [*tokens[2:], "", ""], strict=False)


def _is_program(argument: str) -> bool:
    """Whether the section that a literal names holds a program."""
    name = argument[1:-1]
    return argument.startswith('"') and bool(name) and not NOT_A_PROGRAM.match(name)

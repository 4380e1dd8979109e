"""Text from elsewhere, made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with control characters escaped: strings come out of packets and source code, and terminals obey them."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else repr(character)[1:-1] for character in text
    )

"""What a client would like to get: Accept and Accept-Encoding (RFC 9110, section 12.5)."""

from __future__ import annotations

from collections.abc import Iterator


def qualities(header: str) -> dict[str, float]:
    """The names in such a header, in lower case, with how much each is wanted: 1 as a rule, 0 for not at all."""
    return dict(_named(header))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an answer may be compressed; without the header nobody asked for that."""
    wanted = qualities(accept_encoding)
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0


def _named(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if name:
            yield name, quality

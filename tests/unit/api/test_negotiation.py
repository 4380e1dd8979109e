"""Whether an answer may be compressed."""

from __future__ import annotations

import pytest

from dynmon.api.negotiation import accepts_gzip


@pytest.mark.parametrize(
    ("accept_encoding", "wanted"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("GZIP;q=0.5", True),
        ("deflate", False),
        ("*", True),
        ("gzip;q=0, *", False),
        ("*;q=0, gzip", True),
        ("identity", False),
        ("gzip;q=nonsense", False),
    ],
)
def test_gzip(accept_encoding: str, wanted: bool) -> None:
    assert wanted is accepts_gzip(accept_encoding)

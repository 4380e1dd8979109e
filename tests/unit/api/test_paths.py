"""One spelling for each path."""

from __future__ import annotations

import pytest

from dynmon.api.paths import segments_of


@pytest.mark.parametrize(
    ("raw_path", "segments"),
    [
        (b"/", []),
        (b"/polycube/v1/dynmon/dm", ["polycube", "v1", "dynmon", "dm"]),
        (b"//polycube///v1/dynmon/dm//", ["polycube", "v1", "dynmon", "dm"]),
        (b"/d%6D/caf%C3%A9%20bar", ["dm", "café bar"]),
        (b"/a%2Fb/c", ["a%2Fb", "c"]),
        (b"/%ff", ["\ufffd"]),
        (b"/100%", ["100%"]),
    ],
)
def test_segments(raw_path: bytes, segments: list[str]) -> None:
    """Slashes are counted before names are decoded, so an encoded one never separates."""
    assert segments == segments_of(raw_path)

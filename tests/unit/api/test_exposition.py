"""Which format a scraper gets."""

from __future__ import annotations

import pytest

from dynmon.api.exposition import exposition_format
from dynmon.metrics import ExpositionFormat

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", ExpositionFormat.OPENMETRICS),
        ("*/*", ExpositionFormat.OPENMETRICS),
        (PROMETHEUS, ExpositionFormat.OPENMETRICS),
        ("application/openmetrics-text", ExpositionFormat.OPENMETRICS),
        ("application/*", ExpositionFormat.OPENMETRICS),
        ("text/html,*/*;q=0.8", ExpositionFormat.OPENMETRICS),
        ("application/json", ExpositionFormat.OPENMETRICS),
        ("text/plain", ExpositionFormat.TEXT),
        ("text/plain; version=0.0.4", ExpositionFormat.TEXT),
        ("text/*;q=0.3", ExpositionFormat.TEXT),
        ("text/plain, */*;q=0.1", ExpositionFormat.TEXT),
        ("application/openmetrics-text;q=0, */*", ExpositionFormat.TEXT),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.5", ExpositionFormat.TEXT),
    ],
)
def test_negotiation(accept: str, wanted: ExpositionFormat) -> None:
    assert wanted is exposition_format(accept)

"""Words as bash breaks them."""

import pytest

from dynmon.cli.polycubectl.completion import join_words


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], [""]),
        (["dm", "set", "loglevel", "=", "DE"], ["dm", "set", "loglevel=DE"]),
        (["dm", "set", "loglevel", "="], ["dm", "set", "loglevel="]),
        (["attach", "dm", "br1", ":", "to", "position", "=", "first"], ["attach", "dm", "br1:to", "position=first"]),
        (["attach", "dm", ""], ["attach", "dm", ""]),
    ],
)
def test_assignments_and_ports_are_one_word(pieces, words):
    assert words == join_words(pieces)

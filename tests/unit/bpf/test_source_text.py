"""Lines of the user's text by the compiler's names and numbers for them."""

from __future__ import annotations

from dynmon.bpf.source_text import SourceText

PACKED = """\
int before;
# 1 "lib/common.h" 1
int inside;
# 3 "<stdin>" 2
int behind;
"""


def test_a_plain_text_is_counted_from_one() -> None:
    text = SourceText("one\r\ntwo\rthree\n")

    assert ["one", "two", "three"] == [text.line("<stdin>", number) for number in (1, 2, 3)]
    assert "one" == text.line("/build/<stdin>", 1)
    assert "" == text.line("<stdin>", 9)


def test_the_lines_of_a_packed_header_have_its_name() -> None:
    text = SourceText(PACKED)

    assert ["int before;", '#include "lib/common.h"', "int behind;"] == [text.lines[number] for number in (1, 2, 3)]
    assert "int inside;" == text.line("common.h", 1)
    assert "in common.h:1 (int inside;): " == text.quote_header("common.h", 1)


def test_only_packed_headers_are_headers_of_the_user() -> None:
    text = SourceText(PACKED)

    assert text.has_header("common.h")
    assert text.has_header("lib/common.h")
    assert not text.has_header("sys/linux/common.h")
    assert not text.has_header("<stdin>")


def test_a_line_without_end_is_cut() -> None:
    assert 1000 == len(SourceText("x" * 1_000_000).line("<stdin>", 1))

"""What clang says becomes findings in the user's own lines."""

from __future__ import annotations

import pytest

from dynmon.compiler.diagnostics import MAX_DIAGNOSTICS, CompileError, parse_diagnostics
from dynmon.errors import Diagnostic
from dynmon.models import Direction

SOURCE = "first\r\nsecond\nthird\n"


def parse(messages: str, source: str = SOURCE) -> tuple[Diagnostic, ...]:
    return parse_diagnostics(messages, source, Direction.EGRESS)


def test_place_severity_message_and_line() -> None:
    assert (Diagnostic("egress", 2, 5, "error", "use of undeclared identifier 'x'", "second"),) == parse(
        "<stdin>:2:5: error: use of undeclared identifier 'x'\n1 error generated.\n"
    )


def test_errors_come_before_warnings() -> None:
    found = parse("<stdin>:1:1: warning: w\n<stdin>:3:2: fatal error: e\n")

    assert [("error", "e"), ("warning", "w")] == [(item.severity, item.message) for item in found]


@pytest.mark.parametrize(
    "messages",
    [
        "include/dynmon/maps.h:9:4: error: bad\n<stdin>:3:7: note: expanded from here\n",
        "In file included from <stdin>:3:\nIn file included from sys/linux/a.h:5:\nsys/linux/b.h:9:4: error: bad\n",
        "In file included from sys/linux/a.h:5:\n                 from <stdin>:3:\nsys/linux/b.h:9:4: error: bad\n",
    ],
)
def test_a_finding_in_a_header_is_placed_where_the_user_led_there(messages: str) -> None:
    (found,) = parse(messages)

    assert (3, "third", "bad") == (found.line, found.source_line, found.message)


def test_the_way_to_a_header_is_told_once_for_all_findings_in_it() -> None:
    found = parse(
        "In file included from <stdin>:3:\nsys/linux/b.h:9:4: error: bad\nsys/linux/b.h:1:1: note: because\n"
        "sys/linux/b.h:11:4: error: worse\nsys/linux/b.h:2:1: note: because\n<stdin>:2:1: error: other\n"
    )

    assert [3, 2] == [item.line for item in found]


def test_a_finding_in_a_header_alone_has_no_line() -> None:
    assert (Diagnostic("egress", 0, 0, "error", "bad", ""),) == parse("include/dynmon/maps.h:9:4: error: bad\n")


def test_the_code_generator_is_understood() -> None:
    (found,) = parse(
        "error: <stdin>:3:5: in function dynmon_egress i32 (%struct.__sk_buff*): "
        "A call to built-in function 'memcpy' is not supported.\n"
    )

    assert (3, 5) == (found.line, found.column)
    assert "in function dynmon_egress: A call to built-in function 'memcpy' is not supported." == found.message


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "include/dynmon/program.h:9:2: error: function 'handle_rx' has internal linkage but is not defined",
            "handle_rx is not defined",
        ),
        (
            '<stdin>:1:1: error: static_assert failed due to requirement \'a ("x") != 0\' "unsupported map type a: b"',
            "unsupported map type a: b",
        ),
        ("<stdin>:1:1: error: static assertion failed due to requirement 'a != 0': too long", "too long"),
        ("<stdin>:1:1: error: redefinition of enumerator 'dynmon_type_FLOWS'", "map 'FLOWS' is declared twice"),
        (
            "<stdin>:1:1: error: called object type '(struct dynmon_the_leaf_is_not_an_integer *)0' is not a function",
            "increment needs a map whose leaf is an integer",
        ),
        (
            "<stdin>:1:1: error: conflicting types for 'handle_rx'",
            "conflicting types for 'handle_rx': it must be static",
        ),
        (
            "<stdin>:1:1: error: variable has incomplete type 'dynmon_key_FLOWS' (aka 'struct flow')",
            "map 'FLOWS' is made of 'struct flow', which is not declared before it",
        ),
        (
            "<stdin>:3:5: error: no member named 'lokup' in 'struct (unnamed at <stdin>:1:1)'; did you mean 'lookup'?",
            "no member named 'lokup' in what line 1 declares; did you mean 'lookup'?",
        ),
    ],
)
def test_words_of_the_headers_become_words_of_the_user(said: str, meant: str) -> None:
    (found,) = parse(said)

    assert found.message.startswith(meant)


def test_only_the_first_finding_of_a_place_is_told() -> None:
    """One wrong use of a map macro has a dozen consequences."""
    found = parse("<stdin>:2:1: error: cause\n<stdin>:2:1: error: effect\n<stdin>:2:9: error: other\n")

    assert ["cause", "other"] == [item.message for item in found]


def test_findings_are_bounded() -> None:
    found = parse("".join(f"<stdin>:{line}:1: warning: {line}\n" for line in range(1, 500)), "x" * 5000)

    assert MAX_DIAGNOSTICS == len(found)
    assert len(found[0].source_line) < 5000


def test_error_without_a_place() -> None:
    (found,) = parse("clang-14: error: unable to make temporary file\nerror: clang frontend command failed\n")

    assert (0, "unable to make temporary file") == (found.line, found.message)


def test_compile_error_says_the_first_and_carries_all() -> None:
    error = CompileError(parse("<stdin>:1:1: warning: w\n<stdin>:2:3: error: a\n<stdin>:3:1: error: b\n"))

    assert "the egress code does not compile at line 2: a (and 1 more)" == str(error)
    assert "compile" == error.fields()["stage"]
    assert [2, 3, 1] == [item["line"] for item in error.fields()["diagnostics"]]
    assert {"file", "line", "column", "severity", "message", "source-line"} == set(error.fields()["diagnostics"][0])

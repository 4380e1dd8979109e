"""Refusals in lines for people."""

from dynmon.cli.problem import explain

FINDING = {
    "file": "ingress",
    "line": 3,
    "column": 9,
    "severity": "error",
    "message": "use of undeclared identifier 'y'",
    "source-line": "\tü = x + y;",
}


def test_a_diagnostic_shows_its_source_line_and_a_caret_below_the_place():
    assert [
        "the ingress code does not compile",
        "ingress:3:9: error: use of undeclared identifier 'y'",
        " 3 | \tü = x + y;",
        "   | \t      ^",
    ] == list(explain("the ingress code does not compile", {"diagnostics": [FINDING]}))


def test_what_the_registers_held_and_the_hint_come_below():
    finding = {**FINDING, "line": 120, "column": 0, "hint": "declare it"}
    problem = {"diagnostics": [finding], "registers": ["r1 was a number", "r2 was ctx"], "hint": "declare it"}

    assert [
        " 120 | \tü = x + y;",
        "     = note: r1 was a number",
        "     = note: r2 was ctx",
        "     = hint: declare it",
    ] == list(explain("no", problem))[2:]


def test_the_hint_of_a_refusal_without_a_place():
    assert ["no room", "  = hint: detach one"] == list(explain("no room", {"hint": "detach one"}))


def test_the_message_of_the_first_finding_is_said_once():
    detail = "the ingress code does not compile at line 3: use of undeclared identifier 'y' (and 1 more)"

    assert "the ingress code does not compile at line 3 (and 1 more)" == next(
        explain(detail, {"diagnostics": [FINDING]})
    )


def test_a_diagnostic_without_a_place():
    problem = {
        "diagnostics": [{"file": "egress", "line": 0, "column": 0, "severity": "error", "message": "no program"}]
    }

    assert ["no", "egress: error: no program"] == list(explain("no", problem))


def test_faults_are_not_said_twice():
    problem = {"errors": [{"path": "a.b", "message": "is required"}, {"path": "", "message": "must be an object"}]}

    assert ["x: a.b: is required", "  must be an object"] == list(explain("x: a.b: is required", problem))


def test_the_end_of_the_verifier_log():
    log = [f"line {number}" for number in range(100)]

    lines = list(explain("refused", {"log": log}))

    assert ["  | line 80", "  | line 99"] == [lines[1], lines[-1]]
    assert ["refused", "  | a", "  | b"] == list(explain("refused", {"log": "a\nb\n"}))


def test_control_characters_of_a_source_line_are_escaped():
    finding = {"file": "ingress", "line": 1, "column": 1, "message": "m\x1b", "source-line": "a\x1b[2J", "hint": "\x1b"}

    lines = list(explain("no", {"diagnostics": [finding], "registers": ["\x1b[1m"]}))
    assert " 1 | a\\x1b[2J" == lines[2]
    assert "\x1b" not in "".join(lines)

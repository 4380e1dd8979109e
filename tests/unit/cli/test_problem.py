"""Refusals in lines for people."""

from dynmon.cli.problem import explain


def test_a_diagnostic_shows_its_source_line_and_a_caret_below_the_place():
    problem = {
        "diagnostics": [
            {
                "file": "ingress",
                "line": 3,
                "column": 9,
                "severity": "error",
                "message": "use of undeclared identifier 'y'",
                "source-line": "\tü = x + y;",
            }
        ]
    }

    assert [
        "the ingress code does not compile",
        "ingress:3:9: error: use of undeclared identifier 'y'",
        "\tü = x + y;",
        "\t      ^",
    ] == list(explain("the ingress code does not compile", problem))


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
    problem = {"diagnostics": [{"file": "ingress", "line": 1, "column": 1, "message": "m", "source-line": "a\x1b[2J"}]}

    assert "a\\x1b[2J" == list(explain("no", problem))[2]

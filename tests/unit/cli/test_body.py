"""Bodies of requests: coercion, nesting, standard input."""

import os
import subprocess
import sys
import time

import pytest

from dynmon.cli.polycubectl.body import BadInput, coerce, nest, parse_document
from dynmon.cli.polycubectl.grammar import UsageError

READ = "from dynmon.cli.polycubectl.body import read_stdin; print(repr(read_stdin({wait})))"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0", 0),
        ("3.5", 3.5),
        ("1e3", 1000.0),
        ("true", True),
        ("F", False),
        ("False", False),
        ("", ""),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1.2.3.4", "1.2.3.4"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("tru", "tru"),
    ],
)
def test_values_that_look_like_numbers_and_truths_are_coerced(text, value):
    coerced = coerce("mtu", text)

    assert (value, type(value)) == (coerced, type(coerced))


@pytest.mark.parametrize("key", ["name", "loglevel", "type", "dataplane-config.ingress-path.name", "port"])
def test_names_and_words_stay_strings(key):
    assert "1" == coerce(key, "1")
    assert "true" == coerce(key, "true")


def test_dotted_keys_nest_in_alphabetical_order():
    document = nest([("b.y", 2), ("a", 1), ("b.x", "z")])

    assert {"a": 1, "b": {"x": "z", "y": 2}} == document
    assert ["a", "b"] == list(document)


def test_a_key_cannot_be_value_and_object():
    with pytest.raises(UsageError, match="'a' has a value of its own"):
        nest([("a", 1), ("a.b", 2)])


def read_in_child(stdin, wait=False):
    return subprocess.run(
        [sys.executable, "-c", READ.format(wait=wait)], stdin=stdin, capture_output=True, text=True, timeout=30
    )


def test_a_pipe_is_read_to_its_end():
    reading, writing = os.pipe()
    os.write(writing, b'{"a": 1}')
    os.close(writing)
    with os.fdopen(reading) as stdin:
        assert "'{\"a\": 1}'\n" == read_in_child(stdin).stdout


def test_a_file_is_read_from_where_it_stands(tmp_path):
    file = tmp_path / "body.json"
    file.write_text("skipped{}")
    with file.open("rb", buffering=0) as stdin:
        stdin.seek(7)
        assert "'{}'\n" == read_in_child(stdin).stdout


@pytest.mark.parametrize("wait", [False, True])
def test_what_brings_nothing(tmp_path, wait):
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open() as empty:
        assert "None\n" == read_in_child(empty, wait).stdout
    assert "None\n" == read_in_child(subprocess.DEVNULL, wait).stdout


def test_a_closed_standard_input_brings_nothing():
    command = [sys.executable, "-c", "import os; os.close(0); " + READ.format(wait=True)]

    assert "None\n" == subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def test_a_silent_pipe_does_not_hang():
    """A pipe that nobody writes to is given up, and the user is told."""
    reading, writing = os.pipe()
    try:
        started = time.monotonic()
        with os.fdopen(reading) as stdin:
            outcome = read_in_child(stdin)
        assert time.monotonic() - started < 10
    finally:
        os.close(writing)

    assert "None\n" == outcome.stdout
    assert outcome.stderr.startswith("polycubectl: nothing came on standard input within 3 s")


@pytest.mark.parametrize("text", ['{"a": {"b": [1, true]}}', "a:\n  b: [1, true]\n", "{a: {b: [1, true]}}\n"[1:-2]])
def test_json_and_yaml_say_the_same(text):
    assert {"a": {"b": [1, True]}} == parse_document(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b" 2}', "standard input is not valid JSON: line 2 column 6"),
        ("a: [1", "standard input is neither JSON nor YAML: line 1"),
        ("a: 2020-01-01", "cannot be sent as JSON"),
        ("a: .nan", "cannot be sent as JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_unreadable_documents_name_the_place(text, message):
    with pytest.raises(BadInput) as caught:
        parse_document(text)

    assert message in str(caught.value)

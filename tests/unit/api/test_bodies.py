"""JSON bodies and their faults."""

from __future__ import annotations

import pytest

from dynmon.api.bodies import CUBE_KEYS, InvalidJson, UnexpectedBody, parse_json, settable


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", {}),
        (b" \r\n\t", {}),
        (b'"DEBUG"', "DEBUG"),
        (b"\xef\xbb\xbf[1]", [1]),
        ('{"name":"café"}'.encode(), {"name": "café"}),
        (b"18446744073709551616", 2**64),
    ],
)
def test_values(body: bytes, value: object) -> None:
    assert value == parse_json(body)


@pytest.mark.parametrize(
    ("body", "sentence", "line", "column"),
    [
        (b'{\n  "a" 3}', "Expecting ':' delimiter at line 2 column 7", 2, 7),
        (b'{"a":\n\n', "Expecting value at line 3 column 1", 3, 1),
        (b"[1,\n2,\xff]", "it is not UTF-8 text at line 2 column 3", 2, 3),
    ],
)
def test_faults_say_where(body: bytes, sentence: str, line: int, column: int) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(body)

    assert f"the body is not valid JSON: {sentence}" == str(caught.value)
    assert {"stage": "json", "line": line, "column": column} == caught.value.fields()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[NaN]", "NaN is not a JSON value"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b"1" * 5000, "it has a number that is too long"),
    ],
)
def test_faults_of_the_whole(body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(body)

    assert str(caught.value).endswith(sentence)
    assert {"stage": "json"} == caught.value.fields()


def test_read_only_keys_are_dropped() -> None:
    """What GET gives can be sent back."""
    given = {"name": "dm", "uuid": "…", "parent": "", "metrics": {}, "open-metrics": "", "_links": [], "x": 1}

    assert {"name": "dm", "x": 1} == settable(given, CUBE_KEYS)
    assert {"metrics": {}} == settable({"metrics": {}, "_links": []})


def test_an_array_is_no_object() -> None:
    with pytest.raises(UnexpectedBody, match="must be a JSON object"):
        settable([])

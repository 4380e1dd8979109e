"""``--expect packets_total=42``: what a dry run must have counted, so that a pipeline can fail.

A name is that of a sample as it is exported (``packets_total``, or ``packets``, or with labels
``flows_total{key="10.1.0.1"}``), that of a metric which is read as JSON only, or an entry of a map
(``PKT_COUNTER[0]``, ``FLOWS["10.1.0.1"]``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Number = int | float

EXPECTATION = re.compile(r"(?P<name>[^\s={\[]+)(?P<labels>\{.*\})?(?:\[(?P<key>.*)\])?\s*=(?P<value>[^=]+)", re.DOTALL)
LABEL = re.compile(r'\s*(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')
SAMPLE = re.compile(r'(?P<name>[^\s{#]+)(?P<labels>\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})? (?P<value>\S+)')
ESCAPE = re.compile(r"\\(.)")
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Expectation:
    """A name, the labels or the key that narrow it down, and the number it should have."""

    text: str
    name: str
    labels: Mapping[str, str]
    key: str | None
    value: Number


@dataclass(frozen=True, slots=True)
class Found:
    """A number of the report under the name and labels it has there."""

    text: str
    name: str
    labels: Mapping[str, str]
    value: Any


def parse_expectation(text: str) -> Expectation:
    """An expectation written ``NAME=N``, ``NAME{label="x"}=N`` or ``MAP[KEY]=N``.

    Raises:
        ValueError: It is not written so.
    """
    match = EXPECTATION.fullmatch(text)
    value = _number(match["value"].strip()) if match else None
    if match is None or value is None:
        raise ValueError(f'{text!r} must be written NAME=N, NAME{{label="x"}}=N or MAP[KEY]=N')
    labels = _labels(match["labels"]) if match["labels"] else {}
    return Expectation(text.rpartition("=")[0].strip(), match["name"], labels, match["key"], value)


def misses(report: Mapping[str, Any], expectations: Sequence[Expectation]) -> Iterator[str]:
    """A sentence for each expectation that the report of a dry run does not meet."""
    for expectation in expectations:
        found = _candidates(report, expectation)
        start = f"expected {expectation.text} = {expectation.value}"
        if not found:
            yield f"{start}, but there is no such thing; there is: {_listed(_everything(report))}"
        elif len(found) > 1:
            yield f"{start}, but that is {len(found)} things; say which: {_listed(found)}"
        elif found[0].value != expectation.value:
            yield f"{start}, got {found[0].value}"


def _candidates(report: Mapping[str, Any], expectation: Expectation) -> list[Found]:
    if expectation.key is not None:
        return [
            each for each in _entries(report, expectation.name) if each.labels["key"] == _spaceless(expectation.key)
        ]
    for source in (_samples(report), _readings(report)):
        named = [each for each in source if each.name in (expectation.name, f"{expectation.name}_total")]
        found = [each for each in named if expectation.labels.items() <= each.labels.items()]
        if found:
            return found
    return []


def _everything(report: Mapping[str, Any]) -> list[Found]:
    counted = [*_samples(report), *_readings(report)]
    counted += [each for one in report["maps"] for each in _entries(report, one["name"])]
    return list({each.text: each for each in counted}.values())


def _samples(report: Mapping[str, Any]) -> Iterator[Found]:
    for line in report["open-metrics"].splitlines():
        if match := SAMPLE.fullmatch(line):
            labels = match["labels"] or ""
            yield Found(
                match["name"] + labels, match["name"], _labels(labels) if labels else {}, _number(match["value"])
            )


def _readings(report: Mapping[str, Any]) -> Iterator[Found]:
    """Metrics that are one number."""
    for reading in report["metrics"]:
        value = reading["value"]
        entries = value if isinstance(value, list) else [value]
        if len(entries) == 1 and (number := _entry_number(entries[0])) is not None:
            yield Found(reading["name"], reading["name"], {}, number)


def _entries(report: Mapping[str, Any], name: str) -> Iterator[Found]:
    for one in report["maps"]:
        if one["name"] != name:
            continue
        for index, entry in enumerate(one["entries"]):
            key = json.dumps(entry["key"] if _has_key(entry) else index)
            if (number := _entry_number(entry)) is not None:
                yield Found(f"{name}[{key}]", name, {"key": _spaceless(key)}, number)


def _has_key(entry: Any) -> bool:
    return isinstance(entry, dict) and set(entry) == {"key", "value"}


def _entry_number(entry: Any) -> Number | None:
    """The number that an entry holds, or the sum of what each CPU counted."""
    value = entry["value"] if _has_key(entry) else entry
    values = value if isinstance(value, list) and _has_key(entry) else [value]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in values):
        return None
    return sum(values)


def _labels(text: str) -> dict[str, str]:
    inner = text[1:-1]
    labels: dict[str, str] = {}
    position = 0
    while position < len(inner):
        match = LABEL.match(inner, position)
        if match is None:
            raise ValueError(f'labels must be written {{name="value",other="value"}}, not {text}')
        labels[match[1]] = ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], match[2])
        position = match.end() + (inner[match.end() : match.end() + 1] == ",")
    return labels


def _number(text: str) -> Number | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _spaceless(key: str) -> str:
    """A key as JSON writes it; what is not JSON is taken for a string."""
    try:
        return json.dumps(json.loads(key), sort_keys=True)
    except ValueError:
        return json.dumps(key)


def _listed(found: Sequence[Found]) -> str:
    names = [each.text for each in found[:MAX_NAMED]]
    more = [f"and {len(found) - MAX_NAMED} more"] if len(found) > MAX_NAMED else []
    return ", ".join([*names, *more]) or "nothing"

"""``--expect packets_total=42``: what a dry run must have counted, so that a pipeline can fail.

A name is that of a sample as it is exported (``packets_total``, or ``packets``), that of a metric, or that of a map.
Labels narrow it down (``flows_total{key="10.1.0.1"}``), or the key of an entry or the index of an array
(``FLOWS["10.1.0.1"]``, ``PKT_COUNTER[0]``); a field of a struct follows behind a dot (``FLOWS["10.1.0.1"].bytes``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Number = int | float

EXPECTATION = re.compile(
    r"\s*(?P<name>[^\s=<>!{}\[\]]+)\s*(?P<labels>\{.*\})?\s*(?:\[(?P<key>.*)\](?P<field>(?:\.\w+)*))?\s*=(?P<value>[^=]+)",
    re.DOTALL,
)
LABEL = re.compile(r'\s*(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*')
SAMPLE = re.compile(r'(?P<name>[^\s{#]+)(?P<labels>\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})? (?P<value>\S+)')
ESCAPE = re.compile(r"\\(.)")
KEY = "key"
PER_CPU = "percpu"
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Expectation:
    """A name, the labels that narrow it down (among them the key of an entry), and the number it should have."""

    text: str
    name: str
    labels: Mapping[str, str]
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
    if match["key"] is not None:
        labels[KEY] = _key_in(match["key"])
    return Expectation(text.rpartition("=")[0].strip(), match["name"] + (match["field"] or ""), labels, value)


def misses(report: Mapping[str, Any], expectations: Sequence[Expectation]) -> Iterator[str]:
    """A sentence for each expectation that the report of a dry run does not meet."""
    for expectation in expectations:
        named, found = _candidates(report, expectation)
        start = f"expected {expectation.text} = {expectation.value}"
        if not found:
            there = [each.text for each in named] or [each.name for each in (*_samples(report), *_entries(report))]
            yield f"{start}, but there is no such thing; there is: {_listed(there)}"
        elif len(found) > 1:
            yield f"{start}, but that is {len(found)} things; say which: {_listed(each.text for each in found)}"
        elif found[0].value != expectation.value:
            yield f"{start}, got {found[0].value}"


def _candidates(report: Mapping[str, Any], expectation: Expectation) -> tuple[list[Found], list[Found]]:
    """What has the name, and what of that has the labels; samples go before what they are made of."""
    names = (expectation.name, f"{expectation.name}_total")
    everything: list[Found] = []
    for source in (_samples(report), _entries(report)):
        named = [each for each in source if each.name in names]
        if found := [each for each in named if expectation.labels.items() <= each.labels.items()]:
            return named, found
        everything += named
    return everything, []


def _samples(report: Mapping[str, Any]) -> Iterator[Found]:
    for line in report["open-metrics"].splitlines():
        if match := SAMPLE.fullmatch(line):
            labels = match["labels"] or ""
            yield Found(
                match["name"] + labels, match["name"], _labels(labels) if labels else {}, _number(match["value"])
            )


def _entries(report: Mapping[str, Any]) -> Iterator[Found]:
    """The numbers in the entries of all metrics as JSON, and of all maps; what both have is there once."""
    metrics = report["explanation"][f"{report['direction']}-path"]["metrics"]
    map_types = {metric["name"]: metric["map-type"] for metric in metrics}
    tables = [(each["name"], map_types[each["name"]], each["value"]) for each in report["metrics"]]
    tables += [(each["name"], each["type"], each["entries"]) for each in report["maps"]]
    found = {}
    for name, map_type, value in tables:
        entries = value if isinstance(value, list) else [value]
        for index, entry in enumerate(entries):
            has_key = isinstance(entry, dict) and set(entry) == {"key", "value"}
            key = json.dumps(entry["key"] if has_key else index, ensure_ascii=False)
            for field, number in _numbers(entry["value"] if has_key else entry, PER_CPU in map_type):
                text = f"{name}[{key}]{field}" if len(entries) > 1 or has_key else f"{name}{field}"
                found[text] = Found(text, name + field, {KEY: _key_in(key)}, number)
    yield from found.values()


def _numbers(value: Any, is_per_cpu: bool, field: str = "") -> Iterator[tuple[str, Number]]:
    """Each number in `value` and the field it is in; what each CPU counted is added up."""
    if isinstance(value, list) and is_per_cpu:
        sums: dict[str, Number] = {}
        for each in value:
            for name, number in _numbers(each, False, field):
                sums[name] = sums.get(name, 0) + number
        yield from sums.items()
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, False, f"{field}.{name}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield field, value


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
    if "_" in text:  # Python's own
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _key_in(text: str) -> str:
    """A key as it is compared: a string without its quotes, all else as JSON writes it."""
    try:
        key = json.loads(text)
    except ValueError:
        return text.strip()
    return key if isinstance(key, str) else json.dumps(key, sort_keys=True)


def _listed(texts: Iterable[str]) -> str:
    different = list(dict.fromkeys(texts))
    more = [f"and {len(different) - MAX_NAMED} more"] if len(different) > MAX_NAMED else []
    return ", ".join([*different[:MAX_NAMED], *more]) or "nothing"

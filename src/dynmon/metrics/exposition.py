"""Families → text: OpenMetrics 1.0, and the older Prometheus text format 0.0.4.

Integers are written whole, whatever their size; floats in the shortest form that reads back as the same number, with
an exponent where Go (and so Prometheus itself) writes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from dynmon.metrics.merging import merge
from dynmon.metrics.model import Family, FamilyType, Labels, Number, Sample
from dynmon.rendering import Form, float_text

MAX_NOTES = 4
MAX_NOTE_CHARACTERS = 300


class ExpositionFormat(StrEnum):
    """A form of the text, by its media type."""

    OPENMETRICS = "application/openmetrics-text"
    TEXT = "text/plain"

    @property
    def content_type(self) -> str:
        """The whole Content-Type."""
        return CONTENT_TYPES[self]


CONTENT_TYPES = {
    ExpositionFormat.OPENMETRICS: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ExpositionFormat.TEXT: "text/plain; version=0.0.4; charset=utf-8",
}


def expose(families: Iterable[Family], exposition_format: ExpositionFormat, own: Iterable[Family] = ()) -> str:
    """Merge `families` behind the daemon's `own` and write them in the given form."""
    return RENDERERS[exposition_format](merge(families, own))


def render_openmetrics(families: Iterable[Family]) -> str:
    """OpenMetrics 1.0; the names of the families and their samples must be unique, as `merge` makes them."""
    return "".join(line for family in families for line in _openmetrics(family)) + "# EOF\n"


def render_text(families: Iterable[Family]) -> str:
    """Prometheus text 0.0.4; what it has no type for is written as gauges."""
    return "".join(line for family in families for part in _parts(family) for line in _text(*part))


RENDERERS = {ExpositionFormat.OPENMETRICS: render_openmetrics, ExpositionFormat.TEXT: render_text}


def number_text(value: Number) -> str:
    """A sample's value."""
    if isinstance(value, int):
        return str(int(value))
    return float_text(value, Form.EXPOSITION)


def _openmetrics(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_quoted(_help(family))}\n"
    yield f"# TYPE {family.name} {family.type}\n"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}\n"
    yield from _sample_lines(family.name, family.samples)


# What follows a family's name, and its type, in the older format.
TEXT_FORMS = {
    FamilyType.UNKNOWN: ("", "untyped"),
    FamilyType.COUNTER: ("_total", "counter"),
    FamilyType.INFO: ("_info", "gauge"),
    FamilyType.STATESET: ("", "gauge"),
    FamilyType.GAUGE_HISTOGRAM: ("", "histogram"),
}
STRANGERS = ("_created", "_gcount", "_gsum")  # suffixes that the older format does not know


def _parts(family: Family) -> Iterator[tuple[str, str, str, list[Sample]]]:
    suffix, type_name = TEXT_FORMS.get(family.type, ("", family.type.value))
    known = [sample for sample in family.samples if sample.suffix not in STRANGERS]
    cut = [Sample(sample.suffix.removeprefix(suffix), sample.labels, sample.value) for sample in known]
    yield family.name + suffix, type_name, _help(family), cut
    for stranger in STRANGERS:
        samples = [Sample("", item.labels, item.value) for item in family.samples if item.suffix == stranger]
        if samples:
            yield family.name + stranger, "gauge", family.help, samples


def _text(name: str, type_name: str, documentation: str, samples: list[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {_escaped(documentation)}\n"
    yield f"# TYPE {name} {type_name}\n"
    yield from _sample_lines(name, samples)


def _sample_lines(name: str, samples: Iterable[Sample]) -> Iterator[str]:
    for sample in samples:
        yield f"{name}{sample.suffix}{_labels(sample.labels)} {number_text(sample.value)}\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels) + "}"


def _help(family: Family) -> str:
    # Somebody reads this in a browser; a hundred cubes with the same fault must not make it a book.
    notes = [note if len(note) <= MAX_NOTE_CHARACTERS else note[:MAX_NOTE_CHARACTERS] + "…" for note in family.notes]
    if len(notes) > MAX_NOTES:
        notes = [*notes[:MAX_NOTES], f"and {len(notes) - MAX_NOTES} more"]
    return " ".join(filter(None, [family.help, f"({'; '.join(notes)})" if notes else ""]))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')

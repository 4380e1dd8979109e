"""Families → text: OpenMetrics 1.0, and the older Prometheus text format 0.0.4.

Integers are written whole, whatever their size; floats in the shortest form that reads back as the same number, with
an exponent where Go (and so Prometheus itself) writes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from dynmon.metrics.merging import merge
from dynmon.metrics.model import SUFFIXES, Family, FamilyType, Labels, Number, SampleBlock
from dynmon.rendering import Form, Literal, Part, float_text, render_chunks

MAX_NOTES = 4
MAX_NOTE_CHARACTERS = 300
CHUNK_LINES = 1 << 12


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


def expose(
    families: Iterable[Family], exposition_format: ExpositionFormat, own: Iterable[Family] = ()
) -> Iterator[bytes]:
    """Merge `families` behind the daemon's `own`, and write them in the given form, piece by piece."""
    return RENDERERS[exposition_format](merge(families, own))


def render_openmetrics(families: Iterable[Family]) -> Iterator[bytes]:
    """OpenMetrics 1.0; the names of the families and their samples must be unique, as `merge` makes them."""
    for family in families:
        yield from _openmetrics(family)
    yield b"# EOF\n"


def render_text(families: Iterable[Family]) -> Iterator[bytes]:
    """Prometheus text 0.0.4; what it has no type for is written as gauges."""
    for family in families:
        for part in _parts(family):
            yield from _text(part)


RENDERERS = {ExpositionFormat.OPENMETRICS: render_openmetrics, ExpositionFormat.TEXT: render_text}


def number_text(value: Number) -> str:
    """A sample's value."""
    if isinstance(value, int):
        return str(int(value))
    return float_text(value, Form.EXPOSITION)


def _openmetrics(family: Family) -> Iterator[bytes]:
    head = f"# HELP {family.name} {_quoted(_help(family))}\n# TYPE {family.name} {family.type}\n"
    if family.unit:
        head += f"# UNIT {family.name} {family.unit}\n"
    yield head.encode()
    yield from _samples(family)


# What follows a family's name, and its type, in the older format.
TEXT_FORMS = {
    FamilyType.UNKNOWN: ("", "untyped"),
    FamilyType.COUNTER: ("_total", "counter"),
    FamilyType.INFO: ("_info", "gauge"),
    FamilyType.STATESET: ("", "gauge"),
    FamilyType.GAUGE_HISTOGRAM: ("", "histogram"),
}
STRANGERS = ("_created", "_gcount", "_gsum")  # suffixes that the older format does not know


def _parts(family: Family) -> Iterator[tuple[str, Family]]:
    """The type and the family, by another name and with other suffixes, that a family is in the older format."""
    suffix, type_name = TEXT_FORMS.get(family.type, ("", family.type.value))
    cut = {each: each.removeprefix(suffix) for each in SUFFIXES[family.type] if each not in STRANGERS}
    yield type_name, replace(_with_suffixes(family, cut), name=family.name + suffix, help=_help(family))
    for stranger in STRANGERS:
        alone = _with_suffixes(family, {stranger: ""})
        if alone.samples or alone.blocks:
            yield "gauge", replace(alone, name=family.name + stranger)


def _with_suffixes(family: Family, suffixes: Mapping[str, str]) -> Family:
    """The family with only the samples that have one of the suffixes, which become others."""
    samples = [
        sample._replace(suffix=suffixes[sample.suffix]) for sample in family.samples if sample.suffix in suffixes
    ]
    blocks = []
    for block in family.blocks:
        lines = [replace(line, suffix=suffixes[line.suffix]) for line in block.lines if line.suffix in suffixes]
        if lines:
            blocks.append(replace(block, lines=tuple(lines)))
    return replace(family, samples=tuple(samples), blocks=tuple(blocks))


def _text(part: tuple[str, Family]) -> Iterator[bytes]:
    type_name, family = part
    yield f"# HELP {family.name} {_escaped(family.help)}\n# TYPE {family.name} {type_name}\n".encode()
    yield from _samples(family)


def _samples(family: Family) -> Iterator[bytes]:
    lines = [
        f"{family.name}{sample.suffix}{_labels(sample.labels)} {number_text(sample.value)}\n"
        for sample in family.samples
    ]
    if lines:
        yield "".join(lines).encode()
    for block in family.blocks:
        rows_each = max(1, CHUNK_LINES // len(block.lines))
        yield from render_chunks(_block_parts(family.name, block), block.rows, rows_each)


def _block_parts(name: str, block: SampleBlock) -> list[Part]:
    """What writes all samples of one row."""
    parts: list[Part] = []
    constant = [f'{label}="{_quoted(value)}"' for label, value in block.constant]
    for line in block.lines:
        text = f"{name}{line.suffix}" + ("{" if constant or line.labels else "") + ",".join(constant)
        separator = "," if constant else ""
        for label, writers in line.labels:
            parts += [Literal(f'{text}{separator}{label}="'.encode()), *writers]
            text, separator = '"', ","
        parts += [Literal((text + ("} " if constant or line.labels else " ")).encode()), *line.value, Literal(b"\n")]
    return _joined(parts)


def _joined(parts: list[Part]) -> list[Part]:
    """The parts with literals that follow one another as one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Literal) and isinstance(last, Literal):
            joined[-1] = Literal(last.text + part.text)
        else:
            joined.append(part)
    return joined


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

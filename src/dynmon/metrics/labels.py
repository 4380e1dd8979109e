"""The labels that tell the series of a metric apart: which there are, and what each is made of.

Fields of the key make labels by themselves (`dynmon.metrics.guesses`); the configuration renames them, decodes them in
other ways, adds some or drops some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dynmon.btf.plans import Field, Record, Rows
from dynmon.errors import did_you_mean
from dynmon.metrics.decoders import Decoder, PlainDecoder, Texts, decoder_of
from dynmon.metrics.fields import Misfit, as_name, locate
from dynmon.metrics.guesses import Guess, guess, guesses
from dynmon.metrics.widening import bit_span
from dynmon.models import DecoderConfig, DecoderName, KeyLabel, OpenMetricsMetadata
from dynmon.models.open_metrics import RESERVED_LABELS
from dynmon.rendering import Part

KEY = "key"
INDEX = "index"
CPU = "cpu"
INDEX_TYPE = "index of an array"


@dataclass(frozen=True)
class KeyPart:
    """A label out of a field of the key, the steps that decode it, and why these."""

    name: str
    field: Field
    decoders: tuple[Decoder, ...]
    why: str

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What writes it from rows that begin with the key; none where only Python can."""
        return self.decoders[0].parts(self.field) if len(self.decoders) == 1 else ()

    def texts(self, values: Rows) -> Texts:
        """The text for each value of the field; None drops the series."""
        first, *others = self.decoders
        texts = first.of_rows(self.field, values)
        for decoder in others:
            passed = [place for place, text in enumerate(texts) if text is not None]
            decoded = decoder.of_texts([text for text in texts if text is not None])
            for place, text in zip(passed, decoded, strict=True):
                texts[place] = text
        return texts

    @property
    def decoded_by(self) -> str:
        """The steps, in words."""
        return " → ".join("number" if isinstance(each, PlainDecoder) else each.name for each in self.decoders)


def key_parts(metadata: OpenMetricsMetadata, key: Field) -> tuple[KeyPart, ...]:
    """The labels of a key, in its order, those that the configuration asks for in place of those they are about.

    Raises:
        Misfit: The configuration asks for what the key does not have, or for a decoder that does not fit.
    """
    if metadata.index_names is not None and key.type_name != INDEX_TYPE:
        raise Misfit(
            "index-names", f"the map has no indexes, its keys are {key.type_name}: decode them with static_map"
        )
    asked = [
        _asked(label, key, f"key-labels[{number}]", metadata) for number, label in enumerate(metadata.key_labels or ())
    ]
    own = [_guessed(each, metadata, key) for each in guesses(key)]
    kept = [each for each in own if not any(_overlap(each.field, other.field) for other in asked)]
    taken = {label.name for label in metadata.labels or ()} | {part.name for part in asked}
    parts = sorted([*_renamed(kept, taken), *asked], key=lambda part: bit_span(part.field)[0])
    return tuple(_chosen(parts, metadata))


def _asked(label: KeyLabel, key: Field, path: str, metadata: OpenMetricsMetadata) -> KeyPart:
    try:
        field = locate(key, label.field or (label.name if isinstance(key.plan, Record) else ""))
    except Misfit as misfit:
        raise misfit.below(f"{path}.field") from None
    if label.decoders is None:
        return replace(_guessed(guess(field), metadata, key), name=label.name)
    decoders = [decoder_of(each) for each in label.decoders]
    if decoders[0].name in TEXTUAL:
        decoders = [_first(guess(field)), *decoders]
    offset = len(decoders) - len(label.decoders)
    for number, decoder in enumerate(decoders):
        try:
            if number:
                decoder.check_behind(decoders[number - 1])
            else:
                decoder.check(field)
        except Misfit as misfit:
            raise misfit.below(f"{path}.decoders[{number - offset}]") from None
    return KeyPart(label.name, field, tuple(decoders), "the configuration says so")


TEXTUAL = (DecoderName.STATIC_MAP, DecoderName.REGEXP, DecoderName.FILE)


def _guessed(found: Guess, metadata: OpenMetricsMetadata, key: Field) -> KeyPart:
    decoders = [_first(found)]
    if metadata.index_names is not None and key.type_name == INDEX_TYPE:
        names = DecoderConfig(name=DecoderName.STATIC_MAP, static_map=metadata.index_names, allow_unknown=True)
        return KeyPart(INDEX, found.field, (*decoders, decoder_of(names)), "index-names has names for indexes")
    return KeyPart(_label_name(found.field, key), found.field, tuple(decoders), found.why)


def _first(found: Guess) -> Decoder:
    return PlainDecoder() if found.decoder is None else decoder_of(DecoderConfig(name=found.decoder))


def _label_name(field: Field, key: Field) -> str:
    if not field.name:
        return INDEX if key.type_name == INDEX_TYPE else KEY
    name = as_name(field.name)
    return name if name and not name[0].isdigit() else f"{KEY}_{name}".rstrip("_")


def _renamed(parts: Iterable[KeyPart], taken: set[str]) -> Iterator[KeyPart]:
    """Every name once: what another label has, or what means something else, gets ``key_`` before it."""
    for part in parts:
        name = part.name
        while name in taken or (name in RESERVED_LABELS and not (name == INDEX and part.field.type_name == INDEX_TYPE)):
            name = f"{KEY}_{name}"
        taken.add(name)
        why = part.why if name == part.name else f"{part.why}; the name {part.name!r} is taken"
        yield replace(part, name=name, why=why)


def _overlap(one: Field, other: Field) -> bool:
    (start, end), (other_start, other_end) = bit_span(one), bit_span(other)
    return start < other_end and other_start < end


def _chosen(parts: Sequence[KeyPart], metadata: OpenMetricsMetadata) -> Iterator[KeyPart]:
    """Those that are not dropped, or are kept."""
    key, names = ("keep", metadata.keep) if metadata.keep is not None else ("drop", metadata.drop or ())
    for number, name in enumerate(names):
        if not any(_is_named(part, name) for part in parts):
            there = [part.name for part in parts]
            has = f"there are: {', '.join(there)}" if there else "there are none"
            raise Misfit(f"{key}[{number}]", f"there is no label {name!r}; {has}", did_you_mean(name, there))
    for part in parts:
        if any(_is_named(part, name) for name in names) == (key == "keep"):
            yield part


def _is_named(part: KeyPart, name: str) -> bool:
    path = part.field.name
    return name in (part.name, path) or path.startswith((f"{name}.", f"{name}["))

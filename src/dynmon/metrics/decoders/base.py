"""What a decoder is: a step from the bytes of a field, or from the text of the step before, to text.

A decoder alone on a field may have parts that the renderer writes by itself, row by row, without Python; otherwise it
is asked once for each value that is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from dynmon.btf.plans import Address, Bits, Boolean, Enumeration, Field, Integer, MapId, Plan, Rows
from dynmon.metrics.fields import Misfit, is_network_order
from dynmon.models import DecoderConfig, DecoderName
from dynmon.rendering import BitField, Part
from dynmon.rendering import Integer as IntegerPart

OTHER = "other"  # the label of what is beyond the limit
# The text for each value; None drops the series.
Texts = list[str | None]
WORD_SIZES = (1, 2, 4, 8)
NUMBER_SIZES = (*WORD_SIZES, 16)


class Decoder(ABC):
    """One step. `gives_number` is whether its texts are numbers in decimal."""

    name: ClassVar[DecoderName]
    gives_number: bool = False

    def __init__(self, config: DecoderConfig) -> None:
        self.config = config

    @abstractmethod
    def check(self, field: Field) -> None:
        """Whether it can be the first step for this field.

        Raises:
            Misfit: It cannot.
        """

    @abstractmethod
    def check_behind(self, before: Decoder) -> None:
        """Whether it can take what the other one gives.

        Raises:
            Misfit: It cannot.
        """

    @abstractmethod
    def of_rows(self, field: Field, rows: Rows) -> Texts:
        """The texts for values of the field, which have their bytes alone in `rows`."""

    @abstractmethod
    def of_texts(self, texts: Sequence[str]) -> Texts:
        """The texts for what the step before gave."""

    def parts(self, field: Field) -> tuple[Part, ...]:
        """What writes the texts of rows that have the field at its offset; none where only Python can.

        No two values that differ in their bytes may have the same text by them.
        """
        return ()


class OfBytes(Decoder):
    """A decoder that makes sense of bytes only."""

    def check_behind(self, before: Decoder) -> None:
        raise Misfit("", f"decoder {self.name} takes bytes, so it must be the first, not behind {before.name}")

    def of_texts(self, texts: Sequence[str]) -> Texts:
        raise TypeError(f"{self.name} takes bytes")


class OfNumbers(Decoder):
    """A decoder that takes a number: of a field, or from the step before."""

    @abstractmethod
    def text(self, number: int) -> str:
        """The text for one number."""

    def check(self, field: Field) -> None:
        check_number(self.name, field)

    def check_behind(self, before: Decoder) -> None:
        if not before.gives_number:
            raise Misfit("", f"decoder {self.name} takes a number, which {before.name} does not give")

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        return [self.text(number) for number in numbers_of(field, rows)]

    def of_texts(self, texts: Sequence[str]) -> Texts:
        return [self.text(int(text)) for text in texts]


class OfTexts(Decoder):
    """A decoder that takes text; of a field, what would be its text without it."""

    @abstractmethod
    def text(self, text: str) -> str | None:
        """The text for one text; None drops the series."""

    def check(self, field: Field) -> None:
        raise TypeError(f"{self.name} takes text")

    def check_behind(self, before: Decoder) -> None:
        """It takes whatever is text."""

    def of_rows(self, field: Field, rows: Rows) -> Texts:
        raise TypeError(f"{self.name} takes text")

    def of_texts(self, texts: Sequence[str]) -> Texts:
        return [self.text(text) for text in texts]


def check_number(name: str, field: Field) -> None:
    """Whether the field can be taken for a number.

    Raises:
        Misfit: It cannot.
    """
    if not isinstance(number_plan(field.plan), Bits) and field.plan.size not in NUMBER_SIZES:
        raise Misfit("", f"decoder {name} takes 1, 2, 4 or 8 bytes, but {described(field)} has {field.plan.size}")


def check_size(name: str, field: Field, *sizes: int) -> None:
    """Whether the field has one of these sizes.

    Raises:
        Misfit: It has another.
    """
    if field.plan.size not in sizes or isinstance(number_plan(field.plan), Bits):
        wanted = " or ".join(map(str, sizes))
        raise Misfit("", f"decoder {name} takes {wanted} bytes, but {described(field)} has {field.plan.size}")


def described(field: Field) -> str:
    """The field and its type."""
    return f"field {field.name!r} ({field.type_name})" if field.name else f"the key ({field.type_name})"


def number_plan(plan: Plan) -> Plan:
    """What is behind names and truth."""
    return plan.number if isinstance(plan, Enumeration | Boolean) else plan


def number_part(field: Field, *, is_signed: bool | None = None) -> IntegerPart | BitField:
    """What writes the field as a number; signed as its type says, if nothing else is asked for."""
    plan = number_plan(field.plan)
    if isinstance(plan, Bits):
        return BitField(field.offset, plan.size, plan.shift, plan.bits, plan.is_signed)
    signed = isinstance(plan, Integer) and plan.is_signed if is_signed is None else is_signed
    return IntegerPart(field.offset, plan.size, signed, is_network_order(field))


def numbers_of(field: Field, rows: Rows, *, is_signed: bool | None = None) -> list[int]:
    """The field as a number, in the order of bytes that its type says."""
    plan = number_plan(field.plan)
    if isinstance(plan, Bits):
        return [int(number) for number in plan.decode(rows)]
    signed = isinstance(plan, Integer) and plan.is_signed if is_signed is None else is_signed
    order = ">" if is_network_order(field) else "<"
    if plan.size in WORD_SIZES:
        values: list[int] = (
            np.ascontiguousarray(rows[:, : plan.size])
            .view(f"{order}{'i' if signed else 'u'}{plan.size}")[:, 0]
            .tolist()
        )
        return values
    word = "big" if is_network_order(field) else "little"
    return [int.from_bytes(row[: plan.size].tobytes(), word, signed=signed) for row in rows]  # type: ignore[arg-type]


def escaped(text: str) -> bytes:
    """The text as it stands between the quotes of a label."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"').encode(errors="replace")


def is_numeric(plan: Plan) -> bool:
    """Whether the plan is of a number of its own, also one that nobody adds up."""
    return isinstance(number_plan(plan), Integer | Bits | Address | MapId)

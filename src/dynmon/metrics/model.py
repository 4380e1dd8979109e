"""A metric family as a value: made by cubes and the daemon, merged, rendered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynmon.rendering import Part

Number = int | float
Labels = tuple[tuple[str, str], ...]


class FamilyType(StrEnum):
    """The types of OpenMetrics 1.0, by their names there."""

    UNKNOWN = "unknown"
    GAUGE = "gauge"
    COUNTER = "counter"
    STATESET = "stateset"
    INFO = "info"
    HISTOGRAM = "histogram"
    GAUGE_HISTOGRAM = "gaugehistogram"
    SUMMARY = "summary"


# What a sample's name may have behind the family's; all of these names belong to the family, used or not.
SUFFIXES: dict[FamilyType, tuple[str, ...]] = {
    FamilyType.UNKNOWN: ("",),
    FamilyType.GAUGE: ("",),
    FamilyType.STATESET: ("",),
    FamilyType.COUNTER: ("_total", "_created"),
    FamilyType.INFO: ("_info",),
    FamilyType.HISTOGRAM: ("_bucket", "_count", "_sum", "_created"),
    FamilyType.GAUGE_HISTOGRAM: ("_bucket", "_gcount", "_gsum"),
    FamilyType.SUMMARY: ("", "_count", "_sum", "_created"),
}


class Sample(NamedTuple):
    """One number; `suffix` is what its name has behind the family's.

    A tuple, since there may be a million of them: they are made ten times as fast as frozen dataclasses.
    """

    suffix: str
    labels: Labels
    value: Number


@dataclass(frozen=True, slots=True)
class Line:
    """One sample of each row of a block: what writes its labels, behind the block's constant ones, and its value."""

    suffix: str
    labels: tuple[tuple[str, tuple[Part, ...]], ...]
    value: tuple[Part, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SampleBlock:
    """The samples of many series, which are not made until they are written: all `lines` of one row, then the next.

    `constant` are labels that all samples have. The rows are bytes; what they mean, the parts of the lines know.
    """

    constant: Labels
    lines: tuple[Line, ...]
    rows: NDArray[np.uint8]

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.rows) * len(self.lines)


@dataclass(frozen=True, slots=True)
class Family:
    """A name, a type, a help, and samples: some one by one, those of maps in blocks.

    `notes` say what could not be exported and why; they are rendered behind the help. `source` is where the
    family comes from, for such notes.
    """

    name: str
    type: FamilyType
    help: str
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()
    unit: str = ""
    source: str = ""
    blocks: tuple[SampleBlock, ...] = ()

    @property
    def is_left_out(self) -> bool:
        """Whether there is nothing but the reasons why there is nothing."""
        return bool(self.notes) and not self.samples and not self.blocks

    @property
    def claimed_names(self) -> frozenset[str]:
        """Every name that no other family may have or give to a sample."""
        return frozenset({self.name, *(self.name + suffix for suffix in SUFFIXES[self.type])})

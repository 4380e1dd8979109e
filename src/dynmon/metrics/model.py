"""A metric family as a value: made by cubes and the daemon, merged, rendered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

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
class Family:
    """A name, a type, a help, and samples.

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

    @property
    def is_left_out(self) -> bool:
        """Whether there is nothing but the reasons why there is nothing."""
        return bool(self.notes) and not self.samples

    @property
    def claimed_names(self) -> frozenset[str]:
        """Every name that no other family may have or give to a sample."""
        return frozenset({self.name, *(self.name + suffix for suffix in SUFFIXES[self.type])})

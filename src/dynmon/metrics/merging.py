"""Many families → families that can stand in one exposition: each name, and each series, once.

Families of one name and type become one. Where two cannot stand together (another type, a name that the other one
uses for its samples, a series that is there already, or may be) the first stays, and a note in its help says what is
missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dynmon.metrics.model import Family, FamilyType, Labels, Sample, SampleBlock


def merge(families: Iterable[Family], own: Iterable[Family] = ()) -> list[Family]:
    """Join `families` behind the daemon's `own`, to which nobody can add.

    The order is that of first appearance, with those that only say why they are left out at the end.
    """
    given = list(families)
    drafts = _Drafts()
    for family in own:
        drafts.add(family, is_reserved=True)
    for family in given:
        if not family.is_left_out:
            drafts.add(family)
    for family in given:
        if family.is_left_out:
            drafts.add_notes(family)
    return drafts.families()


@dataclass(slots=True)
class _Draft:
    first: Family
    is_reserved: bool
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: set[tuple[str, Labels]] = field(default_factory=set)
    blocks: list[SampleBlock] = field(default_factory=list)

    def join(self, family: Family) -> None:
        before = len(self.samples)
        for sample in family.samples:
            labels = sample.labels
            series = (sample.suffix, labels if len(labels) < 2 else tuple(sorted(labels)))
            if series not in self.seen:
                self.seen.add(series)
                self.samples.append(sample)
        missing = before + len(family.samples) - len(self.samples)
        distinct = [block for block in family.blocks if not any(_may_clash(block, other) for other in self.blocks)]
        missing += sum(block.samples for block in family.blocks if block not in distinct)
        self.blocks += distinct
        if missing:
            self.notes.append(f"{_subject(family)}: samples with the labels of others are left out: {missing}")
        self.notes += family.notes

    def family(self) -> Family:
        first = self.first
        return replace(first, samples=tuple(self.samples), notes=tuple(self.notes), blocks=tuple(self.blocks))


class _Drafts:
    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}
        self._owners: dict[str, _Draft] = {}

    def families(self) -> list[Family]:
        return [draft.family() for draft in self._drafts.values()]

    def add(self, family: Family, *, is_reserved: bool = False) -> None:
        there = self._drafts.get(family.name)
        if there and there.first.type is family.type and not there.is_reserved:
            there.join(family)
            return
        obstacle = self._obstacle(family)
        if obstacle is None:
            self._start(family, is_reserved)
        else:
            obstacle.notes += [f"{_subject(family)} is left out: {_reason(family, obstacle)}", *family.notes]

    def add_notes(self, family: Family) -> None:
        owner = self._owners.get(family.name)
        if owner is None:
            unknown = Family(family.name, FamilyType.UNKNOWN, family.help, source=family.source)
            owner = self._start(unknown, is_reserved=False)
        owner.notes += family.notes

    def _obstacle(self, family: Family) -> _Draft | None:
        return next((self._owners[name] for name in sorted(family.claimed_names) if name in self._owners), None)

    def _start(self, family: Family, is_reserved: bool) -> _Draft:
        draft = _Draft(family, is_reserved)
        self._drafts[family.name] = draft
        self._owners.update(dict.fromkeys(family.claimed_names, draft))
        draft.join(family)
        return draft


def _may_clash(block: SampleBlock, other: SampleBlock) -> bool:
    """Whether a sample of one may have the labels of one of the other's, as far as can be told without making them."""
    names, other_names = ({name for line in each.lines for name, _ in line.labels} for each in (block, other))
    constant, other_constant = dict(block.constant), dict(other.constant)
    if names | constant.keys() != other_names | other_constant.keys():
        return False
    return all(constant[name] == other_constant[name] for name in constant.keys() & other_constant.keys())


def _subject(family: Family) -> str:
    return f"{family.name} ({family.source})" if family.source else family.name


def _reason(family: Family, obstacle: _Draft) -> str:
    first = obstacle.first
    if obstacle.is_reserved:
        return f"the name belongs to {first.name}, a family of the daemon's own"
    if family.name == first.name:
        return f"its type is {family.type}, but that of {_subject(first)} is {first.type}"
    return f"its names are those of the {first.type} {_subject(first)}"

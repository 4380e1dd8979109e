"""The shapes of dry runs: what asks for one, and the explanations and reports that answer."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from dynmon.api.schemas import Answer
from dynmon.models import CubeType, DataplaneConfig, Direction, LogLevel, PathConfig
from dynmon.models.base import Document


class DryRun(Document):
    """Code to try, under ``dataplane-config`` or as the paths themselves; what is not said is as the cube has it.

    Without code, that of the cube is tried, on maps of its own.

    ``capture`` is a pcap or pcapng file in base64, ``direction`` where its packets come from: where there is code,
    ingress before egress.
    """

    dataplane_config: DataplaneConfig | None = None
    ingress_path: PathConfig | None = None
    egress_path: PathConfig | None = None
    capture: str | None = None
    direction: Direction | None = None
    type: CubeType | None = None
    loglevel: LogLevel | None = None
    passive: bool | None = None

    @model_validator(mode="after")
    def _has_paths_once(self) -> DryRun:
        if self.dataplane_config and (self.ingress_path or self.egress_path):
            raise ValueError("has dataplane-config and paths beside it; give one of them")
        return self


class DryRunForm(Answer):
    """A dry run as a form: ``dataplane-config`` (or ``config``) is JSON, ``capture`` a file."""

    dataplane_config: DataplaneConfig | None = None
    capture: bytes | None = None
    direction: Direction | None = None
    type: CubeType | None = None
    loglevel: LogLevel | None = None
    passive: bool | None = None


class LeafExplanation(Answer):
    """A part of a key or value: where it lies, how it is shown and why; no path for bytes that are not shown."""

    path: str
    type_name: str
    offset: int
    size: int
    shown_as: str
    why: str


class ProgramExplanation(Answer):
    """A program of the object, and why it was chosen or not."""

    name: str
    section: str
    hook: str
    instructions: int
    chosen: bool
    why: str


class MapExplanation(Answer):
    """A map, an estimate of the memory it takes, how its entries are shown, or in ``unread`` why they cannot be.

    There are two ``copies`` of maps that are read by swapping, none of those that are not made.
    """

    name: str
    type: str
    key_bytes: int
    value_bytes: int
    max_entries: int
    memory_bytes: int
    copies: int
    made: bool
    key: list[LeafExplanation]
    value: list[LeafExplanation]
    unread: str | None


class Decision(Answer):
    """A label or a family of a metric: from which part of its map, decoded by what, and why."""

    makes: str
    source: str
    decoder: str
    why: str


class MetricExplanation(Answer):
    """A metric: what it reads, how that is shown, what it exports, and how many series at most."""

    name: str
    map: str
    map_type: str
    variable: str | None
    key: list[LeafExplanation]
    value: list[LeafExplanation]
    series: int
    labels: list[str]
    exported_as: str | None
    left_out: str | None
    notes: list[str]
    decisions: list[Decision]


class TailCall(Answer):
    """A program in a prog array."""

    map: str
    index: int
    program: str


class Constant(Answer):
    """A global variable that is not written to, and the value that the code finds in it."""

    name: str
    type_name: str
    value: Any


class PathExplanation(Answer):
    """What the code of a path is and would export; ``instructions`` are those of the program in the object."""

    name: str
    direction: Direction
    hook: str
    spelling: str
    passive: bool
    program: str
    instructions: int
    verified_instructions: int | None
    stack_bytes: int | None
    helpers: list[str]
    programs: list[ProgramExplanation]
    maps: list[MapExplanation]
    memory_bytes: int
    constants: list[Constant]
    tail_calls: list[TailCall]
    metrics: list[MetricExplanation]
    warnings: list[dict[str, Any]]


class Skipped(Answer):
    """Packets that the code did not run on."""

    reason: str
    packets: int


class Packets(Answer):
    """The packets of a capture; ``stopped`` says why there are others that were not read."""

    total: int
    run: int
    skipped: list[Skipped]
    stopped: str | None


class Verdict(Answer):
    """What became of packets (pass, drop, redirect, transmit, abort), and what the code returned for them."""

    verdict: str
    returned: str
    packets: int


class Nanoseconds(Answer):
    """How long the code took for a packet, as the kernel measured it."""

    mean: float
    median: float
    min: int
    max: int


class MapContents(Answer):
    """The first entries of a map, in the shape that a read gives."""

    name: str
    type: str
    entries: list[Any]
    left_out: int


class LogLine(Answer):
    """What the code said about a packet."""

    packet: int
    level: LogLevel
    text: str


class Log(Answer):
    """What the code said with ``pcn_log``."""

    lines: list[LogLine]
    left_out: int


class TriedReading(Answer):
    """The value of a metric after the last packet."""

    name: str
    value: Any


class DryRunReport(Answer):
    """Each path in words, by its name; without a capture that is all."""

    explanation: dict[str, PathExplanation]
    direction: Direction | None = None
    packets: Packets | None = None
    notes: list[str] | None = None
    verdicts: list[Verdict] | None = None
    anomalies: int | None = None
    withheld_drops: int | None = None
    ns_per_packet: Nanoseconds | None = None
    metrics: list[TriedReading] | None = None
    open_metrics: str | None = None
    prometheus: str | None = None
    maps: list[MapContents] | None = None
    log: Log | None = None

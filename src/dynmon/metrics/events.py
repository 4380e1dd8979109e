"""Ring buffers and perf event arrays: maps without values, whose records are events.

Records are bytes: neither map type says in BTF what a record is, so the configuration does. A record may have more
bytes than its type, for a program may put the beginning of the packet behind it, and perf buffers fill records up; then
its head is decoded. One that has fewer is shown as it came.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dynmon.bpf import BpfMap, MapType, PerfBuffer, RingBuffer
from dynmon.bpf.owner import Owner
from dynmon.btf import Btf, Hexadecimal, UndecodableType, leaves_of, plan_for, type_named
from dynmon.btf.types import VOID
from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.description import MetricDescription
from dynmon.metrics.errors import UnreadableMap
from dynmon.metrics.readings import Reading, now
from dynmon.metrics.refusals import EVENTS, UnreadableError
from dynmon.metrics.value_types import UNTYPED, TypedPlan
from dynmon.models import Direction, MetricConfig

EVENT_TYPES = frozenset({MapType.RINGBUF, MapType.PERF_EVENT_ARRAY})
STREAM_EVENTS = frozenset({"lost", "end"})  # what a stream says of itself
RECORDS_AT_ONCE = 1024
UNKNOWN = TypedPlan(Hexadecimal(0), "bytes")
NO_TYPE = (
    "{reason}; a type that only local variables have is not in the object, a global pointer to it, such as "
    "{name} *event_type, brings it there"
)


@dataclass(slots=True)
class EventTally:
    """What was taken out of a map of records; `undecoded` are those that have fewer bytes than their type."""

    records: int = 0
    lost: int = 0
    undecoded: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BoundEvents:
    """An event metric with its map and the type of the records, None where nobody gave one.

    The map belongs to whoever loaded it. Two are equal when they are one.
    """

    config: MetricConfig
    direction: Direction
    bpf_map: BpfMap
    value_type: TypedPlan | None
    tally: EventTally = field(default_factory=EventTally)

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.config.name

    @property
    def map_name(self) -> str:
        """The name that the code gives the map."""
        return self.bpf_map.info.name

    @property
    def map_type(self) -> str:
        """The type of the map in a word."""
        return self.bpf_map.info.map_type.name.lower()

    def reading(self) -> Reading:
        """What a read of its value answers: there is none, and why."""
        typed = self.value_type or UNKNOWN
        metric = BoundMetric(self.config, self.direction, self.bpf_map, key_type=None, value_type=typed)
        return Reading(self.name, now(), metric, None, EVENTS)

    def describe(self) -> MetricDescription:
        """The metric in words."""
        typed = self.value_type
        return MetricDescription(
            name=self.name,
            map=self.map_name,
            map_type=self.bpf_map.info.map_type,
            variable=None,
            key=(),
            value=tuple(leaves_of(typed.plan, typed.type_name, "event")) if typed else (),
            series=0,
            labels=(),
            exported_as=None,
            left_out=EVENTS,
            notes=() if typed else ("without a type its records are shown as hexadecimal digits",),
        )

    def going_on_from(self, others: Sequence[BoundEvents]) -> BoundEvents:
        """The metric with the tally of the one of the same name and map, if there is one among `others`."""
        place = (self.direction, self.name, self.bpf_map.info.id)
        before = [each for each in others if (each.direction, each.name, each.bpf_map.info.id) == place]
        return replace(self, tally=before[0].tally) if before else self

    def count(self, records: Sequence[Record], lost: int) -> None:
        """So many were taken out of the map, whoever hears them; for the one thread that takes them."""
        size = self.value_type.plan.size if self.value_type else 0
        self.tally.records += len(records)
        self.tally.lost += lost
        self.tally.undecoded += sum(len(record.data) < size for record in records)

    def decode(self, records: Sequence[bytes]) -> Iterator[tuple[Any, str]]:
        """The value of each record, and a note on those that are not what they should be."""
        if self.value_type is None:
            yield from ((record.hex(), "") for record in records)
            return
        size = self.value_type.plan.size
        heads = b"".join(record[:size] for record in records if len(record) >= size)
        values = iter(self.value_type.plan.decode(np.frombuffer(heads, np.uint8).reshape(-1, size)))
        for record in records:
            if len(record) >= size:
                yield next(values), ""
            else:
                yield record.hex(), f"the record has {len(record)} bytes, {self.value_type.type_name} has {size}"


def is_events(config: MetricConfig, maps: Mapping[str, BpfMap]) -> bool:
    """Whether the metric's map is one of records, to be bound by `bind_events`."""
    bpf_map = maps.get(config.map_name or "")
    return bpf_map is not None and bpf_map.info.map_type in EVENT_TYPES


def bind_events(config: MetricConfig, direction: Direction, maps: Mapping[str, BpfMap], btf: Btf) -> BoundEvents:
    """Tie an event metric to its map; `is_events` has said that it is one.

    Raises:
        UnreadableMap: Its type is not known, or the configuration wants what only maps with values have.
    """
    bpf_map = maps[str(config.map_name)]
    try:
        _check(config, bpf_map)
        typed = _record_type(config.type, bpf_map, btf)
    except (UnreadableError, UndecodableType) as reason:
        raise UnreadableMap(config.name, f"map {config.map_name!r}", direction, str(reason)) from reason
    return BoundEvents(config, direction, bpf_map, typed)


def _check(config: MetricConfig, bpf_map: BpfMap) -> None:
    options = config.extraction_options
    refusals = {
        "open-metrics-metadata is not for it: its records are events, not numbers; count them in a map": (
            config.open_metrics_metadata
        ),
        "empty-on-read is not for it: its records are events, each is taken out once": options.empty_on_read,
        "swap-on-read is not for it: its records are events, each is taken out once": options.swap_on_read,
        "merge is not for it: its records are events, and each stays one": config.merge,
        "per-interface is not for it: the events of all interfaces are one stream": config.per_interface,
        "key-type is not for it: its records have no keys": config.key_type,
        "it is declared with BPF_F_RDONLY or BPF_F_WRONLY, and who reads it has to write where it is": (
            fcntl.fcntl(bpf_map.fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDWR
        ),
        f"a stream has events of its own called {config.name!r}: give the metric another name": (
            config.name in STREAM_EVENTS
        ),
    }
    for reason, is_refused in refusals.items():
        if is_refused:
            raise UnreadableError(reason)


def _record_type(given: str | None, bpf_map: BpfMap, btf: Btf) -> TypedPlan | None:
    if given is None:
        declared = btf.map_types.get(bpf_map.info.name, UNTYPED).value_type_id
        typed = TypedPlan(plan_for(btf, declared), btf.describe(declared)) if declared != VOID else None
        # The value of a perf event array is a descriptor of four bytes, unless it is declared as what it cannot be.
        return typed if typed and typed.plan.size not in (0, bpf_map.info.value_size) else None
    try:
        typed = TypedPlan(type_named(btf, given), given)
    except UndecodableType as error:
        if given.startswith(("struct ", "union ")):
            raise UnreadableError(NO_TYPE.format(reason=error, name=given)) from error
        raise
    if not typed.plan.size:
        raise UnreadableError(f"the given type '{given}' has no bytes")
    return typed


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the program wrote it, and when it was taken out; `cpu` is known of perf buffers only."""

    timestamp: int
    cpu: int | None
    data: bytes


class EventSource(Owner):
    """Takes the records out of one map, which it keeps open by itself; `fd` polls readable when there are some."""

    def __init__(self, bpf_map: BpfMap) -> None:
        own = BpfMap.from_fd(os.dup(bpf_map.fd), bpf_map.info.name)
        try:
            self._ring = RingBuffer(own) if own.info.map_type is MapType.RINGBUF else None
            self._perf = None if self._ring else PerfBuffer(own)
        except BaseException:
            own.close()
            raise

    @property
    def fd(self) -> int:
        """What to wait for."""
        return self._ring.fd if self._ring else self._perf.fd if self._perf else -1

    def take(self) -> tuple[list[Record], int]:
        """What waits, at most so much that others get their turn, and how many records the kernel lost meanwhile.

        Raises:
            KernelError: The kernel refused.
        """
        moment = now()
        records: list[Record] = []
        losses: list[int] = []
        if self._ring:
            self._ring.drain(lambda data: records.append(Record(moment, None, data)), RECORDS_AT_ONCE)
        elif self._perf:
            self._perf.drain(
                lambda cpu, data: records.append(Record(moment, cpu, data)), lambda cpu, count: losses.append(count)
            )
        return records, sum(losses)

    def close(self) -> None:
        """Stop taking; what is in a ring buffer stays there."""
        for each in (self._ring, self._perf):
            if each:
                each.close()

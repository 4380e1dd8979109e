"""Who listens to the records of ring buffers and perf event arrays.

A record can be taken out once, but many may want it. So each map that somebody listens to has one consumer in the whole
process, a thread that sleeps until the kernel says that there are records, takes them out, and gives them to every
listener. It starts with the first listener and ends with the last; until then a perf event array has no room for
records at all, and a ring buffer keeps the first that fit.

A listener has a queue with an end. When it does not take as fast as packets come, the oldest records give way and are
counted, and so are those that the kernel says it had no room for; no listener holds up another, or a packet. What the
program could not put into a ring buffer nobody counts but the program.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynmon.bpf import BpfMap, MapType
from dynmon.bpf.owner import Owner
from dynmon.dataplane import LoadedPath
from dynmon.errors import ConflictError, KernelError, NotFoundError
from dynmon.metrics.events import RECORDS_AT_ONCE, BoundEvents, EventSource, Record, bind_events, is_events
from dynmon.models import Direction

QUEUE_RECORDS = 4096
QUEUE_BYTES = 16 << 20
PART_RECORDS = 256
PART_BYTES = 1 << 18
# Programs may put records in without waking us (BPF_RB_NO_WAKEUP); they are found after so long.
LOOK_SECONDS = 1.0
# Under load, records come in packs: to wake up for each would cost far more than the record.
PAUSE_SECONDS = 0.002
MIN_RECORD_BYTES = 8
REPLACED = "the code was replaced"
DELETED = "the cube was deleted"


class NoEventMetrics(ConflictError):
    """There is nothing to listen to."""

    def __init__(self, cube: str, direction: Direction | None) -> None:
        where = f"{direction} " if direction else ""
        super().__init__(
            f"cube {cube!r} has no {where}event metrics: inject code with a metric whose map-name is a ring buffer or "
            "a perf event array, and whose type is that of its records"
        )
        self.cube = cube

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube}


class EventMetricNotFound(NotFoundError):
    """A cube has no event metric of this name."""

    def __init__(self, cube: str, name: str, known: Collection[str]) -> None:
        super().__init__(f"cube {cube!r} has no event metric {name!r}; it has: {', '.join(sorted(known))}")
        self.cube = cube
        self.name = name

    def fields(self) -> Mapping[str, Any]:
        return {"cube": self.cube, "metric": self.name}


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded record; `number` counts those of the stream, lost ones too. `note` says what is wrong with it."""

    metric: BoundEvents
    number: int
    record: Record
    value: Any
    note: str


@dataclass(frozen=True, slots=True)
class Lost:
    """So many records of a metric are missing, in front of what comes next."""

    metric: BoundEvents
    count: int


@dataclass(frozen=True, slots=True)
class End:
    """Nothing comes any more."""

    reason: str


class EventStream(Owner):
    """What one listener hears, from now on until it is closed; every method may be called from any thread."""

    def __init__(self, metrics: Sequence[BoundEvents], leave: Callable[[EventStream], None]) -> None:
        self.metrics = tuple(metrics)
        self._leave = leave
        self._lock = threading.Lock()
        self._queue: deque[tuple[BoundEvents, Record]] = deque()
        self._bytes = 0
        self._lost: Counter[BoundEvents] = Counter()
        self._number = 0
        self._end: End | None = None
        self._ready: Callable[[], None] = lambda: None

    def notify(self, ready: Callable[[], None]) -> None:
        """Call `ready` now, and when there is something to take after there was nothing; it must be quick and not fail.

        Who is called takes until there is nothing.
        """
        self._ready = ready
        ready()

    def take(self, limit: int = PART_RECORDS) -> list[Event | Lost | End]:
        """What there is, at most `limit` records, and in the end the End; nothing when one has to wait."""
        with self._lock:
            lost, self._lost = self._lost, Counter()
            taken = list(self._taken(limit))
            end = None if self._queue else self._end
            self._end = None if end else self._end
        self._number += lost.total()
        items: list[Event | Lost | End] = [Lost(metric, count) for metric, count in lost.items()]
        items += self._decoded(taken)
        return [*items, end] if end else items

    def put(self, metric: BoundEvents, records: Sequence[Record], lost: int) -> None:
        """Hear what a consumer took out."""
        with self._lock:
            is_first = not self._queue and not self._lost  # otherwise the listener is under way already
            if lost:
                self._lost[metric] += lost
            for record in records:
                self._queue.append((metric, record))
                self._bytes += len(record.data)
            while len(self._queue) > QUEUE_RECORDS or (self._bytes > QUEUE_BYTES and len(self._queue) > 1):
                dropped, _ = self._pop()
                self._lost[dropped] += 1
        if is_first:
            self._ready()

    def end(self, reason: str) -> None:
        """Say that nothing comes any more, behind all that is there."""
        with self._lock:
            self._end = self._end or End(reason)
        self._ready()

    def close(self) -> None:
        """Hear nothing more."""
        self._leave(self)

    def _taken(self, limit: int) -> Iterator[tuple[BoundEvents, Record]]:
        taken_bytes = 0
        while self._queue and limit > 0 and taken_bytes < PART_BYTES:
            metric, record = self._pop()
            taken_bytes += len(record.data)
            limit -= 1
            yield metric, record

    def _pop(self) -> tuple[BoundEvents, Record]:
        metric, record = self._queue.popleft()
        self._bytes -= len(record.data)
        return metric, record

    def _decoded(self, taken: Sequence[tuple[BoundEvents, Record]]) -> Iterator[Event]:
        values = {
            metric: metric.decode([record.data for each, record in taken if each is metric]) for metric in self.metrics
        }
        for metric, record in taken:
            self._number += 1
            value, note = next(values[metric])
            yield Event(metric, self._number, record, value, note)


Receiver = tuple[BoundEvents, EventStream]


class _Consumer:
    """Takes the records out of one map for all who listen to it."""

    def __init__(self, bpf_map: BpfMap, receiver: Receiver) -> None:
        self.receivers: tuple[Receiver, ...] = (receiver,)
        info = bpf_map.info
        at_once = info.max_entries // MIN_RECORD_BYTES if info.map_type is MapType.RINGBUF else 0
        self._rounds_until_empty = at_once // RECORDS_AT_ONCE + 1
        self._source = EventSource(bpf_map)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name=f"events {info.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give what is left to whoever still listens, and end."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)
        self._source.close()

    def _run(self) -> None:
        try:
            self._forward_until_stopped()
        except KernelError as error:
            for _, stream in self.receivers:
                stream.end(str(error))

    def _forward_until_stopped(self) -> None:
        with select.epoll() as waiter:
            waiter.register(self._source.fd, select.EPOLLIN)
            waiter.register(self._stop, select.EPOLLIN)
            while all(descriptor != self._stop for descriptor, _ in waiter.poll(LOOK_SECONDS)):
                if self._forward() < RECORDS_AT_ONCE:
                    time.sleep(PAUSE_SECONDS)
        for _ in range(self._rounds_until_empty):
            if not self.receivers or not self._forward():
                break

    def _forward(self) -> int:
        records, lost = self._source.take()
        if records or lost:
            receivers = self.receivers
            for metric in {id(metric.tally): metric for metric, _ in receivers}.values():
                metric.count(records, lost)
            for metric, stream in receivers:
                stream.put(metric, records, lost)
        return len(records)


class _Consumers:
    """The consumers of this process by the kernel's number of their map: cubes may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_map: dict[int, _Consumer] = {}

    def join(self, receiver: Receiver) -> None:
        """Let it hear what comes.

        Raises:
            KernelError: The map cannot be read.
        """
        bpf_map = receiver[0].bpf_map
        with self._lock:
            consumer = self._by_map.get(bpf_map.info.id)
            if consumer is None:
                self._by_map[bpf_map.info.id] = _Consumer(bpf_map, receiver)
            else:
                consumer.receivers += (receiver,)

    def leave(self, leaving: Collection[Receiver], *, drain: bool) -> None:
        """Let them hear nothing more; with `drain`, what is there still goes to them if they are the last."""
        with self._lock:
            for number, consumer in list(self._by_map.items()):
                staying = tuple(each for each in consumer.receivers if each not in leaving)
                if staying or not drain:
                    consumer.receivers = staying
                if not staying:
                    del self._by_map[number]
                    consumer.stop()


_consumers = _Consumers()


class EventHub:
    """The event metrics of one cube, and who listens to them."""

    def __init__(self, cube: str) -> None:
        self._cube = cube
        self._lock = threading.Lock()
        self._metrics: dict[Direction, Sequence[BoundEvents]] = {}
        self._streams: list[EventStream] = []

    def replace(self, changes: Mapping[Direction, Sequence[BoundEvents]]) -> None:
        """Take the event metrics of new code; who listens to a map that is gone hears its last records and the end."""
        with self._lock:
            self._metrics.update(changes)
            self._end([stream for stream in self._streams if not self._goes_on(stream)], REPLACED)

    def listen(self, direction: Direction | None = None, names: Collection[str] = ()) -> EventStream:
        """Hear the event metrics called `names`, or all, of one direction or of both.

        Raises:
            NoEventMetrics: There are none.
            EventMetricNotFound: None of them has this name.
            KernelError: A map cannot be read.
        """
        with self._lock:
            stream = EventStream(self._chosen(direction, names), self._forget)
            try:
                for metric in stream.metrics:
                    _consumers.join((metric, stream))
            except BaseException:
                _consumers.leave(_receivers([stream]), drain=False)
                raise
            self._streams.append(stream)
            return stream

    def close(self) -> None:
        """End all streams, for the cube is deleted."""
        with self._lock:
            self._metrics.clear()
            self._end(list(self._streams), DELETED)

    def _chosen(self, direction: Direction | None, names: Collection[str]) -> list[BoundEvents]:
        found = [metric for each in Direction if direction in (None, each) for metric in self._metrics.get(each, ())]
        if not found:
            raise NoEventMetrics(self._cube, direction)
        known = {metric.name for metric in found}
        for name in names:
            if name not in known:
                raise EventMetricNotFound(self._cube, name, known)
        return [metric for metric in found if not names or metric.name in names]

    def _goes_on(self, stream: EventStream) -> bool:
        running = [metric for metrics in self._metrics.values() for metric in metrics]
        return all(any(_is_same(metric, each) for each in running) for metric in stream.metrics)

    def _end(self, streams: list[EventStream], reason: str) -> None:
        _consumers.leave(_receivers(streams), drain=True)
        for stream in streams:
            self._streams.remove(stream)
            stream.end(reason)

    def _forget(self, stream: EventStream) -> None:
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)
                _consumers.leave(_receivers([stream]), drain=False)


def events_of(path: LoadedPath) -> list[BoundEvents]:
    """The event metrics of a path.

    Raises:
        UnreadableMap: One is not as it should be.
    """
    return [
        bind_events(config, path.placement.direction, path.maps, path.btf)
        for config in path.config.metric_configs
        if is_events(config, path.maps)
    ]


def _receivers(streams: Sequence[EventStream]) -> list[Receiver]:
    return [(metric, stream) for stream in streams for metric in stream.metrics]


def _is_same(old: BoundEvents, new: BoundEvents) -> bool:
    """Whether it is one map with records of one type, under one name: code that is loaded once more keeps its maps."""
    return (old.direction, old.name, old.bpf_map.info.id, old.value_type) == (
        new.direction,
        new.name,
        new.bpf_map.info.id,
        new.value_type,
    )

"""The Monitor: code on an interface for the length of a block."""

from __future__ import annotations

import itertools
import os
import re
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, Unpack

from dynmon.cubes import DynmonCube, MetricNotFound
from dynmon.errors import ConflictError, InvalidInputError, UnsupportedError
from dynmon.metrics import ExpositionFormat, Reading
from dynmon.models import AttachRequest, CubeType, Direction, LogLevel, validate_document
from dynmon.monitor.documents import Code, CodeOptions, Config, Metrics, cube_document, dataplane_document
from dynmon.monitor.frames import data_frame
from dynmon.monitor.tables import Column, table
from dynmon.monitor.workshop import Workshop

NOT_IN_A_NAME = re.compile(r"^[^A-Za-z0-9]|[^A-Za-z0-9_.-]")
BOTH_DIRECTIONS = "in both directions; say direction='ingress' or direction='egress'"
_numbers = itertools.count(1)


class NotRunning(ConflictError):
    """There is nothing to read before a monitor is opened, nor after it is closed."""

    def __init__(self, interface: str) -> None:
        super().__init__(f"the monitor of {interface!r} is not running: use it in a with block, or call open()")
        self.interface = interface

    def fields(self) -> Mapping[str, Any]:
        return {"interface": self.interface}


class AmbiguousMetric(InvalidInputError):
    """More than one metric may be meant, or metrics of both directions."""

    def __init__(self, names: Sequence[str], advice: str = BOTH_DIRECTIONS) -> None:
        super().__init__(f"{', '.join(map(repr, names))}: {advice}")
        self.names = tuple(names)

    def fields(self) -> Mapping[str, Any]:
        return {"metrics": list(self.names)}


class Monitor:
    """Runs code on every packet of an interface, and reads what the code counts::

        with Monitor("eth0", "probe.c", metrics={"packets_total": "PKT_COUNTER"}) as monitor:
            time.sleep(10)
            print(monitor.metrics()["packets_total"])

    `code` sees received packets, `egress` is the code for sent ones. Either is the path of a file, C source as text, or
    source or an object as bytes. `metrics` gives names to maps, or has entries as in a configuration; without it every
    readable map and global variable is a metric under its own name. `options` are further keys of a path's document:
    ``program``, ``program_type``, ``map_sizes``, ``constants``, ``initial_entries``, ``keep_maps``. In place of all
    these, `config`, or `code` itself, is a whole dataplane configuration as the daemon takes it, or the path of a JSON
    file with one.
    `hook` is ``TC``, or for received packets ``XDP_SKB`` or ``XDP_DRV``; `loglevel` is for ``pcn_log``, whose lines go
    to the logger ``dynmon.cube.NAME``. A `passive` monitor runs only what the kernel proves to neither drop nor change
    packets.

    Nothing is compiled or attached before the block. After it, and however the process ends, nothing is left. In a
    notebook, `open` and `close` do what the block does, and so does the loss of the last reference. Every method may be
    called from any thread.

    Raises:
        NothingToRun, CodeNotFound, InvalidDocument: What was given cannot be understood.
    """

    def __init__(
        self,
        interface: str,
        code: Code | Config | None = None,
        *,
        egress: Code | None = None,
        metrics: Metrics | None = None,
        config: Config | None = None,
        hook: CubeType | str = CubeType.TC,
        loglevel: LogLevel | str = LogLevel.INFO,
        passive: bool = False,
        **options: Unpack[CodeOptions],
    ) -> None:
        self.interface = interface
        dataplane = dataplane_document(code, egress, metrics, config, options)
        self._config = cube_document(dataplane, hook, loglevel, passive=passive)
        self._name = f"{NOT_IN_A_NAME.sub('x', interface)}-{next(_numbers)}"
        self._request = validate_document(AttachRequest, {"cube": self._name, "port": interface}, "monitor")
        self._lock = threading.RLock()
        self._cube: DynmonCube | None = None
        self._end: weakref.finalize[..., Self] | None = None

    def open(self) -> Self:
        """Compile, load and attach; harmless when that is done already.

        Raises:
            InterfaceNotFound: There is no such interface.
            InjectionError: The code does not compile, does not load, or a metric names a map it cannot have.
            DynmonError: Whatever else the kernel or the machine refuses; nothing is attached then.
        """
        with self._lock:
            if self._cube is None:
                with ExitStack() as undo:
                    workshop = _workshop
                    registry = workshop.enter()
                    undo.callback(workshop.leave)
                    cube = registry.create(self._name, self._config)
                    undo.callback(registry.delete, self._name)
                    registry.attach(self._request)
                    self._end = weakref.finalize(self, undo.pop_all().close)
                self._cube = cube
                _running.add(self)
        return self

    def close(self) -> None:
        """Detach and let go of everything; twice is harmless."""
        with self._lock:
            self._cube = None
            _running.discard(self)
            if self._end is not None:
                self._end()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        cube = self._cube
        names = [name for each in Direction for name in cube.metric_names(each)] if cube else ["not running"]
        return f"<Monitor {self.interface}: {', '.join(names) or 'no metrics'}>"

    @property
    def cube(self) -> DynmonCube:
        """What the daemon would call the cube.

        Raises:
            NotRunning: The monitor is not open.
        """
        cube = self._cube
        if cube is None:
            raise NotRunning(self.interface)
        return cube

    def metrics(self, direction: str | None = None) -> dict[str, Any]:
        """The value of every metric, in the shapes of the REST API's JSON; reading changes nothing.

        The value is None where it cannot be read without emptying the map, as with a queue.

        Raises:
            NotRunning: The monitor is not open.
            AmbiguousMetric: Both directions have a metric of one name, and no `direction` was given.
        """
        cube = self.cube
        if direction:
            readings = cube.read(_direction(direction), drain=False)
        else:
            readings = list(itertools.chain.from_iterable(cube.read_all(drain=False).values()))
        values = {reading.name: reading.value for reading in readings}
        if len(values) < len(readings):
            names = [reading.name for reading in readings]
            raise AmbiguousMetric(sorted(name for name in values if names.count(name) > 1))
        return values

    def open_metrics(self) -> str:
        """The metrics as OpenMetrics text; reading changes nothing.

        Raises:
            NotRunning: The monitor is not open.
        """
        return b"".join(self.cube.open_metrics(ExpositionFormat.OPENMETRICS, drain=False)).decode()

    def read(self, name: str | None = None, direction: str | None = None) -> Column:
        """A metric as a numpy structured array with the fields ``key``, where the map has keys, and ``value``.

        `name` is the metric's, or that of its map or variable; it can be left out where there is only one metric. A
        queue or a stack is emptied by reading it, and so is any other map whose metric says ``empty-on-read``.

        Raises:
            NotRunning: The monitor is not open.
            MetricNotFound: There is no such metric.
            AmbiguousMetric: There are several, and no `name`, or in both directions, and no `direction`, was given.
            UnsupportedError: Its map has no values that could be read.
            KernelError: The kernel refused the read.
        """
        cube = self.cube
        return _column(cube.read_metric(*_find(cube, name, direction), drain=True))

    def windows(self, name: str | None = None, direction: str | None = None) -> Iterator[Column]:
        """What happens to a metric from one step of a loop to the next, in the form of `read`.

        The first step gives everything so far; of a metric that is emptied and not exported, what `read` has not taken
        yet. Nothing is taken from other readers, nor from other windows.

        Raises:
            UnsupportedError: A queue or a stack gives each value once.
            TokenForgotten: The code was replaced between two steps; begin again.
            DynmonError: As `read` does.
        """
        since: str | None = ""
        while True:
            cube = self.cube
            reading = cube.read_metric(*_find(cube, name, direction), drain=True, since=since)
            since = reading.since
            yield _column(reading)

    def to_dataframe(self, name: str | None = None, direction: str | None = None) -> Any:
        """What `read` gives as a pandas DataFrame, or a polars one; its columns are ``key.src``, ``value.packets``, ...

        Raises:
            UnsupportedError: Neither library is installed.
            DynmonError: As `read` does.
        """
        return data_frame(self.read(name, direction))

    def inject(
        self,
        code: Code | Config | None = None,
        *,
        egress: Code | None = None,
        metrics: Metrics | None = None,
        config: Config | None = None,
        **options: Unpack[CodeOptions],
    ) -> dict[str, Any]:
        """Run other code from the next packet on; none passes unseen. A direction that is not mentioned runs on.

        With ``keep_maps``, gives which maps were ``kept``, which ``not-kept`` and why, by path.

        Raises:
            NotRunning: The monitor is not open.
            InjectionError: The code cannot run; the old code does.
            NothingToRun, CodeNotFound, InvalidDocument: As for the constructor.
        """
        return self.cube.inject(dataplane_document(code, egress, metrics, config, options))

    def _forget(self) -> None:
        """In a forked child: this monitor is the parent's."""
        cube, self._cube = self._cube, None
        if self._end is not None:
            self._end.detach()
        if cube:
            cube.abandon()


def _find(cube: DynmonCube, name: str | None, direction: str | None) -> tuple[Direction, str]:
    """The metric of this name, else the one that reads the map or variable of this name; None is the only one."""
    directions = [_direction(direction)] if direction else list(Direction)
    metrics = [(each, metric) for each in directions for metric in cube.path(each).metric_configs]
    found = [(each, metric.name) for each, metric in metrics if name in (None, metric.name)]
    found = found or [(each, metric.name) for each, metric in metrics if name in (metric.map_name, metric.variable)]
    names = sorted({metric for _, metric in found})
    if not found:
        with_metrics = [each for each, _ in metrics] or directions
        raise MetricNotFound(cube.name, with_metrics[0], name or "", cube.metric_names(with_metrics[0]))
    if len(names) > 1:
        raise AmbiguousMetric(names, "more than one metric; say which to read")
    if len(found) > 1:
        raise AmbiguousMetric(names)
    return found[0]


def _column(reading: Reading) -> Column:
    if reading.split is not None:
        raise UnsupportedError(f"metric {reading.name!r} is split per interface; metrics() has its values")
    if reading.entries is None:
        raise UnsupportedError(f"metric {reading.name!r}: {reading.note}")
    return table(reading.metric, reading.entries)


def _direction(word: str) -> Direction:
    try:
        return Direction(word)
    except ValueError:
        raise InvalidInputError(f"direction must be 'ingress' or 'egress', not {word!r}") from None


def _after_fork() -> None:
    global _workshop
    _workshop = Workshop()
    for monitor in list(_running):
        monitor._forget()
    _running.clear()


_workshop = Workshop()
_running: weakref.WeakSet[Monitor] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)

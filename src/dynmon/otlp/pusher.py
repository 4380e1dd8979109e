"""A thread that pushes an exposition to a collector, again and again.

All numbers are cumulative, so nothing is lost by a push that fails: the next one has everything. That is why a failure
is said once, and not retried before its time, but for what the SDK does by itself within the ten seconds of a push.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dynmon.errors import UnsupportedError
from dynmon.otlp.starts import Starts

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

SDK = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
SDK_LOGGER = "opentelemetry.exporter.otlp"
LAST_PUSH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class SdkMissing(UnsupportedError):
    """OpenTelemetry's SDK is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "cannot push to a collector without OpenTelemetry's SDK and its exporter; "
            "install them with: pip install 'dynmon[otlp]'"
        )


def require_sdk() -> None:
    """See that the SDK is there, without importing all of it.

    Raises:
        SdkMissing: It is not.
    """
    try:
        is_there = all(find_spec(module) for module in SDK)
    except ImportError:
        is_there = False
    if not is_there:
        raise SdkMissing


class Pusher:
    """Pushes to `endpoint` every `interval_seconds` what `exposition` gives, and once more at the end."""

    def __init__(
        self, endpoint: str, interval_seconds: float, exposition: Callable[[], Iterable[bytes]], version: str
    ) -> None:
        """Begin.

        Raises:
            SdkMissing: There is nothing to push with.
        """
        require_sdk()
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource

        self._endpoint = endpoint
        self._interval_seconds = interval_seconds
        self._exposition = exposition
        self._version = version
        names = {"service.name": "dynmond", "service.version": version, "host.name": socket.gethostname()}
        self._resource = Resource(names).merge(OTELResourceDetector().detect())  # the administrator's words win
        self._reasons = _Reasons()
        self._exporter = OTLPMetricExporter(endpoint)
        self._starts = Starts(time.time_ns())
        self._is_failing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Push once more, unless that fails anyhow, and end; within five seconds. Twice is harmless."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._is_failing:
            self._exporter.shutdown()  # wakes up who waits to try again
        self._thread.join(LAST_PUSH_SECONDS)
        self._exporter.shutdown()
        self._reasons.close()

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self._push()
        if not self._is_failing:
            self._push()

    def _push(self) -> None:
        from opentelemetry.sdk.metrics.export import MetricExportResult

        self._reasons.clear()
        try:
            result = self._exporter.export(self._data())
        except Exception as error:  # whatever it is, the next push may do better, and the daemon has other work
            self._failed(f"{type(error).__name__}: {error}")
            return
        if result is not MetricExportResult.SUCCESS:
            self._failed(self._reasons.first)
        elif self._is_failing:
            self._is_failing = False
            _log.info("metrics are pushed to %s again", self._endpoint)

    def _failed(self, reason: str) -> None:
        if not self._is_failing and not self._stop.is_set():
            _log.warning(
                "metrics cannot be pushed to %s: %s; it is tried every %g s, and said when it works",
                self._endpoint,
                reason,
                self._interval_seconds,
            )
        self._is_failing = True

    def _data(self) -> MetricsData:
        from dynmon.otlp.translation import translated

        now = time.time_ns()
        data = translated(b"".join(self._exposition()).decode(), self._resource, self._version, self._starts, now)
        self._starts.looked(now)
        return data


class _Reasons(logging.Handler):
    """Keeps what the exporter says to its log, which is the only place where it says why it failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""
        self._logger = logging.getLogger(SDK_LOGGER)
        self._logger.addHandler(self)
        self._logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first of what is said of one push."""
        self.first = self.first or record.getMessage()

    def clear(self) -> None:
        """Another push begins."""
        self.first = ""

    def close(self) -> None:
        """Let the exporter's log go where it went before."""
        self._logger.removeHandler(self)
        self._logger.propagate = True
        super().close()

"""Monitor an interface from a script or a notebook: the daemon's pipeline, in process and without the daemon."""

from dynmon.monitor.documents import Code, CodeNotFound, CodeOptions, Config, Metrics, NothingToRun
from dynmon.monitor.monitor import AmbiguousMetric, Monitor, NotRunning
from dynmon.monitor.tables import column, table

__all__ = [
    "AmbiguousMetric",
    "Code",
    "CodeNotFound",
    "CodeOptions",
    "Config",
    "Metrics",
    "Monitor",
    "NotRunning",
    "NothingToRun",
    "column",
    "table",
]

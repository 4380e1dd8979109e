"""The documents that people send and get back: validated at the door, kebab-case on the wire, unknown keys refused."""

from dynmon.models.attachments import AttachRequest, DetachRequest
from dynmon.models.base import CubeType, Direction, Hook, LogLevel, Merge, MetricType, validate_document
from dynmon.models.cube import CubeConfig
from dynmon.models.dataplane import (
    DataplaneConfig,
    ExtractionOptions,
    Label,
    MetricConfig,
    OpenMetricsMetadata,
    PathConfig,
)
from dynmon.models.simplebridge import (
    BridgeChange,
    BridgeConfig,
    ConnectRequest,
    FdbConfig,
    FdbEntryConfig,
    PortChange,
    PortConfig,
)

__all__ = [
    "AttachRequest",
    "BridgeChange",
    "BridgeConfig",
    "ConnectRequest",
    "CubeConfig",
    "CubeType",
    "DataplaneConfig",
    "DetachRequest",
    "Direction",
    "ExtractionOptions",
    "FdbConfig",
    "FdbEntryConfig",
    "Hook",
    "Label",
    "LogLevel",
    "Merge",
    "MetricConfig",
    "MetricType",
    "OpenMetricsMetadata",
    "PathConfig",
    "PortChange",
    "PortConfig",
    "validate_document",
]

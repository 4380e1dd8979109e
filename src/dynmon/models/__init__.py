"""The documents that people send and get back: validated at the door, kebab-case on the wire, unknown keys refused."""

from dynmon.models.attachments import AttachRequest, DetachRequest
from dynmon.models.base import CubeType, Direction, Hook, LogLevel, Merge, MetricType, validate_document
from dynmon.models.cube import CubeConfig
from dynmon.models.dataplane import (
    DataplaneConfig,
    ExtractionOptions,
    MetricConfig,
    PathConfig,
)
from dynmon.models.open_metrics import (
    BucketType,
    DecoderConfig,
    DecoderName,
    KeyLabel,
    Label,
    OpenMetricsMetadata,
    PerCpu,
    ValueConfig,
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
    "BucketType",
    "ConnectRequest",
    "CubeConfig",
    "CubeType",
    "DataplaneConfig",
    "DecoderConfig",
    "DecoderName",
    "DetachRequest",
    "Direction",
    "ExtractionOptions",
    "FdbConfig",
    "FdbEntryConfig",
    "Hook",
    "KeyLabel",
    "Label",
    "LogLevel",
    "Merge",
    "MetricConfig",
    "MetricType",
    "OpenMetricsMetadata",
    "PathConfig",
    "PerCpu",
    "PortChange",
    "PortConfig",
    "ValueConfig",
    "validate_document",
]

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

__all__ = [
    "AttachRequest",
    "CubeConfig",
    "CubeType",
    "DataplaneConfig",
    "DetachRequest",
    "Direction",
    "ExtractionOptions",
    "Hook",
    "Label",
    "LogLevel",
    "Merge",
    "MetricConfig",
    "MetricType",
    "OpenMetricsMetadata",
    "PathConfig",
    "validate_document",
]

"""Read maps: values as JSON, and metric families as OpenMetrics text."""

from dynmon.metrics.binding import BoundMetric
from dynmon.metrics.description import MetricDescription, describe
from dynmon.metrics.errors import UnknownMap, UnknownVariable, UnreadableMap
from dynmon.metrics.exposition import ExpositionFormat, expose, render_openmetrics, render_text
from dynmon.metrics.families import families_of, family_from_prometheus
from dynmon.metrics.merging import merge
from dynmon.metrics.model import Family, FamilyType, Sample
from dynmon.metrics.paging import Page
from dynmon.metrics.readings import Reading, read

__all__ = [
    "BoundMetric",
    "ExpositionFormat",
    "Family",
    "FamilyType",
    "MetricDescription",
    "Page",
    "Reading",
    "Sample",
    "UnknownMap",
    "UnknownVariable",
    "UnreadableMap",
    "describe",
    "expose",
    "families_of",
    "family_from_prometheus",
    "merge",
    "read",
    "render_openmetrics",
    "render_text",
]

"""The code of a cube and what its maps mean: the `dataplane-config` document."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool, model_validator

from dynmon.models.base import Direction, Document, MetricType

MAX_CODE_CHARACTERS = 1 << 20
DEFAULT_PATH_NAME = "Default path config"
# The lexical rules of OpenMetrics 1.0, "ABNF"; the colon is left to recording rules there, but accepted.
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Added by Dynmon or given a meaning by OpenMetrics: a user's label of the same name would be ambiguous.
RESERVED_LABELS = frozenset({"le", "quantile", "cube", "direction", "interface", "cpu", "index"})


def _check_segment(name: str) -> str:
    if not name or len(name) > 128:
        raise ValueError("must have 1 to 128 characters")
    if any(character in "/?#" or not character.isprintable() for character in name):
        raise ValueError("must not contain '/', '?', '#' or unprintable characters: it is part of a URL")
    return name


Segment = Annotated[str, AfterValidator(_check_segment)]


def _check_label_name(name: str) -> str:
    if not LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"{name!r} is not a label name (letters, digits and _, not starting with a digit or __)")
    if name in RESERVED_LABELS:
        raise ValueError(f"{name!r} is a reserved label name")
    return name


class Label(Document):
    """A constant label on every sample of a metric."""

    name: Annotated[str, AfterValidator(_check_label_name)]
    value: str


class OpenMetricsMetadata(Document):
    """How a metric is exported as OpenMetrics; a metric without it is exported as JSON only."""

    help: str
    type: MetricType
    labels: tuple[Label, ...] | None = None

    @model_validator(mode="after")
    def _labels_are_unique(self) -> OpenMetricsMetadata:
        _refuse_duplicates([label.name for label in self.labels or ()], "label")
        return self


class ExtractionOptions(Document):
    """What reading a metric does to its map."""

    swap_on_read: StrictBool = False
    empty_on_read: StrictBool = False


class MetricConfig(Document):
    """A map of the injected code, under the name it is read by."""

    name: Segment
    map_name: Annotated[str, Field(min_length=1, max_length=128)]
    extraction_options: ExtractionOptions = ExtractionOptions()
    open_metrics_metadata: OpenMetricsMetadata | None = None

    @model_validator(mode="after")
    def _exported_name_is_valid(self) -> MetricConfig:
        if self.open_metrics_metadata and not METRIC_NAME.fullmatch(self.name):
            raise ValueError(
                f"metric {self.name!r} is exported as OpenMetrics, so its name may only have letters, digits, _ and :"
            )
        return self


class PathConfig(Document):
    """The code of one direction and its metrics."""

    name: str = "unnamed"
    code: Annotated[str, Field(min_length=1, max_length=MAX_CODE_CHARACTERS)]
    metric_configs: tuple[MetricConfig, ...] = ()

    @model_validator(mode="after")
    def _metric_names_are_unique(self) -> PathConfig:
        _refuse_duplicates([metric.name for metric in self.metric_configs], "metric")
        return self

    def wire(self) -> dict[str, Any]:
        document = super().wire()
        if not self.metric_configs:
            del document["metric-configs"]
        return document


class DataplaneConfig(Document):
    """Both paths; one that is not mentioned stays as it is."""

    ingress_path: PathConfig | None = None
    egress_path: PathConfig | None = None

    def path(self, direction: Direction) -> PathConfig | None:
        """The path of `direction`, None when it is not mentioned."""
        return self.ingress_path if direction is Direction.INGRESS else self.egress_path


def _refuse_duplicates(names: list[str], what: str) -> None:
    duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicates:
        raise ValueError(f"{what} name used more than once: {', '.join(duplicates)}")

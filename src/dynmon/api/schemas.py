"""The shapes of answers and of bodies that only the API knows, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dynmon.models import CubeType, DataplaneConfig, LogLevel
from dynmon.models.base import Document


class CubeChange(Document):
    """What PATCH of a cube may carry; what is fixed only if it agrees with the cube."""

    name: str | None = None
    service_name: str | None = None
    type: CubeType | None = None
    loglevel: LogLevel | None = None
    passive: bool | None = None
    dataplane_config: DataplaneConfig | None = None


class Answer(BaseModel):
    """A JSON object that the API gives; kebab-case, like the documents it takes."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))


class Link(Answer):
    """Where a related resource is: a URL without the scheme, ending in a slash."""

    rel: str
    href: str


class Problem(Answer):
    """Why a request failed (RFC 9457); errors of one kind have further members, as ``stage`` and ``diagnostics``."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class MetricReading(Answer):
    """The value of a metric, and when it was read, in microseconds since 1970."""

    name: str
    value: Any = None
    unread: str | None = Field(
        default=None, description="Why there is no value: reading the map here would have emptied it."
    )
    timestamp: int


class Metrics(Answer):
    """The metrics of both paths."""

    ingress_metrics: list[MetricReading]
    egress_metrics: list[MetricReading]


class NotKept(Answer):
    """A map that begins empty."""

    map: str
    reason: str


class KeptMaps(Answer):
    """Which maps of a path went on in the new code; there where ``keep-maps`` asked for it."""

    kept: list[str]
    not_kept: list[NotKept]


class CubeSummary(Answer):
    """A cube without its code and its metrics."""

    name: str
    uuid: str
    service_name: str
    type: CubeType
    loglevel: LogLevel
    parent: str
    passive: bool


class RefusedVerdicts(Answer):
    """How many packets passed although the code answered something else."""

    anomalies: int
    withheld_drops: int


class Verdicts(Answer):
    """What the code of both paths answered and was not done."""

    ingress: RefusedVerdicts
    egress: RefusedVerdicts


class Attachment(Answer):
    """A port that a cube is attached to, or is to be.

    The state is ``attached``; ``detached``, when somebody else took the program off; ``unplugged``, at the port of a
    cube that is plugged into nothing; ``awaited``, until the interface returns; or ``refused``, for the reason.
    """

    port: str
    state: str
    selector: str | None = Field(default=None, description="What has brought the cube here.")
    reason: str | None = None
    on_return: str | None = None


class Cube(CubeSummary):
    """A whole cube; queues and stacks have no value here, because reading them empties them."""

    attachments: list[Attachment]
    selectors: list[str]
    dataplane_config: DataplaneConfig
    metrics: Metrics
    verdicts: Verdicts


class Netdev(Answer):
    """A network interface that is up."""

    name: str
    addresses: list[str] | None = None


class Service(Answer):
    """A kind of cube."""

    name: str
    servicecontroller: str
    description: str
    version: str


class Healthy(Answer):
    """The daemon answers."""

    status: str

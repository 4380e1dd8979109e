"""The resources of a dynmon cube, in one declaration."""

from __future__ import annotations

from typing import Any

from dynmon.api.code_leaves import code_leaf, metadata_leaves
from dynmon.api.schemas import Attachment, Cube, MetricReading, Metrics, RefusedVerdicts, Verdicts
from dynmon.api.tree import Access, Container, Entry, Leaf, ListOf, ResourceNotFound, Trail, Visit, trails
from dynmon.cubes import DynmonCube, MetricNotFound
from dynmon.metrics import Reading
from dynmon.models import (
    CubeType,
    DataplaneConfig,
    Direction,
    ExtractionOptions,
    Hook,
    Label,
    LogLevel,
    Merge,
    MetricConfig,
    OpenMetricsMetadata,
    PathConfig,
)

SERVICE = "dynmon"
SERVICE_DESCRIPTION = "Monitors packets with eBPF code that is injected while it runs"
SERVICE_VERSION = "1.1"


def summary(cube: DynmonCube) -> dict[str, Any]:
    """What lists say about a cube."""
    return {
        "name": cube.name,
        "uuid": cube.uuid,
        "service-name": cube.service_name,
        "type": cube.type.value,
        "loglevel": cube.loglevel.value,
        "parent": cube.parent,
        "passive": cube.passive,
    }


def attachments(cube: DynmonCube) -> list[dict[str, Any]]:
    """Where the cube is attached, is to be, or cannot be."""
    return [
        {
            "port": each.port,
            "state": each.state,
            **({"selector": each.selector} if each.selector else {}),
            **({"reason": each.reason} if each.reason else {}),
            **({"on-return": "attach"} if each.returns else {}),
        }
        for each in cube.attachments.status()
    ]


def dataplane_config(cube: DynmonCube) -> dict[str, Any]:
    """The code and metric configurations that run."""
    return {direction.path_name: cube.path(direction).wire() for direction in Direction}


def rendered(reading: Reading) -> dict[str, Any]:
    """A reading as JSON, but for its value, which is decoded when it is written.

    A queue that was only looked at says so instead of giving a value.
    """
    value = {"unread": reading.note} if reading.entries is None and reading.split is None else {"value": reading}
    following = {"cursor": reading.cursor, "since": reading.since}
    present = {key: token for key, token in following.items() if token is not None}
    return {"name": reading.name, **value, "timestamp": reading.timestamp, **present}


def _verdicts(visit: Visit) -> dict[str, Any]:
    cube = visit.cube
    return {
        direction.value: {
            "anomalies": cube.anomalies(direction),
            "withheld-drops": cube.withheld_drops(direction),
        }
        for direction in Direction
    }


def _whole(visit: Visit) -> dict[str, Any]:
    return {
        **summary(visit.cube),
        "attachments": attachments(visit.cube),
        "selectors": visit.cube.attachments.selectors,
        "dataplane-config": dataplane_config(visit.cube),
        "metrics": _metrics(visit),
        "verdicts": _verdicts(visit),
    }


def _metrics(visit: Visit) -> dict[str, Any]:
    read = visit.cube.read_all(drain=visit.drain, since=visit.since)
    return {f"{direction}-metrics": [rendered(reading) for reading in readings] for direction, readings in read.items()}


def _readings(direction: Direction, visit: Visit) -> list[dict[str, Any]]:
    return [rendered(reading) for reading in visit.cube.read(direction, drain=visit.drain, since=visit.since)]


def _reading(direction: Direction, visit: Visit) -> dict[str, Any]:
    name = visit.keys[0]
    return rendered(visit.cube.read_metric(direction, name, drain=visit.drain, since=visit.since, page=visit.page))


def _name(direction: Direction, visit: Visit) -> str:
    name, known = visit.keys[0], visit.cube.metric_names(direction)
    if name not in known:
        raise MetricNotFound(visit.cube.name, direction, name, known)
    return name


def _label_names(direction: Direction, visit: Visit) -> list[str]:
    for config in visit.cube.path(direction).metric_configs:
        if config.name == visit.keys[0] and config.open_metrics_metadata:
            return [label.name for label in config.open_metrics_metadata.labels or ()]
    raise ResourceNotFound(visit.cube.name, f"{direction.path_name} labels of {visit.keys[0]!r}")


def _key(name: str, description: str, example: str, **more: Any) -> Leaf:
    """The name that a list entry is addressed by; it stands in the URL, so nobody needs a link to it."""
    return Leaf(name=name, description=description, example=example, linked=False, **more)


def _boolean(name: str, description: str) -> Leaf:
    return code_leaf(name, description, "false", simpletype="boolean", values=("true", "false"), schema=bool)


def _labels(direction: Direction) -> ListOf:
    key = _key("name", "Name of the label", "proto")
    value = code_leaf("value", "Value of the label", "udp")
    return ListOf(
        name="labels",
        description="Constant labels of every sample",
        entry=Entry(
            name="labels",
            description="One label",
            parameter="label",
            key=key,
            members=(key, value),
            schema=Label,
        ),
        keys=lambda visit: _label_names(direction, visit),
        access=Access.INIT_ONLY,
        schema=list[Label],
    )


def _metric_config(direction: Direction) -> Entry:
    key = _key("name", "Name of the metric", "packets_total")
    metadata = Container(
        name="open-metrics-metadata",
        description="How the metric is exported as OpenMetrics",
        members=(
            *metadata_leaves(),
            _labels(direction),
        ),
        access=Access.INIT_ONLY,
        schema=OpenMetricsMetadata,
    )
    options = Container(
        name="extraction-options",
        description="What reading the metric does to its map",
        members=(
            _boolean("empty-on-read", "A read empties the map"),
            _boolean("swap-on-read", "A read takes everything up to one instant, by swapping the map"),
        ),
        access=Access.INIT_ONLY,
        schema=ExtractionOptions,
    )
    return Entry(
        name="metric-configs",
        description="One metric",
        parameter="metric",
        key=key,
        members=(
            key,
            code_leaf("map-name", "Name of the map in the code", "PACKETS"),
            code_leaf("variable", "Instead of map-name, a global variable of the code", "packets"),
            code_leaf("type", "C type of the values, where the object does not tell it", "u64"),
            code_leaf("key-type", "C type of the keys, where the object does not tell it", "u32"),
            options,
            code_leaf("per-interface", "Whether each interface has a map of its own", "true", schema=bool),
            code_leaf("merge", "How values read at different times become one", "max", schema=Merge | dict[str, Merge]),
            metadata,
        ),
        schema=MetricConfig,
    )


def _path(direction: Direction) -> Container:
    hooks = tuple(hook.value for hook in Hook)
    return Container(
        name=direction.path_name,
        description=f"What happens to {direction} packets",
        access=Access.READ_WRITE,
        members=(
            code_leaf("name", "Name of the configuration", "Packet counter"),
            code_leaf("code", "C source, with a handle_rx function or with programs of its own"),
            code_leaf("object", "Instead of code, an ELF object in base64, gzipped or not"),
            code_leaf("program", "Which program of the code runs", "count_packets"),
            code_leaf("program-type", "What the program is, where its section does not say", "tc", values=hooks),
            code_leaf("map-sizes", "Entries of maps, by their names", '{"FLOWS": 65536}', schema=dict[str, int]),
            code_leaf("constants", "Values of const volatile globals", '{"sampling": 50}', schema=dict[str, Any]),
            code_leaf("initial-entries", "What maps hold first", '{"ALLOWED": [1]}', schema=dict[str, list[Any]]),
            code_leaf("keep-maps", "Maps whose contents go on in this code", "true", schema=bool | list[str]),
            ListOf(
                name="metric-configs",
                description="Which maps of the code are metrics",
                entry=_metric_config(direction),
                keys=lambda visit: visit.cube.metric_names(direction),
                access=Access.INIT_ONLY,
                schema=list[MetricConfig],
            ),
        ),
        schema=PathConfig,
    )


def _metric_list(direction: Direction) -> ListOf:
    key = _key(
        "name",
        "Name of the metric",
        "packets_total",
        read=lambda visit: _name(direction, visit),
    )
    entry = Entry(
        name=f"{direction}-metrics",
        description="One metric, read",
        parameter="metric",
        key=key,
        members=(
            key,
            Leaf(
                name="value",
                description="What the map holds",
                example="[3]",
                drains=True,
                read=lambda visit: _reading(direction, visit).get("value"),
                schema=Any,
            ),
            Leaf(
                name="timestamp",
                description="When the map was read, in microseconds since 1970",
                example="1700000000000000",
                simpletype="integer",
                read=lambda visit: _reading(direction, visit)["timestamp"],
                schema=int,
            ),
        ),
        drains=True,
        read=lambda visit: _reading(direction, visit),
        schema=MetricReading,
    )
    return ListOf(
        name=f"{direction}-metrics",
        description=f"Metrics of {direction} packets",
        entry=entry,
        keys=lambda visit: visit.cube.metric_names(direction),
        drains=True,
        read=lambda visit: _readings(direction, visit),
        schema=list[MetricReading],
    )


def _verdicts_of(direction: Direction) -> Container:
    return Container(
        name=direction.value,
        description=f"Of {direction} packets, which passed",
        members=(
            Leaf(
                name="anomalies",
                description="Packets for which it was neither RX_OK nor RX_DROP",
                example="0",
                simpletype="integer",
                schema=int,
            ),
            Leaf(
                name="withheld-drops",
                description="Packets for which a passive cube's code said RX_DROP",
                example="0",
                simpletype="integer",
                schema=int,
            ),
        ),
        schema=RefusedVerdicts,
    )


# The order is that of `_links`; GET has its own, in summary().
CUBE = Entry(
    name=SERVICE,
    description="A monitor for the packets of one interface",
    parameter="name",
    access=Access.READ_WRITE,
    key=_key("name", f"Name of the {SERVICE} cube", "dynmon1", read=lambda visit: visit.cube.name),
    members=(
        _key("name", f"Name of the {SERVICE} cube", "dynmon1", read=lambda visit: visit.cube.name),
        Leaf(
            name="uuid",
            description="Identity of the cube; a new one each time it is created",
            example="0b9b6e2c-5f0e-4b8e-9a3c-2f5d1c7a4e10",
            read=lambda visit: visit.cube.uuid,
        ),
        Leaf(
            name="type",
            description="Kernel hook that receives the packets",
            example=CubeType.TC.value,
            access=Access.INIT_ONLY,
            values=tuple(kind.value for kind in CubeType),
            read=lambda visit: visit.cube.type.value,
            schema=CubeType,
        ),
        Leaf(
            name="service-name",
            description="Kind of cube",
            example=SERVICE,
            access=Access.INIT_ONLY,
            read=lambda visit: visit.cube.service_name,
        ),
        Leaf(
            name="loglevel",
            description="How much pcn_log in the code says",
            example=LogLevel.INFO.value,
            access=Access.READ_WRITE,
            values=tuple(level.value for level in LogLevel),
            read=lambda visit: visit.cube.loglevel.value,
            schema=LogLevel,
        ),
        Leaf(
            name="parent",
            description="Port or selector that the cube was attached to first, empty when there is none",
            example="eth0",
            linked=False,
            read=lambda visit: visit.cube.parent,
        ),
        Leaf(
            name="attachments",
            description="The ports that the cube is attached to, and how that is going",
            linked=False,
            read=lambda visit: attachments(visit.cube),
            schema=list[Attachment],
        ),
        Leaf(
            name="selectors",
            description="The selectors that the cube is attached to",
            linked=False,
            read=lambda visit: visit.cube.attachments.selectors,
            schema=list[str],
        ),
        Container(
            name="dataplane-config",
            description="The code that runs, and what its maps mean",
            access=Access.READ_WRITE,
            members=tuple(_path(direction) for direction in Direction),
            read=lambda visit: dataplane_config(visit.cube),
            schema=DataplaneConfig,
        ),
        Container(
            name="metrics",
            description="The metrics of both paths, read",
            members=tuple(_metric_list(direction) for direction in Direction),
            drains=True,
            read=_metrics,
            schema=Metrics,
        ),
        Leaf(
            name="open-metrics",
            description="The metrics as OpenMetrics text",
            media_type="text/plain",
        ),
        Leaf(
            name="passive",
            description="Whether the code can neither drop nor change packets, as the kernel proves",
            example="true",
            access=Access.INIT_ONLY,
            simpletype="boolean",
            values=("true", "false"),
            read=lambda visit: visit.cube.passive,
            schema=bool,
        ),
        Container(
            name="verdicts",
            description="What the code answered and was not done, since it was injected",
            members=tuple(_verdicts_of(direction) for direction in Direction),
            read=_verdicts,
            schema=Verdicts,
        ),
    ),
    read=_whole,
    schema=Cube,
)


def cube_trails() -> dict[str, Trail]:
    """Every resource of a cube by its URL template below the cube; the cube itself is ``""``."""
    return {trail.template: trail for trail in trails(CUBE)}

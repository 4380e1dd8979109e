"""Panels → the JSON of a Grafana dashboard (schema version 39, Grafana 11; newer ones take it too)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 39
COLUMNS, HEIGHT, ROW_HEIGHT = 24, 8, 1
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
REFRESH_ON_TIME_RANGE = 2
SORT_ALPHABETICALLY = 1
SHARED_CROSSHAIR = 1

# What only one kind of panel has.
OPTIONS: Mapping[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "exponent": 0.5, "steps": 64,
                  "reverse": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and how its series are called; "" leaves that to Grafana."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of some queries; `kind` is one of those in `OPTIONS`."""

    title: str
    description: str
    queries: Sequence[Query]
    unit: str
    kind: str = "timeseries"


def dashboard(cube: str, rows: Mapping[str, Sequence[Panel]], job_query: str, instance_query: str) -> dict[str, Any]:
    """The dashboard of a cube: its panels below the titles of their rows.

    Made twice it has the same uid, so the second one takes the place of the first. The two queries give the values of
    the variables ``job`` and ``instance``.
    """
    return {
        "uid": f"dynmon-{hashlib.sha256(cube.encode()).hexdigest()[:16]}",
        "title": f"dynmon: {cube}",
        "tags": ["dynmon"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": SHARED_CROSSHAIR,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [_datasources(), _variable("job", job_query), _variable("instance", instance_query)]},
        "panels": list(_panels(rows)),
    }


def _panels(rows: Mapping[str, Sequence[Panel]]) -> Iterator[dict[str, Any]]:
    numbers = itertools.count(1)
    top = 0
    for title, panels in rows.items():
        yield {
            "id": next(numbers),
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": ROW_HEIGHT},
            "panels": [],
        }
        top += ROW_HEIGHT
        width = COLUMNS // min(2, len(panels) or 1)
        for position, panel in enumerate(panels):
            row, column = divmod(position * width, COLUMNS)
            place = {"x": column, "y": top + row * HEIGHT, "w": width, "h": HEIGHT}
            yield _panel(panel, next(numbers), place)
        top += -(-len(panels) * width // COLUMNS) * HEIGHT


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    options = {**OPTIONS[panel.kind]}
    if panel.kind == "heatmap":
        options["yAxis"] = {**options["yAxis"], "unit": panel.unit}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": options,
        "targets": list(_targets(panel.queries, panel.kind)),
    }


def _targets(queries: Iterable[Query], kind: str) -> Iterator[dict[str, Any]]:
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        yield {
            "refId": letter,
            "datasource": DATASOURCE,
            "expr": query.expression,
            "legendFormat": "{{le}}" if kind == "heatmap" else query.legend or "__auto",
            "format": {"heatmap": "heatmap", "table": "table"}.get(kind, "time_series"),
            "instant": kind == "table",
            "range": kind != "table",
        }


def _datasources() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": REFRESH_ON_TIME_RANGE,
        "sort": SORT_ALPHABETICALLY,
    }

"""The dashboard of an exposition that has a family of every type."""

import itertools
import json
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import heatmap, prometheus, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from dynmon.cli.dashboard import dashboard_of

EVERY_TYPE = Path(__file__).with_name("exposition.txt").read_text()
OPTIONS = {"timeseries": timeseries.Options, "heatmap": heatmap.Options, "table": table.Options}


@pytest.fixture
def dashboard():
    return dashboard_of("monitor", EVERY_TYPE)


@pytest.fixture
def panels(dashboard):
    """The panels that are not rows, by title."""
    return {each["title"]: each for each in dashboard["panels"] if each["type"] != "row"}


def expressions(panel):
    return [each["expr"] for each in panel["targets"]]


HERE = 'cube="monitor",job="$job",instance="$instance"'
INGRESS = HERE.replace(",", ',direction="ingress",', 1)
RATE = "[$__rate_interval]"
LATENCIES = f"rate(latency_seconds_bucket{{{HERE}}}{RATE})"


@pytest.mark.parametrize(
    ("title", "kind", "expression", "legend", "unit"),
    [
        ("packets", "timeseries", f"rate(packets_total{{{HERE}}}{RATE})", "{{direction}}", "pps"),
        (
            "flow_bytes",
            "timeseries",
            f"topk(20, rate(flow_bytes_total{{{HERE}}}{RATE}))",
            "{{direction}} {{source}} {{destination}}",
            "Bps",
        ),
        ("last_bytes", "timeseries", f"last_bytes{{{HERE}}}", "{{direction}}", "bytes"),
        ("untold", "timeseries", f"topk(20, untold{{{HERE}}})", "{{direction}} {{key}}", "short"),
        ("nothing_yet", "timeseries", f"topk(20, rate(nothing_yet_total{{{HERE}}}{RATE}))", "__auto", "cps"),
        (
            "latency_seconds ingress",
            "heatmap",
            f"sum by (le) (rate(latency_seconds_bucket{{{INGRESS}}}{RATE}))",
            "{{le}}",
            "s",
        ),
        (
            "latency_seconds quantiles",
            "timeseries",
            f"topk(20, histogram_quantile(0.5, sum by (le, direction, port) ({LATENCIES})))",
            "p50 {{direction}} {{port}}",
            "s",
        ),
        (
            "latency_seconds count",
            "timeseries",
            f"topk(20, rate(latency_seconds_count{{{HERE}}}{RATE}))",
            "{{direction}} {{port}}",
            "cps",
        ),
        (
            "sizes_bytes",
            "timeseries",
            f"rate(sizes_bytes_sum{{{HERE}}}{RATE}) / rate(sizes_bytes_count{{{HERE}}}{RATE})",
            "mean {{direction}}",
            "bytes",
        ),
        ("code", "table", f"code_info{{{HERE}}}", "__auto", "short"),
        ("state", "timeseries", f"topk(20, state{{{HERE}}})", "{{direction}} {{state}}", "short"),
    ],
)
def test_each_type_has_its_panel(panels, title, kind, expression, legend, unit):
    panel = panels[title]

    assert kind == panel["type"]
    assert (expression, legend) == (panel["targets"][0]["expr"], panel["targets"][0]["legendFormat"])
    assert unit == panel["fieldConfig"]["defaults"]["unit"]


def test_quantiles_that_a_summary_has_are_shown(panels):
    assert f"sizes_bytes{{{HERE}}}" == expressions(panels["sizes_bytes"])[1]


def test_a_histogram_of_gauges_is_no_rate(panels):
    shown = [*expressions(panels["queue_depth egress"]), *expressions(panels["queue_depth quantiles"])]

    assert 4 == len(shown)
    assert [] == [each for each in shown if "rate" in each]


def test_what_is_not_exported_has_no_panel(panels):
    assert "words" not in panels


def test_a_cube_without_metrics_has_its_own_state_alone():
    dashboard = dashboard_of("monitor", "# EOF\n")

    assert ["The monitor itself"] == [each["title"] for each in dashboard["panels"] if each["type"] == "row"]


def test_it_is_the_same_dashboard_when_made_again(dashboard):
    assert dashboard == dashboard_of("monitor", EVERY_TYPE)
    assert dashboard["uid"] != dashboard_of("other", EVERY_TYPE)["uid"]
    assert len(dashboard["uid"]) <= 40


def test_panels_have_a_number_and_a_place_of_their_own(dashboard):
    numbers = [each["id"] for each in dashboard["panels"]]
    places = [each["gridPos"] for each in dashboard["panels"]]
    cells = [
        (x, y)
        for place in places
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]

    assert len(numbers) == len(set(numbers))
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)


def lost(document, understood, where=""):
    """What is in `document` and not in what Grafana's own types made of it."""
    if isinstance(document, dict) and isinstance(understood, dict):
        return [
            name
            for key, value in document.items()
            for name in (lost(value, understood[key], f"{where}.{key}") if key in understood else [f"{where}.{key}"])
        ]
    if isinstance(document, list) and isinstance(understood, list) and len(document) == len(understood):
        return [name for one, other in zip(document, understood, strict=True) for name in lost(one, other, where)]
    return [] if document == understood else [where]


def understood_by(kind, document):
    return json.loads(json.dumps(kind.from_json(document), cls=JSONEncoder))


def test_the_types_of_grafana_know_every_key(dashboard):
    """What a type does not know, it loses."""
    assert [] == lost(dashboard, understood_by(Dashboard, dashboard))
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            assert [] == lost(panel["options"], understood_by(OPTIONS[panel["type"]], panel["options"]))
            for target in panel["targets"]:
                assert [] == lost(target, understood_by(prometheus.Dataquery, target))

"""OpenMetrics text becomes what OpenTelemetry's protocol has for it, number by number."""

import math

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource

from dynmon.otlp.starts import Starts
from dynmon.otlp.translation import translated

BEGAN, FIRST, SECOND, THIRD = (number * 10**18 for number in (1, 2, 3, 4))
EVERY_TYPE = """\
# HELP packets Packets that passed
# TYPE packets counter
packets_total{cube="m"} 9007199254740993
packets_created{cube="m"} 1500000000.5
# HELP flow_bytes Bytes of each flow
# TYPE flow_bytes counter
# UNIT flow_bytes bytes
flow_bytes_total{source="a \\"b\\" \\\\ c"} 640
flow_bytes_total{source="d"} 18446744073709551615
# TYPE last gauge
last 0.25
# TYPE latency_seconds histogram
# UNIT latency_seconds seconds
latency_seconds_bucket{port="53",le="0.001"} 5
latency_seconds_bucket{port="53",le="0.002"} 8
latency_seconds_bucket{port="53",le="+Inf"} 10
latency_seconds_count{port="53"} 10
latency_seconds_sum{port="53"} 0.5
# TYPE sizes summary
sizes{quantile="0.5"} 60
sizes_count 7
sizes_sum 420
# TYPE code info
code_info{version="3"} 1
# TYPE words unknown
# EOF
"""


class Collector:
    """What was pushed, as a receiver decodes it."""

    def __init__(self):
        self.starts = Starts(BEGAN)

    def take(self, text, now=FIRST):
        data = translated(text, Resource({"service.name": "x"}), "1.0", self.starts, now)
        self.starts.looked(now)
        [resource] = encode_metrics(data).resource_metrics
        [scope] = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}


@pytest.fixture
def collector():
    return Collector()


def labels(point):
    return {each.key: each.value.string_value for each in point.attributes}


def test_a_counter_is_a_cumulative_sum(collector):
    """Whole numbers are exact as far as the protocol has room for them."""
    metrics = collector.take(EVERY_TYPE)
    [point] = metrics["packets"].sum.data_points
    quoted, huge = metrics["flow_bytes"].sum.data_points

    assert (True, 2) == (metrics["packets"].sum.is_monotonic, metrics["packets"].sum.aggregation_temporality)
    assert (9007199254740993, {"cube": "m"}) == (point.as_int, labels(point))
    assert (1500000000500000000, FIRST) == (point.start_time_unix_nano, point.time_unix_nano)
    assert ("Packets that passed", "By") == (metrics["packets"].description, metrics["flow_bytes"].unit)
    assert (640, {"source": 'a "b" \\ c'}) == (quoted.as_int, labels(quoted))
    assert 2.0**64 == huge.as_double


def test_a_histogram_has_the_count_of_each_bucket(collector):
    histogram = collector.take(EVERY_TYPE)["latency_seconds"]
    [point] = histogram.histogram.data_points

    assert ("s", 2) == (histogram.unit, histogram.histogram.aggregation_temporality)
    assert ([5, 3, 2], [0.001, 0.002]) == (list(point.bucket_counts), list(point.explicit_bounds))
    assert (10, 0.5, {"port": "53"}) == (point.count, point.sum, labels(point))
    assert (False, False) == (point.HasField("min"), point.HasField("max"))


def test_a_summary_is_two_sums_and_its_quantiles(collector):
    metrics = collector.take(EVERY_TYPE)

    assert [7, 420] == [metrics[name].sum.data_points[0].as_int for name in ("sizes_count", "sizes_sum")]
    [quantile] = metrics["sizes"].gauge.data_points
    assert (60, {"quantile": "0.5"}) == (quantile.as_int, labels(quantile))


def test_all_the_rest_is_gauges(collector):
    metrics = collector.take(EVERY_TYPE)

    assert 0.25 == metrics["last"].gauge.data_points[0].as_double
    assert (1, {"version": "3"}) == (
        metrics["code_info"].gauge.data_points[0].as_int,
        labels(metrics["code_info"].gauge.data_points[0]),
    )
    assert "words" not in metrics


def test_what_is_no_number_is_one_for_the_protocol(collector):
    text = '# TYPE a gauge\na{x="1"} NaN\na{x="2"} +Inf\n# EOF\n'

    first, second = collector.take(text)["a"].gauge.data_points
    assert math.isnan(first.as_double)
    assert math.inf == second.as_double


def test_a_series_counts_since_the_look_before_it_was_there(collector):
    def starts(now, **totals):
        lines = "".join(f'a_total{{key="{key}"}} {total}\n' for key, total in totals.items())
        points = collector.take(f"# TYPE a counter\n{lines}# EOF\n", now)["a"].sum.data_points
        return {labels(point)["key"]: point.start_time_unix_nano for point in points}

    assert {"old": BEGAN} == starts(FIRST, old=5)
    assert {"old": BEGAN, "new": FIRST} == starts(SECOND, old=5, new=3)
    assert {"old": SECOND, "new": FIRST} == starts(THIRD, old=4, new=3)

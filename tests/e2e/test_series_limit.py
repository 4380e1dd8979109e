"""The daemon exports no more series than it was told to, and says how many it put together."""

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dynmon.client import DynmonClient
from tests.daemon import running_daemon
from tests.support import needs

pytestmark = needs("kernel", "clang")
CODE = """BPF_ARRAY(COUNTS, u64, 5);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{ COUNTS.increment(0); return RX_OK; }"""


def test_the_daemon_has_a_limit_for_all_metrics(state_root):
    metrics = [
        {"name": name, "map-name": "COUNTS", "open-metrics-metadata": {"type": "counter", "help": "Counts."}}
        for name in ("first", "second")
    ]
    with running_daemon(state_root / "limited", "--series-limit", "7") as daemon, DynmonClient(daemon.url) as client:
        client.create("monitor")
        client.inject("monitor", {"ingress-path": {"code": CODE, "metric-configs": metrics}})
        client.open_metrics("monitor")
        text = httpx.get(f"{daemon.url}/metrics", trust_env=False).text

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    folded = {item.labels["metric"]: item.value for item in samples if item.name == "dynmon_folded_series"}
    assert {"first": 0, "second": 3} == folded
    assert ["0", "1", "other"] == [item.labels["index"] for item in samples if item.name == "second_total"]

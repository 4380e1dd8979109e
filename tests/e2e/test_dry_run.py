"""Know before you attach: code explained and run on captures, over REST and on the command line."""

import base64
import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dynmon.client import ApiError
from tests.packets import ethernet, ipv4, ipv6, tcp, udp
from tests.support import needs, run, wait_until
from tests.unit.trial.capture_files import pcap, pcapng

pytestmark = needs("kernel", "clang")

CODE = """\
BPF_ARRAY(PKT_COUNTER, u64, 1);
BPF_HASH(LENGTHS, u32, u64, 64);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	u32 zero = 0, length = md->packet_len;
	u64 *packets = PKT_COUNTER.lookup(&zero);

	if (packets)
		__sync_fetch_and_add(packets, 1);
	LENGTHS.increment(length);
	if (length == 46) {
		pcn_log(ctx, LOG_INFO, "four more: %d", length);
		return RX_DROP;
	}
	return RX_OK;
}
"""
METRIC = {
    "name": "packets_total",
    "map-name": "PKT_COUNTER",
    "open-metrics-metadata": {"type": "counter", "help": "Packets"},
}
PATH = {"name": "probe", "code": CODE, "metric-configs": [METRIC]}
CONFIG = {"ingress-path": PATH}
FRAMES = [ethernet(ipv4(udp(b"x" * size))) for size in range(10)] + [b"short"]
CAPTURE = pcap(*FRAMES)
BROKEN = {"ingress-path": {"code": CODE.replace("zero = 0", "nil = 0")}}


@pytest.fixture
def cube(client):
    client.create("monitor")
    return "monitor"


def state(client):
    """All of every cube, uuids included."""
    return {each["name"]: client.get(each["name"]) for each in client.list()["dynmon"]}


def check_report(report):
    assert {"total": 11, "run": 10, "stopped": None} == {
        key: value for key, value in report["packets"].items() if key != "skipped"
    }
    assert [{"reason": "shorter than an Ethernet header (14 bytes)", "packets": 1}] == report["packets"]["skipped"]
    assert [
        {"verdict": "pass", "returned": "RX_OK", "packets": 9},
        {"verdict": "drop", "returned": "RX_DROP", "packets": 1},
    ] == report["verdicts"]
    assert [{"name": "packets_total", "value": [10]}] == report["metrics"]
    assert "# HELP packets Packets\n# TYPE packets counter\npackets_total 10\n# EOF\n" == report["open-metrics"]
    text = "# HELP packets_total Packets\n# TYPE packets_total counter\npackets_total 10\n"
    assert text == report["prometheus"]
    assert [{"packet": 5, "level": "INFO", "text": "four more: 46"}] == report["log"]["lines"]
    maps = {each["name"]: each["entries"] for each in report["maps"]}
    assert [10] == maps["PKT_COUNTER"]
    assert [{"key": size, "value": 1} for size in range(42, 52)] == sorted(
        maps["LENGTHS"], key=lambda each: each["key"]
    )
    times = report["ns-per-packet"]
    assert 0 < times["min"] <= times["median"] <= times["max"]


def test_json_with_a_capture(client, cube):
    before = state(client)

    report = client.dry_run(cube, CONFIG, CAPTURE)

    check_report(report)
    assert "dynmon_ingress" == report["explanation"]["ingress-path"]["program"]
    assert before == state(client)


@pytest.mark.parametrize("part", ["dataplane-config", "config"])
def test_a_form_with_a_capture(daemon, cube, tmp_path, part):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "traffic.pcapng.gz").write_bytes(gzip.compress(pcapng(*FRAMES)))
    form = ("-F", f"{part}=@{tmp_path}/config.json", "-F", f"capture=@{tmp_path}/traffic.pcapng.gz")

    check_report(json.loads(run("curl", "-sS", f"{daemon.api}/dynmon/{cube}/dry-run", *form)))


def test_paths_may_stand_at_the_top_and_the_cube_type_counts(client, daemon, cube):
    client.create("fast", {"type": "XDP_SKB"})
    body = {"ingress-path": PATH, "capture": base64.b64encode(CAPTURE).decode()}

    at_tc = httpx.post(f"{daemon.api}/dynmon/{cube}/dry-run", json=body).json()
    at_xdp = httpx.post(f"{daemon.api}/dynmon/fast/dry-run", json=body).json()
    asked = httpx.post(
        f"{daemon.api}/dynmon/{cube}/dry-run", json={**body, "type": "xdp_drv", "loglevel": "off"}
    ).json()

    assert "tc" == at_tc["explanation"]["ingress-path"]["hook"]
    assert "xdp" == at_xdp["explanation"]["ingress-path"]["hook"] == asked["explanation"]["ingress-path"]["hook"]
    check_report(at_xdp)
    assert [] == asked["log"]["lines"]


def test_the_running_code_counts_on_untouched(client, cube, veth):
    client.inject(cube, CONFIG)
    client.attach(cube, veth.host)
    veth.send_in(FRAMES[0], count=3)

    client.dry_run(cube, CONFIG, CAPTURE)
    client.explain(cube, {"egress-path": PATH})

    assert [3] == client.metric_value(cube, "ingress", "packets_total")
    assert {} == client.get(cube)["dataplane-config"]["egress-path"].get("metric-configs", {})


def test_a_capture_alone_is_for_the_code_that_runs(daemon, client, cube, veth):
    """On maps of its own, so that the counters of the cube do not move."""
    client.inject(cube, CONFIG)
    client.attach(cube, veth.host)
    veth.send_in(FRAMES[0], count=3)

    as_json = client.dry_run(cube, {}, CAPTURE)
    as_form = httpx.post(f"{daemon.api}/dynmon/{cube}/dry-run", files={"capture": CAPTURE}).json()

    check_report(as_json)
    check_report(as_form)
    assert [3] == client.metric_value(cube, "ingress", "packets_total")


def test_dry_runs_disturb_nobody(daemon, client, cube, veth):
    """While captures are replayed, packets are counted exactly, cubes come and go, and the daemon answers."""
    public = CODE.replace("BPF_ARRAY(PKT_COUNTER, u64, 1)", 'BPF_TABLE_PUBLIC("array", int, u64, PKT_COUNTER, 1)')
    configs = [CONFIG, {"ingress-path": {**PATH, "code": public}}]
    capture = base64.b64encode(pcap(*[FRAMES[0]] * 5000)).decode()
    client.inject(cube, CONFIG)
    client.attach(cube, veth.host)
    descriptors = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))

    def tries(config):
        answers = [
            httpx.post(f"{daemon.api}/dynmon/{cube}/dry-run", json={**config, "capture": capture}, timeout=60)
            for _ in range(2)
        ]
        return [answer.json()["metrics"][0]["value"] for answer in answers]

    def life_of_another():
        other = f"{daemon.api}/dynmon/other"
        answers = [
            httpx.request(method, other + place, json=body, timeout=60)
            for _ in range(2)
            for method, place, body in (
                ("PUT", "", {"dataplane-config": CONFIG}),
                ("POST", "/dry-run", {"capture": capture}),
                ("DELETE", "", None),
            )
        ]
        return [answer.status_code for answer in answers]

    with ThreadPoolExecutor() as threads:
        tried = [threads.submit(tries, config) for config in configs * 2]
        lived = threads.submit(life_of_another)
        packets = 0
        while not all(each.done() for each in (*tried, lived)):
            veth.send_in(FRAMES[0], count=50)
            packets += 50
            assert 200 == httpx.get(f"{daemon.url}/healthz", timeout=1).status_code

    assert [[[5000]] * 2] * 4 == [each.result() for each in tried]
    assert [201, 200, 200] * 2 == lived.result()
    wait_until(lambda: [packets] == client.metric_value(cube, "ingress", "packets_total"), "the last packet")
    wait_until(lambda: descriptors >= len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir())), "closed descriptors")


def test_maps_of_others_are_not_counted_in(client, cube):
    """A public map of another cube, and one that the cube's other path shares."""
    owner = CODE.replace("BPF_ARRAY(PKT_COUNTER, u64, 1)", 'BPF_TABLE_KIND("array", int, u64, PKT_COUNTER, 1)')
    user = CODE.replace("BPF_ARRAY(PKT_COUNTER, u64, 1)", 'BPF_TABLE("extern", int, u64, PKT_COUNTER, 1)')
    client.create("owner", {"dataplane-config": {"ingress-path": {**PATH, "code": owner.replace("KIND", "PUBLIC")}}})
    client.inject(cube, {"egress-path": {**PATH, "code": owner.replace("KIND", "SHARED").replace("LENGTHS", "OTHERS")}})

    report = client.dry_run(cube, {"ingress-path": {**PATH, "code": user}}, CAPTURE)
    client.delete(cube)
    client.create(cube)
    public = client.dry_run(cube, {"ingress-path": {**PATH, "code": user}}, CAPTURE)

    check_report(report)
    check_report(public)
    assert [0] == client.metric_value("owner", "ingress", "packets_total")


def test_a_public_map_that_is_taken_is_refused(client, cube):
    public = CODE.replace("BPF_ARRAY(PKT_COUNTER, u64, 1)", 'BPF_TABLE_PUBLIC("array", int, u64, PKT_COUNTER, 1)')
    client.create("owner", {"dataplane-config": {"ingress-path": {"code": public}}})

    with pytest.raises(ApiError, match="public map 'PKT_COUNTER' is already declared by cube 'owner'"):
        client.explain(cube, {"ingress-path": {"code": public}})
    assert "ingress-path" in client.explain("owner", {"ingress-path": {"code": public}})


def test_both_paths_share_and_packets_meet_the_one_asked_for(client, cube):
    shared = CODE.replace("BPF_ARRAY(PKT_COUNTER, u64, 1)", 'BPF_TABLE_SHARED("array", int, u64, PKT_COUNTER, 1)')
    user = CODE.replace("BPF_ARRAY(PKT_COUNTER, u64, 1)", 'BPF_TABLE("extern", int, u64, PKT_COUNTER, 1)')
    config = {"ingress-path": {**PATH, "code": shared}, "egress-path": {**PATH, "code": user}}

    report = client.dry_run(cube, config, CAPTURE, "egress")

    assert "egress" == report["direction"]
    assert {"ingress-path", "egress-path"} == set(report["explanation"])
    check_report(report)


def test_without_a_capture_there_is_the_explanation(client, cube):
    assert ["explanation"] == list(client.dry_run(cube, CONFIG))


def test_the_explanation(client, cube):
    path = client.explain(cube, CONFIG)["ingress-path"]

    assert ("probe", "ingress", "tc", "dialect") == tuple(
        path[key] for key in ("name", "direction", "hook", "spelling")
    )
    assert path["instructions"] > 20
    assert path["verified-instructions"] >= path["instructions"] // 2
    assert 0 < path["stack-bytes"] <= 512
    assert {"bpf_map_lookup_elem", "bpf_map_update_elem"} <= set(path["helpers"])
    assert [("dynmon_ingress", True)] == [(each["name"], each["chosen"]) for each in path["programs"]]
    maps = {each["name"]: each for each in path["maps"]}
    assert ("array", 4, 8, 1) == tuple(
        maps["PKT_COUNTER"][key] for key in ("type", "key-bytes", "value-bytes", "max-entries")
    )
    assert ("hash", 4, 8, 64) == tuple(
        maps["LENGTHS"][key] for key in ("type", "key-bytes", "value-bytes", "max-entries")
    )
    assert path["memory-bytes"] == sum(each["memory-bytes"] for each in path["maps"] if each["made"])
    [metric] = path["metrics"]
    assert ("packets_total", 1, "counter packets_total") == (metric["name"], metric["series"], metric["exported-as"])
    [leaf] = metric["value"]
    assert ("u64", 0, 8, "number") == tuple(leaf[key] for key in ("type-name", "offset", "size", "shown-as"))


@pytest.mark.parametrize(
    ("method", "place", "body"),
    [
        ("POST", "dynmon/new", {"dataplane-config": CONFIG}),
        ("PUT", "dynmon/new", {"dataplane-config": CONFIG}),
        ("POST", "dynmon", {"name": "new", "dataplane-config": CONFIG}),
        ("PUT", "dynmon/monitor", {"dataplane-config": CONFIG, "loglevel": "TRACE"}),
        ("PATCH", "dynmon/monitor", {"dataplane-config": CONFIG}),
        ("PATCH", "dynmon", {"name": "monitor", "dataplane-config": CONFIG}),
        ("POST", "dynmon/monitor/dataplane-config", CONFIG),
        ("PUT", "dynmon/monitor/dataplane-config", CONFIG),
        ("PATCH", "dynmon/monitor/dataplane-config", CONFIG),
        ("PUT", "monitor/dataplane-config", CONFIG),
        ("POST", "dynmon/monitor/dataplane-config/ingress-path", PATH),
        ("PUT", "dynmon/monitor/dataplane-config/ingress-path", PATH),
        ("PATCH", "dynmon/monitor/dataplane-config/ingress-path", PATH),
    ],
)
def test_dry_run_true_explains_and_changes_nothing(daemon, client, cube, method, place, body):
    before = state(client)

    answer = httpx.request(
        method, f"{daemon.api}/{place}", params={"dry-run": "true"}, json=body, follow_redirects=True
    )

    assert 200 == answer.status_code
    assert ["ingress-path"] == list(answer.json())
    assert before == state(client)


def test_a_patch_is_tried_around_the_code_that_is_there(daemon, client, cube):
    client.inject(cube, CONFIG)
    place = f"{daemon.api}/dynmon/{cube}/dataplane-config/ingress-path?dry-run=true"

    answer = httpx.patch(place, json={"metric-configs": [{"name": "lengths", "map-name": "LENGTHS"}]})

    assert ["lengths"] == [each["name"] for each in answer.json()["ingress-path"]["metrics"]]


@pytest.mark.parametrize(
    "config",
    [
        BROKEN,
        {"ingress-path": {**PATH, "metric-configs": [{"name": "m", "map-name": "GONE"}]}},
        {"ingress-path": {"code": CODE, "colour": "red"}},
        {"ingress-path": {"code": CODE.replace("length == 46", "*(u8 *)(long)ctx->data")}},
    ],
    ids=["compile", "check", "schema", "verify"],
)
def test_problems_are_those_of_an_injection(daemon, client, cube, config):
    before = state(client)
    place = f"{daemon.api}/dynmon/{cube}"

    real = httpx.put(f"{place}/dataplane-config", json=config)
    tried = httpx.put(f"{place}/dataplane-config?dry-run=true", json=config)
    with_capture = httpx.post(f"{place}/dry-run", json={**config, "capture": base64.b64encode(CAPTURE).decode()})

    assert real.status_code == tried.status_code == with_capture.status_code
    problems = [{**answer.json(), "log": None} for answer in (real, tried, with_capture)]  # a log has addresses in it
    assert problems[0] == problems[1]
    if real.status_code == 422:
        assert problems[0] == problems[2]
    assert before == state(client)


@pytest.mark.parametrize(
    ("method", "place", "sentence"),
    [
        ("PUT", "dynmon/monitor/dataplane-config?dry-run=yes", "dry-run must be true or false, not 'yes'"),
        ("PUT", "dynmon/monitor/dataplane-config?dry-run", "dry-run must be true or false, not ''"),
        ("DELETE", "dynmon/monitor?dry-run=true", "DELETE of this resource has no dry run; nothing was changed"),
        (
            "PATCH",
            "dynmon/monitor/loglevel?dry-run=true",
            "PATCH of this resource has no dry run; nothing was changed",
        ),
        ("POST", "attach?dry-run=true", "POST of this resource has no dry run; nothing was changed"),
        ("POST", "cubes?dry-run=true", "POST of this resource has no dry run; nothing was changed"),
        (
            "GET",
            "dynmon/monitor/metrics?dry-run=true",
            "GET of this resource has no dry run; nothing was changed",
        ),
    ],
)
def test_a_dry_run_that_cannot_be_is_refused(daemon, client, cube, method, place, sentence):
    before = state(client)

    answer = httpx.request(method, f"{daemon.api}/{place}", content=json.dumps(CONFIG))

    assert (400, sentence) == (answer.status_code, answer.json()["detail"])
    assert before == state(client)


def test_what_stands_in_the_way_of_the_request_stands_in_the_way_of_its_trial(daemon, cube):
    assert 409 == httpx.post(f"{daemon.api}/dynmon/{cube}?dry-run=true", json={}).status_code
    assert 409 == httpx.put(f"{daemon.api}/dynmon/{cube}?dry-run=true", json={"type": "XDP_SKB"}).status_code
    assert 404 == httpx.put(f"{daemon.api}/dynmon/gone/dataplane-config?dry-run=true", json=CONFIG).status_code
    assert 404 == httpx.post(f"{daemon.api}/dynmon/gone/dry-run", json=CONFIG).status_code
    assert 400 == httpx.put(f"{daemon.api}/dynmon/a%20b?dry-run=true", json={}).status_code
    assert (200, {}) == ((answer := httpx.put(f"{daemon.api}/dynmon/new?dry-run=true")).status_code, answer.json())
    assert 404 == httpx.get(f"{daemon.api}/dynmon/new").status_code


@pytest.mark.parametrize(
    ("body", "stage", "sentence"),
    [
        ({"capture": "!"}, "schema", "capture is not base64"),
        ({"capture": base64.b64encode(b"nonsense").decode()}, "capture", "neither pcap nor pcapng"),
        ({"capture": base64.b64encode(CAPTURE[:-1]).decode()}, "capture", "packet 11 at byte 649 claims 5 bytes, 4"),
        ({"capture": base64.b64encode(CAPTURE).decode(), "direction": "egress"}, "schema", "there is no egress code"),
        ({"direction": "up"}, "schema", "direction: must be"),
        ({"dataplane-config": CONFIG}, "schema", "paths beside it"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(daemon, cube, body, stage, sentence):
    answer = httpx.post(f"{daemon.api}/dynmon/{cube}/dry-run", json={**CONFIG, **body})

    assert (400, stage) == (answer.status_code, answer.json()["stage"])
    assert sentence in answer.json()["detail"]


def test_a_form_that_makes_no_sense_is_refused(daemon, cube):
    place = f"{daemon.api}/dynmon/{cube}/dry-run"

    answers = [
        httpx.post(place, content=b"x", headers={"content-type": "multipart/form-data"}),
        httpx.post(place, data={"config": "{"}, files={"capture": CAPTURE}),
        httpx.post(place, data={"config": "[]"}, files={"capture": CAPTURE}),
        httpx.post(place, data={"colour": "red"}, files={"capture": CAPTURE}),
        httpx.post(place, files={"capture": CAPTURE}),
        httpx.post(place, files=[("capture", CAPTURE)] * 20),
        httpx.post(place, files=[("capture", CAPTURE)] * 2),
    ]

    assert [400] * len(answers) == [answer.status_code for answer in answers]
    assert "the form cannot be read: Missing boundary in multipart." == answers[0].json()["detail"]
    assert "capture is there twice" == answers[-1].json()["detail"]
    assert ["json"] + ["schema"] * 6 == sorted(answer.json()["stage"] for answer in answers)


def test_only_a_dry_run_may_be_large(daemon, cube):
    large = pcap(*[ethernet(ipv4(udp(b"x" * 1400)))] * 8000)
    assert len(large) > 8 << 20

    report = httpx.post(
        f"{daemon.api}/dynmon/{cube}/dry-run",
        data={"config": json.dumps(CONFIG)},
        files={"capture": large},
        timeout=60,
    ).json()
    refused = httpx.put(f"{daemon.api}/dynmon/{cube}/dataplane-config?dry-run=true", content=large)
    too_large = httpx.post(f"{daemon.api}/dynmon/{cube}/dry-run", content=bytes(33 << 20), timeout=60)

    assert [8000] == report["metrics"][0]["value"]
    assert (413, 8 << 20) == (refused.status_code, refused.json()["limit-bytes"])
    assert (413, 32 << 20) == (too_large.status_code, too_large.json()["limit-bytes"])


DYNMON = Path(sys.executable).parent / "dynmon"


@pytest.fixture
def dynmon(tmp_path, state_root, monkeypatch):
    """Runs the command in a folder with the code and a capture."""
    (tmp_path / "probe.c").write_text(CODE)
    (tmp_path / "traffic.pcap").write_bytes(CAPTURE)

    monkeypatch.delenv("COLUMNS", raising=False)

    def command(*arguments, stdin=None, **environment):
        return subprocess.run(
            [DYNMON, *map(str, arguments)],
            stdin=stdin,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "XDG_CACHE_HOME": str(state_root / "cache"), **environment},
        )

    return command


COUNTED = ("probe.c", "traffic.pcap", "--metric", "packets_total=PKT_COUNTER:counter:Packets")


def test_the_command_reports_the_same(dynmon):
    outcome = dynmon("test", *COUNTED, "--json")

    assert (0, "") == (outcome.returncode, outcome.stderr)
    check_report(json.loads(outcome.stdout))


def test_the_command_needs_no_metrics(dynmon):
    outcome = dynmon("test", "probe.c", "traffic.pcap")

    assert (0, "") == (outcome.returncode, outcome.stderr)
    assert "packets: 10 of 11\n" in outcome.stdout
    assert " drop     RX_DROP         1\n" in outcome.stdout
    assert " packet 5: INFO: four more: 46\n" in outcome.stdout
    assert "\nmaps:\n PKT_COUNTER (array): [10]\n LENGTHS (hash):\n  key  value\n" in outcome.stdout


def test_the_command_prints_open_metrics_alone(dynmon):
    outcome = dynmon("test", *COUNTED, "--open-metrics")

    assert outcome.stdout == "# HELP packets Packets\n# TYPE packets counter\npackets_total 10\n# EOF\n"


HOLDS = ["packets_total=10", "packets=10", "PKT_COUNTER[0]=10", "LENGTHS[46]=1", "packets=10.0"]


def test_expectations_that_hold(dynmon):
    outcome = dynmon("test", *COUNTED, *(word for text in HOLDS for word in ("--expect", text)))

    assert (0, "") == (outcome.returncode, outcome.stderr)


def test_expectations_that_do_not_hold(dynmon):
    outcome = dynmon("test", *COUNTED, "--expect", "packets_total=9", "--expect", "packets=10", "--expect", "gone=1")

    assert 1 == outcome.returncode
    first, second = outcome.stderr.splitlines()
    assert first == "dynmon: expected packets_total = 9, got 10"
    assert second.startswith(
        "dynmon: expected gone = 1, but there is no such thing; there is: packets_total, PKT_COUNTER"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["gone.c", "traffic.pcap"], 1, "dynmon: cannot read gone.c: No such file"),
        (["probe.c", "gone.pcap"], 1, "dynmon: cannot read gone.pcap: No such file"),
        (["probe.c", "probe.c"], 1, "dynmon: the capture cannot be read: it is neither pcap nor pcapng"),
        ([*COUNTED, "--metric", "x=GONE"], 1, "dynmon: metric 'x': map 'GONE' is not declared by the ingress code"),
        (["probe.c", "traffic.pcap", "--expect", "packets"], 2, "argument --expect: 'packets' must be written NAME=N"),
        (["probe.c", "traffic.pcap", "--expect", "packets=many"], 2, "must be written NAME=N"),
        (["probe.c", "traffic.pcap", "--metric", "packets"], 2, "must be written name=MAP[:type[:help]]"),
        (["probe.c", "traffic.pcap", "--constant", "x=y"], 2, "'y' is not JSON; a string needs quotes"),
        (["probe.c"], 2, "the following arguments are required: capture"),
    ],
)
def test_what_goes_wrong_is_said_and_has_a_status(dynmon, arguments, status, sentence):
    outcome = dynmon("test", *arguments)

    assert (status, "") == (outcome.returncode, outcome.stdout)
    assert sentence in outcome.stderr


def test_a_refusal_names_the_file(dynmon, tmp_path):
    (tmp_path / "probe.c").write_text(BROKEN["ingress-path"]["code"])

    outcome = dynmon("explain", "probe.c")

    assert (1, "") == (outcome.returncode, outcome.stdout)
    assert outcome.stderr.startswith("dynmon: the ingress code does not compile at line 6")
    assert "\nprobe.c:6:37: error: use of undeclared identifier 'zero'\n" in outcome.stderr


def test_the_command_explains(dynmon):
    outcome = dynmon("explain", *COUNTED[:1], *COUNTED[2:])
    as_json = json.loads(dynmon("explain", *COUNTED[:1], *COUNTED[2:], "--json").stdout)

    assert (0, "") == (outcome.returncode, outcome.stderr)
    assert "spelling: dialect\n" in outcome.stdout
    assert ["packets_total"] == [each["name"] for each in as_json["ingress-path"]["metrics"]]


@pytest.mark.parametrize(("options", "hook", "name"), [([], "tc", "ingress"), (["--xdp"], "xdp", "ingress")])
def test_the_hook_is_an_option(dynmon, options, hook, name):
    report = json.loads(dynmon("test", *COUNTED, *options, "--json").stdout)

    assert hook == report["explanation"]["ingress-path"]["hook"]
    check_report(report)


def test_egress_is_an_option(dynmon):
    report = json.loads(dynmon("test", *COUNTED, "--egress", "--json").stdout)

    assert ["egress-path"] == list(report["explanation"])
    check_report(report)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_source_may_be_a_configuration_or_a_folder(dynmon, tmp_path, wrapped):
    path = {"code-file": "probe.c", "metric-configs": [METRIC]}
    config = {"ingress-path": path, "egress-path": path}
    (tmp_path / "config.yaml").write_text(json.dumps({"dataplane-config": config} if wrapped else config))
    (tmp_path / "metrics.yaml").write_text(json.dumps([METRIC]))

    by_file = json.loads(dynmon("test", "config.yaml", "traffic.pcap", "--egress", "--json").stdout)
    by_folder = json.loads(dynmon("test", ".", "traffic.pcap", "--json").stdout)

    assert ("egress", "ingress") == (by_file["direction"], by_folder["direction"])
    check_report(by_file)
    check_report(by_folder)


LIBBPF = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "counters.h"
const volatile __u32 shortest = 0;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, struct counters); __uint(max_entries, 1); }
	COUNTERS SEC(".maps");
static int count(void *from, void *to)
{
	__u32 zero = 0;
	struct counters *all = bpf_map_lookup_elem(&COUNTERS, &zero);

	if (!all)
		return -1;
	if (to - from < shortest)
		return 1;
	all->packets += 1;
	all->bytes += to - from;
	return 0;
}
SEC("tc") int first(struct __sk_buff *ctx)
{
	return count((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? 2 : 0;
}
SEC("tc") int second(struct __sk_buff *ctx) { return 7; }
SEC("xdp") int third(struct xdp_md *ctx)
{
	return count((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? XDP_DROP : XDP_TX;
}
char _license[] SEC("license") = "GPL";
"""
HEADER = "#pragma once\nstruct counters { __u64 packets, bytes; };\n"


@pytest.fixture
def libbpf(tmp_path):
    (tmp_path / "counters.h").write_text(HEADER)
    (tmp_path / "libbpf.c").write_text(LIBBPF)
    run(
        "clang",
        "-target",
        "bpf",
        "-O2",
        "-g",
        "-c",
        "libbpf.c",
        "-o",
        "libbpf.o",
        "-I/usr/include/x86_64-linux-gnu",
        cwd=tmp_path,
    )
    return tmp_path


@pytest.mark.parametrize("file", ["libbpf.c", "libbpf.o"])
@pytest.mark.parametrize(
    ("options", "verdict", "returned"),
    [(["--program", "first"], "pass", "TC_ACT_OK"), (["--xdp"], "transmit", "XDP_TX")],
)
def test_code_of_every_spelling(dynmon, libbpf, file, options, verdict, returned):
    outcome = dynmon("test", file, "traffic.pcap", *options, "--constant", "shortest=45", "--json")
    report = json.loads(outcome.stdout)

    assert (verdict, returned, 7) == tuple(report["verdicts"][0].values())
    assert ("drop", 3) == (report["verdicts"][1]["verdict"], report["verdicts"][1]["packets"])
    [counters] = [each for each in report["maps"] if each["name"] == "COUNTERS"]
    assert [{"packets": 7, "bytes": sum(range(45, 52))}] == counters["entries"]


def test_the_choice_is_explained(dynmon, libbpf):
    asked = json.loads(dynmon("explain", "libbpf.o", "--program", "first", "--json").stdout)["ingress-path"]
    refused = dynmon("explain", "libbpf.o")

    assert [
        ("first", True, 'asked for with "program"'),
        ("second", False, "first was chosen"),
        ("third", False, "is for xdp, this path runs at tc"),
    ] == [(each["name"], each["chosen"], each["why"]) for each in asked["programs"]]
    assert "object" == asked["spelling"]
    assert 1 == refused.returncode
    assert "it has 2 programs for tc: first (tc), second (tc)" in refused.stderr


def test_what_only_other_programs_use_is_not_taken_for_used(dynmon, repository):
    """An object with eight programs, of which the one for XDP calls no other."""
    source = repository / "tests/kernel/third_party/production.c"

    path = json.loads(dynmon("explain", source, "--xdp", "--json").stdout)["ingress-path"]

    assert [("steer", "the one for xdp ingress")] == [
        (each["name"], each["why"]) for each in path["programs"] if each["chosen"]
    ]
    assert "is for tc, this path runs at xdp" == path["programs"][0]["why"]
    assert [] == path["tail-calls"]
    assert ["settings", "devices", "device_names", "cpus", "sockets"] == [
        each["name"] for each in path["maps"] if each["made"]
    ]
    assert {"sampling": 1, "observed_direction": 9} == {each["name"]: each["value"] for each in path["constants"]}


READABLE = """\
maps:
 name      type   key-bytes  value-bytes  max-entries  memory-bytes
 COUNTERS  array          4           16            1          4128

constants:
 name      type-name  value
 shortest  __u32      45

metrics:
 name   reads     exported-as   series
 all    COUNTERS  not exported       0
 twice  COUNTERS  not exported       0
 all, twice: it has no open-metrics-metadata: it is read as JSON only

decoding:
 all, twice:
  path           type-name  offset  size  shown-as  why
  value.packets  __u64           0     8  number    an integer of 8 bytes, unsigned
  value.bytes    __u64           8     8  number    an integer of 8 bytes, unsigned
"""


def test_the_explanation_is_short_and_narrow(dynmon, libbpf):
    metrics = ["--metric", "all=COUNTERS", "--metric", "twice=COUNTERS"]

    outcome = dynmon("explain", "libbpf.o", "--program=first", "--constant=shortest=45", *metrics)

    assert outcome.stdout[outcome.stdout.index("maps:") :] == READABLE
    assert max(map(len, outcome.stdout.splitlines())) <= 100


SIZELESS = """\
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
struct address { __u8 bytes[16]; __u16 port; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, struct address); __type(value, __u64); } SEEN SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u64); __uint(max_entries, 5000); }
	LENGTHS SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, int); __type(value, int); __uint(max_entries, 1); }
	UNUSED SEC(".maps");
SEC("tc") int count(struct __sk_buff *ctx)
{
	struct address key = {.bytes = {0xfd, [15] = 1}, .port = 53};
	__u64 one = 1, *packets;
	__u32 length = 4000 + ctx->len;

	packets = bpf_map_lookup_elem(&LENGTHS, &length);
	if (packets)
		*packets += 1;
	bpf_map_update_elem(&SEEN, &key, &one, BPF_ANY);
	return 0;
}
char _license[] SEC("license") = "GPL";
"""


def test_maps_are_shown_as_far_as_they_say_something(dynmon, tmp_path):
    """Zeros of a long array are not, an array of bytes is one word, and an open size can be given."""
    (tmp_path / "sizeless.c").write_text(SIZELESS)
    command = ["test", "sizeless.c", "traffic.pcap", "--map-size", "SEEN=7"]

    outcome = dynmon(*command, "--expect", "LENGTHS[4046]=1")
    unsized = dynmon(*command[:-2])
    explained = dynmon("explain", "sizeless.c", "--map-size", "SEEN=7")

    assert (0, "") == (outcome.returncode, outcome.stderr)
    rows = "".join(f"   {4042 + each}      1\n" for each in range(10))
    assert f" LENGTHS (array), all others are 0:\n  index  value\n{rows}" in outcome.stdout
    assert f"  fd{'00' * 14}01    53      1\n" in outcome.stdout
    assert 1 == unsized.returncode
    assert "map 'SEEN' has no max_entries" in unsized.stderr
    assert "not made, because the program does not use them:\n UNUSED\n" in explained.stdout


def test_the_capture_may_come_from_standard_input(tmp_path, dynmon):
    with (tmp_path / "traffic.pcap").open("rb") as capture:
        outcome = dynmon("test", COUNTED[0], "-", *COUNTED[2:], "--json", stdin=capture)

    assert (0, "") == (outcome.returncode, outcome.stderr)
    check_report(json.loads(outcome.stdout))


def test_packets_of_every_protocol_run(dynmon, tmp_path):
    frames = [ethernet(ipv6(udp())), ethernet(ipv4(tcp(2))), bytes(12) + b"\x08\x06" + bytes(28), bytes(5000)]
    (tmp_path / "traffic.pcap").write_bytes(pcap(*frames, wire_lengths=[*map(len, frames[:3]), 9000]))

    report = json.loads(dynmon("test", *COUNTED, "--json").stdout)

    assert 4 == report["packets"]["run"]
    assert [1, 1] == [int(note.partition(": ")[2].partition(";")[0]) for note in report["notes"]]


def test_whoever_may_not_load_programs_is_told(dynmon, tmp_path):
    tmp_path.chmod(0o755)
    command = ["setpriv", "--bounding-set=-bpf,-sys_admin", "--inh-caps=-all", str(DYNMON), "explain", "probe.c"]

    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert 1 == outcome.returncode
    assert "dynmon: cannot load or attach eBPF programs without CAP_BPF; run it as root\n" == outcome.stderr


def test_nothing_stays_in_the_kernel(dynmon, tmp_path):
    (tmp_path / "probe.c").write_text(SIZELESS.replace("int count(", "int kept_by_nobody("))

    outcome = dynmon("test", "probe.c", "traffic.pcap", "--map-size", "SEEN=7")

    assert "code: kept_by_nobody (libbpf)" in outcome.stdout
    assert "kept_by_nobody" not in [each.get("name") for each in json.loads(run("bpftool", "prog", "-j"))]

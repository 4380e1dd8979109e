"""Every resource of the API, over HTTP, on a real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.daemon import Daemon
from tests.support import Veth

COUNTER = """
BPF_ARRAY(PACKETS, u64, 1);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	unsigned int key = 0;
	u64 *count = PACKETS.lookup(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return RX_OK;
}
"""
LABEL = {"name": "proto", "value": "any"}
METRIC = {
    "name": "packets_total",
    "map-name": "PACKETS",
    "open-metrics-metadata": {"help": "Packets seen", "type": "Counter", "labels": [LABEL]},
}
# As GET gives them back: in order, with what was left out.
METRIC_GOT = {
    "name": "packets_total",
    "map-name": "PACKETS",
    "extraction-options": {"swap-on-read": False, "empty-on-read": False},
    "open-metrics-metadata": {"help": "Packets seen", "type": "counter", "labels": [LABEL]},
}
PATH = {"name": "counter", "code": COUNTER, "metric-configs": [METRIC]}
PATH_GOT = {**PATH, "metric-configs": [METRIC_GOT]}
DEFAULT_NAME = "Default path config"
BROKEN = {"name": "broken", "code": "static int handle_rx(void) { return nothing; }"}


@pytest.fixture
def http(daemon: Daemon) -> Iterator[httpx.Client]:
    """Requests below the base of the API, redirects not followed."""
    with httpx.Client(base_url=daemon.api, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def dm(http: httpx.Client) -> httpx.Client:
    """The same, with a cube `dm` that counts ingress packets."""
    made = http.post("/dynmon/dm", json={"dataplane-config": {"ingress-path": PATH, "egress-path": {}}})
    assert (201, b"") == (made.status_code, made.content)
    return http


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem that the response is."""
    assert status == response.status_code, response.text
    assert "application/problem+json" == response.headers["content-type"]
    body: dict[str, Any] = response.json()
    assert status == body["status"]
    assert body["detail"]
    return body


def running(http: httpx.Client, direction: str = "ingress") -> str:
    name: str = http.get(f"/dynmon/dm/dataplane-config/{direction}-path/name").json()
    return name


def test_the_whole_cube(dm: httpx.Client) -> None:
    """Keys in the order that clients compare, compact, links last."""
    response = dm.get("/dynmon/dm")
    body = response.json()

    assert [
        "name",
        "uuid",
        "service-name",
        "type",
        "loglevel",
        "parent",
        "passive",
        "attachments",
        "selectors",
        "dataplane-config",
        "metrics",
        "verdicts",
        "_links",
    ] == list(body)
    assert ("dm", "dynmon", "TC", "INFO", "") == tuple(
        body[key] for key in ("name", "service-name", "type", "loglevel", "parent")
    )
    assert PATH_GOT == body["dataplane-config"]["ingress-path"]
    assert ["name", "code"] == list(body["dataplane-config"]["egress-path"])
    assert [0] == body["metrics"]["ingress-metrics"][0]["value"]
    assert [] == body["metrics"]["egress-metrics"]
    assert response.text.startswith('{"name":"dm","uuid":"')
    assert "application/json; charset=utf-8" == response.headers["content-type"]


def test_links(dm: httpx.Client) -> None:
    here = f"//{dm.base_url.netloc.decode()}/polycube/v1/dynmon/dm/"
    children = ("uuid", "type", "service-name", "loglevel", "dataplane-config", "metrics", "open-metrics")

    links = dm.get("/dynmon/dm/").json()["_links"]

    assert [
        {"rel": "self", "href": here},
        *({"rel": rel, "href": f"{here}{rel}/"} for rel in (*children, "passive", "verdicts")),
    ] == links
    for link in links:
        assert 200 == dm.get(f"http:{link['href']}").status_code


CONFIG = "dataplane-config/ingress-path"
A_METRIC = f"{CONFIG}/metric-configs/packets_total"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "dm"),
        ("type", "TC"),
        ("service-name", "dynmon"),
        ("loglevel", "INFO"),
        ("parent", ""),
        (f"{CONFIG}/name", "counter"),
        (f"{CONFIG}/code", COUNTER),
        (f"{CONFIG}/metric-configs", [METRIC_GOT]),
        ("dataplane-config/egress-path/metric-configs", []),
        (f"{A_METRIC}/name", "packets_total"),
        (f"{A_METRIC}/map-name", "PACKETS"),
        (f"{A_METRIC}/extraction-options/empty-on-read", False),
        (f"{A_METRIC}/extraction-options/swap-on-read", False),
        (f"{A_METRIC}/open-metrics-metadata/help", "Packets seen"),
        (f"{A_METRIC}/open-metrics-metadata/type", "counter"),
        (f"{A_METRIC}/open-metrics-metadata/labels", [LABEL]),
        (f"{A_METRIC}/open-metrics-metadata/labels/proto/name", "proto"),
        (f"{A_METRIC}/open-metrics-metadata/labels/proto/value", "any"),
        ("metrics/ingress-metrics/packets_total/name", "packets_total"),
        ("metrics/ingress-metrics/packets_total/value", [0]),
        ("metrics/egress-metrics", []),
    ],
)
def test_bare_values(dm: httpx.Client, path: str, value: object) -> None:
    """Leaves and lists are bare JSON."""
    response = dm.get(f"/dynmon/dm/{path}")

    assert (200, value) == (response.status_code, response.json())


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("dataplane-config", ["ingress-path", "egress-path"]),
        (CONFIG, ["name", "code", "metric-configs"]),
        (A_METRIC, ["name", "map-name", "extraction-options", "open-metrics-metadata"]),
        (f"{A_METRIC}/extraction-options", ["swap-on-read", "empty-on-read"]),
        (f"{A_METRIC}/open-metrics-metadata", ["help", "type", "labels"]),
        (f"{A_METRIC}/open-metrics-metadata/labels/proto", ["name", "value"]),
        ("metrics", ["ingress-metrics", "egress-metrics"]),
        ("metrics/ingress-metrics/packets_total", ["name", "value", "timestamp"]),
    ],
)
def test_objects_end_with_their_links(dm: httpx.Client, path: str, keys: list[str]) -> None:
    body = dm.get(f"/dynmon/dm/{path}").json()

    assert [*keys, "_links"] == list(body)
    assert body["_links"][0]["href"].endswith(f"/polycube/v1/dynmon/dm/{path}/")


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/dynmon/nobody", "cube 'nobody' does not exist"),
        ("/dynmon/nobody/uuid", "cube 'nobody' does not exist"),
        ("/dynmon/a%2Fb", "cube 'a%2Fb' does not exist"),
        ("/dynmon/dm/nothing", "there is no resource at '/polycube/v1/dynmon/dm/nothing'"),
        ("/nobody/metrics", "there is no cube 'nobody'"),
        (f"/dynmon/dm/{CONFIG}/metric-configs/x", f"cube 'dm' has no '{CONFIG}/metric-configs/x'"),
        ("/dynmon/dm/metrics/ingress-metrics/x/value", "cube 'dm' has no ingress metric 'x'; it has: packets_total"),
        ("/services/bridge", "service 'bridge' does not exist; there is: dynmon, simplebridge"),
        ("/cubes/nobody", "cube 'nobody' does not exist"),
        ("/netdevs/nothing", "interface 'nothing' not found"),
        ("/topology/nothing", "interface 'nothing' not found"),
        ("/topology/%00", "interface '\\x00' not found"),
    ],
)
def test_what_does_not_exist_is_not_found(dm: httpx.Client, path: str, missing: str) -> None:
    assert missing == problem(dm.get(path), 404)["detail"]


def test_metadata_that_was_not_given_is_not_found(dm: httpx.Client) -> None:
    bare = {"name": "packets", "map-name": "PACKETS"}
    assert 201 == dm.put(f"/dynmon/dm/{CONFIG}", json={**PATH, "metric-configs": [bare]}).status_code

    for leaf in ("", "/help", "/type", "/labels", "/labels/proto"):
        problem(dm.get(f"/dynmon/dm/{CONFIG}/metric-configs/packets/open-metrics-metadata{leaf}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "uuid", "GET, HEAD, OPTIONS"),
        ("DELETE", "loglevel", "GET, HEAD, PATCH, OPTIONS"),
        ("POST", f"{CONFIG}/metric-configs", "GET, HEAD, OPTIONS"),
        ("PUT", f"{A_METRIC}/open-metrics-metadata/labels", "GET, HEAD, OPTIONS"),
        ("DELETE", "metrics", "GET, HEAD, OPTIONS"),
        ("TRACE", "dataplane-config", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    ],
)
def test_what_cannot_be_changed_says_what_can(dm: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = dm.request(method, f"/dynmon/dm/{path}")

    assert method in problem(response, 405)["detail"]
    assert allowed == response.headers["allow"]


def test_create_and_delete(http: httpx.Client) -> None:
    assert 201 == http.post("/dynmon/dm").status_code
    assert "cube 'dm' already exists" == problem(http.post("/dynmon/dm", json={}), 409)["detail"]
    deleted = http.delete("/dynmon/dm")
    assert (200, b"") == (deleted.status_code, deleted.content)
    problem(http.delete("/dynmon/dm"), 404)


def test_a_cube_that_cannot_run_is_not_made(http: httpx.Client) -> None:
    refused = problem(http.post("/dynmon/dm", json={"dataplane-config": {"ingress-path": BROKEN}}), 422)

    assert "compile" == refused["stage"]
    finding = {"file", "line", "column", "severity", "message", "source-line"}
    assert finding == set(refused["diagnostics"][0]) - {"hint"}
    assert ("ingress", 1) == (refused["diagnostics"][0]["file"], refused["diagnostics"][0]["line"])
    problem(http.get("/dynmon/dm"), 404)


@pytest.mark.parametrize("name", ["topology", "dynmon", "-x", "a b", "x" * 65])
def test_names_that_cannot_be_addressed_are_refused(http: httpx.Client, name: str) -> None:
    assert name in problem(http.post(f"/dynmon/{name}"), 400)["detail"]


def test_the_collection(http: httpx.Client) -> None:
    assert [] == http.get("/dynmon").json()
    assert 201 == http.post("/dynmon", json={"name": "one", "loglevel": "debug"}).status_code
    assert 200 == http.patch("/dynmon", json={"name": "one", "loglevel": "OFF"}).status_code
    problem(http.post("/dynmon", json={}), 400)

    listed = http.get("/dynmon/").json()

    assert ["name", "uuid", "service-name", "type", "loglevel", "parent", "passive"] == list(listed[0])
    assert ("one", "OFF") == (listed[0]["name"], listed[0]["loglevel"])


def test_put_is_idempotent(http: httpx.Client) -> None:
    """The first makes the cube, a second leaves another code in the same cube."""
    assert 201 == http.put("/dynmon/dm", json={"loglevel": "DEBUG"}).status_code
    uuid = http.get("/dynmon/dm/uuid").json()
    for _ in range(2):
        assert 200 == http.put("/dynmon/dm", json={"dataplane-config": {"ingress-path": PATH}}).status_code

    assert ("counter", "DEBUG") == (running(http), http.get("/dynmon/dm/loglevel").json())
    assert uuid == http.get("/dynmon/dm/uuid").json()


def test_what_was_got_can_be_sent_back(dm: httpx.Client) -> None:
    """As a copy under another name, onto itself, and in parts."""
    whole = dm.get("/dynmon/dm").json()
    config = dm.get("/dynmon/dm/dataplane-config").json()
    path = dm.get(f"/dynmon/dm/{CONFIG}").json()

    assert 201 == dm.post("/dynmon/copy", json=whole).status_code
    assert 200 == dm.put("/dynmon/dm", json=whole).status_code
    assert 200 == dm.patch("/dynmon/dm", json=whole).status_code
    assert 201 == dm.put("/dynmon/dm/dataplane-config", json=config).status_code
    assert 201 == dm.put(f"/dynmon/dm/{CONFIG}", json=path).status_code
    copy = dm.get("/dynmon/copy").json()
    assert whole["dataplane-config"] == copy["dataplane-config"] == dm.get("/dynmon/dm").json()["dataplane-config"]
    assert whole["uuid"] != copy["uuid"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_injection(dm: httpx.Client, method: str) -> None:
    body = {"egress-path": {**PATH, "name": "other"}, "ingress-path": {}}

    response = dm.request(method, "/dynmon/dm/dataplane-config", json=body)

    assert (201, b"") == (response.status_code, response.content)
    assert ("counter", "other") == (running(dm), running(dm, "egress"))


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_injection_of_one_path(dm: httpx.Client, method: str, direction: str) -> None:
    place = f"/dynmon/dm/dataplane-config/{direction}-path"

    assert 201 == dm.request(method, place, json={**PATH, "name": "new"}).status_code
    assert "new" == running(dm, direction)
    assert 201 == dm.request(method, place, json={}).status_code
    assert "new" == running(dm, direction)


def test_one_bad_path_keeps_both(dm: httpx.Client) -> None:
    body = {"ingress-path": {**PATH, "name": "new"}, "egress-path": BROKEN}

    refused = problem(dm.put("/dynmon/dm/dataplane-config", json=body), 422)

    assert "egress" == refused["diagnostics"][0]["file"]
    assert ("counter", DEFAULT_NAME) == (running(dm), running(dm, "egress"))


def test_a_metric_without_a_map_is_refused(dm: httpx.Client) -> None:
    path = {**PATH, "metric-configs": [{"name": "x", "map-name": "PKTS"}]}

    refused = problem(dm.put(f"/dynmon/dm/{CONFIG}", json=path), 422)

    assert "metric 'x': map 'PKTS' is not declared by the ingress code; it declares: PACKETS" == refused["detail"]
    assert ("check", "ingress", "x", "PKTS") == tuple(refused[key] for key in ("stage", "direction", "metric", "map"))


def test_faults_in_a_document_have_their_path(dm: httpx.Client) -> None:
    twice = {**PATH, "metric-configs": [METRIC, METRIC], "colour": "red"}

    refused = problem(dm.put("/dynmon/dm/dataplane-config", json={"ingress-path": twice}), 400)

    assert "schema" == refused["stage"]
    assert {"ingress-path.colour"} <= {error["path"] for error in refused["errors"]}


def test_faults_in_json_have_their_place(dm: httpx.Client) -> None:
    refused = problem(dm.put("/dynmon/dm/dataplane-config", content=b'{\n  "ingress-path": {,}\n}'), 400)

    assert ("json", 2, 20) == (refused["stage"], refused["line"], refused["column"])


def test_patch_keeps_code_that_is_not_given(dm: httpx.Client) -> None:
    assert 200 == dm.patch(f"/dynmon/dm/{CONFIG}", json={"name": "renamed"}).status_code
    assert {**PATH_GOT, "name": "renamed"} == without_links(dm.get(f"/dynmon/dm/{CONFIG}").json())

    body = {"ingress-path": {"metric-configs": [{**METRIC, "name": "p"}]}, "egress-path": {}}
    assert 200 == dm.patch("/dynmon/dm/dataplane-config", json=body).status_code
    assert [0] == dm.get("/dynmon/dm/metrics/ingress-metrics/p/value").json()
    assert ("renamed", DEFAULT_NAME) == (running(dm), running(dm, "egress"))


def test_patch_of_a_cube_is_all_or_nothing(dm: httpx.Client) -> None:
    body = {"loglevel": "TRACE", "dataplane-config": {"ingress-path": BROKEN}}

    problem(dm.patch("/dynmon/dm", json=body), 422)
    assert ("INFO", "counter") == (dm.get("/dynmon/dm/loglevel").json(), running(dm))

    body["dataplane-config"] = {"ingress-path": {**PATH, "name": "new"}}
    assert 200 == dm.patch("/dynmon/dm", json=body).status_code
    assert ("TRACE", "new") == (dm.get("/dynmon/dm/loglevel").json(), running(dm))


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_the_type_is_fixed(dm: httpx.Client, method: str) -> None:
    assert 200 == dm.request(method, "/dynmon/dm", json={"type": "tc"}).status_code
    refused = problem(dm.request(method, "/dynmon/dm", json={"type": "XDP_SKB"}), 409)

    assert "type of cube 'dm' is TC and cannot become XDP_SKB" in refused["detail"]


@pytest.mark.parametrize("place", ["dataplane-config", CONFIG])
def test_delete_is_reset(dm: httpx.Client, place: str) -> None:
    response = dm.delete(f"/dynmon/dm/{place}")

    assert (204, b"") == (response.status_code, response.content)
    assert DEFAULT_NAME == running(dm)
    assert [] == dm.get("/dynmon/dm/metrics/ingress-metrics").json()


def test_the_log_level_is_a_bare_string(dm: httpx.Client) -> None:
    assert 200 == dm.patch("/dynmon/dm/loglevel", content=b'"warn"').status_code
    assert '"WARN"' == dm.get("/dynmon/dm/loglevel").text
    for body in (b'"loud"', b"[]", b"{}", b"3"):
        assert "TRACE" in problem(dm.patch("/dynmon/dm/loglevel", content=body), 400)["detail"]


def test_cubes(http: httpx.Client) -> None:
    assert "{}" == http.get("/cubes").text
    assert 201 == http.post("/cubes", json=[{"name": "a"}, {"name": "b", "loglevel": "OFF"}]).status_code

    listed = http.get("/cubes")

    assert ["a", "b"] == [cube["name"] for cube in listed.json()["dynmon"]]
    assert listed.text == json.dumps(listed.json(), indent=4)
    assert "OFF" == http.get("/cubes/b").json()["loglevel"]
    assert 201 == http.post("/cubes").status_code


@pytest.mark.parametrize("last", [{"name": "b", "type": "bridge"}, {"name": "a"}, {}, 3])
def test_cubes_are_made_together_or_not_at_all(http: httpx.Client, last: object) -> None:
    response = http.post("/cubes", json=[{"name": "a"}, last])

    assert problem(response, response.status_code)
    assert response.status_code in (400, 409)
    assert [] == http.get("/dynmon").json()


def test_the_base(dm: httpx.Client) -> None:
    links = {link["rel"]: link["href"] for link in dm.get("/").json()}

    assert ["self", "services", "cubes", "netdevs", "version", "connect", "disconnect"] == list(links)[:7]
    assert ["attach", "detach", "topology", "dynmon", "simplebridge", "dm"] == list(links)[7:]
    assert links["dm"].endswith("/polycube/v1/dynmon/dm/")


def test_services(http: httpx.Client) -> None:
    service, _ = http.get("/services").json()
    (detailed,) = http.get("/services/dynmon").json()

    assert {"name", "servicecontroller", "description", "version", "pyang_repo_id", "swagger_codegen_repo_id"} == set(
        service
    )
    assert ["name", "servicecontroller", "datamodel"] == list(detailed)
    assert "module: dynmon" in detailed["datamodel"]


def test_version(http: httpx.Client) -> None:
    versions = http.get("/version").json()

    assert versions["polycubed"]["version"] == f"v{versions['dynmon']['version']}"


def test_netdevs(http: httpx.Client, veth: Veth) -> None:
    names = [netdev["name"] for netdev in http.get("/netdevs").json()]

    assert veth.host in names
    assert "lo" not in names
    assert [veth.host] == [netdev["name"] for netdev in http.get(f"/netdevs/{veth.host}").json()]


def test_attach_and_topology(http: httpx.Client, veth: Veth) -> None:
    """Positions as published: th3; th1 first; th5 last; th2 after th1; th4 before th5."""
    http.post("/cubes", json=[{"name": f"th{number}"} for number in range(1, 6)])
    for cube, place in (
        ("th3", {}),
        ("th1", {"position": "first"}),
        ("th5", {"position": "last"}),
        ("th2", {"after": "th1"}),
        ("th4", {"before": "th5"}),
    ):
        attached = http.post("/attach", json={"cube": cube, "port": veth.host, **place})
        assert (200, b"") == (attached.status_code, attached.content)

    text = http.get(f"/topology/{veth.host}").text

    assert '\n    "ingress service chain": "th1 ---> th2 ---> th3 ---> th4 ---> th5 ---> stack",\n' in text
    assert '\n    "egress service chain": "th5 ---> th4 ---> th3 ---> th2 ---> th1 ---> stack"\n' in text
    assert '"th2,\\t1,\\t3"' in text
    assert veth.host == http.get("/dynmon/th4/parent").json()
    assert [veth.host] * 5 == [cube["parent"] for cube in http.get("/topology").json()]
    for number in range(1, 6):
        assert 200 == http.post("/detach", json={"cube": f"th{number}", "port": veth.host}).status_code
    assert {"name": veth.host} == http.get(f"/topology/{veth.host}").json()


def test_attachments_that_cannot_be(dm: httpx.Client, veth: Veth) -> None:
    port = {"port": veth.host}
    problem(dm.post("/attach", json={"cube": "dm"}), 400)
    problem(dm.post("/attach", json={"cube": 3, **port}), 400)
    problem(dm.post("/attach", json={"cube": "dm", **port, "position": "first", "after": "x"}), 400)
    problem(dm.post("/attach", json={"cube": "nobody", **port}), 404)
    problem(dm.post("/attach", json={"cube": "dm", "port": "nothing"}), 404)
    problem(dm.post("/detach", json={"cube": "dm", **port}), 409)
    assert 200 == dm.post("/attach", json={"cube": "dm", **port}).status_code
    assert veth.host == problem(dm.post("/attach", json={"cube": "dm", **port}), 409)["port"]


@pytest.mark.parametrize(
    ("path", "query", "answer"),
    [
        ("/", "help=NONE&completion", None),
        ("/dynmon", "help=NONE&completion", ["dm", "add", "del", "show"]),
        ("/dynmon", "help=ADD&completion", ["dm", "<name>"]),
        ("/dynmon/new", "help=ADD&completion", ["type=", "service-name=", "loglevel=", "passive="]),
        ("/dynmon/dm", "help=NONE&completion", ["dataplane-config", "metrics", "verdicts", "set", "show"]),
        ("/dynmon/dm", "help=SET&completion", ["loglevel="]),
        ("/dynmon/dm/metrics/ingress-metrics", "help=SHOW&completion", ["packets_total"]),
        (f"/dynmon/dm/{A_METRIC}/open-metrics-metadata/labels", "help=SHOW&completion", ["proto"]),
        (
            f"/dynmon/dm/{A_METRIC}",
            "help=SHOW&completion",
            [
                *("map-name", "variable", "type", "key-type", "extraction-options"),
                *("per-interface", "merge", "open-metrics-metadata"),
            ],
        ),
        ("/dynmon/dm/type", "help=SHOW&completion", ["tc", "xdp_skb", "xdp_drv"]),
        ("/dynmon/dm/uuid", "help=SHOW&completion", []),
        ("/connect", "help=NONE&completion", []),
        ("/topology", "help=NONE", {"commands": ["show"]}),
        ("/cubes/dm", "help=NONE", {"commands": ["show"]}),
    ],
)
def test_help(dm: httpx.Client, path: str, query: str, answer: object) -> None:
    words = ["connect", "disconnect", "attach", "detach", "services", "cubes", "topology", "netdevs"]
    words += ["dynmon", "simplebridge", "dm"]
    response = dm.options(f"{path}?{query}")

    assert (200, words if answer is None else answer) == (response.status_code, response.json())


def test_help_about_lists_of_the_daemon(dm: httpx.Client, veth: Veth) -> None:
    cubes = dm.options("/cubes?help=NONE").json()
    netdevs = dm.options("/netdevs?help=SHOW").json()

    assert ([{"cube": "dm"}], ["show"]) == (cubes["elements"], cubes["commands"])
    assert {"netdev": veth.host} in netdevs["elements"]
    assert "key" == netdevs["params"]["name"]["type"]
    assert "service" == dm.options("/?help=NONE").json()["params"]["dynmon"]["simpletype"]
    assert (200, b"") == (dm.options("/").status_code, dm.options("/").content)


@pytest.mark.parametrize(
    "path", ["/dynmon", "/dynmon?help=", "/dynmon?help=NO_HELP", "/?help=ADD", "/dynmon/dm?help=DEL"]
)
def test_help_that_is_not_there(dm: httpx.Client, path: str) -> None:
    problem(dm.options(path), 400)


def test_help_about_what_is_not_there(dm: httpx.Client) -> None:
    problem(dm.options("/dynmon/nobody?help=NONE"), 404)
    problem(dm.options("/dynmon/dm/metrics/ingress-metrics/x?help=SHOW"), 404)


def without_links(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "_links"}

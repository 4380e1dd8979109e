"""What holds for every request, tried with the clients that people use."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.daemon import Daemon
from tests.support import run

CODE = "static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md) { return RX_OK; }\n"


@pytest.fixture
def http(daemon: Daemon) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=daemon.url, trust_env=False, timeout=30) as client:
        client.post("/polycube/v1/dynmon/dm")
        yield client


def curl(*arguments: str) -> str:
    return run("curl", "--silent", "--show-error", "--noproxy", "*", *arguments)


@pytest.mark.parametrize("path", ["dynmon/dm/uuid", "dynmon/dm/uuid/", "/dynmon//dm///uuid//", "dynmon/d%6D/uuid"])
def test_paths_have_many_spellings(http: httpx.Client, path: str) -> None:
    assert 200 == http.get(f"/polycube/v1/{path}").status_code


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("dm", "dynmon/dm"),
        ("dm/", "dynmon/dm/"),
        ("//dm//metrics/", "dynmon/dm/metrics/"),
        ("dm/metrics/x%20y?help=NONE&a=%2F", "dynmon/dm/metrics/x%20y?help=NONE&a=%2F"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_the_shortcut_is_a_relative_redirect(http: httpx.Client, method: str, path: str, location: str) -> None:
    response = http.request(method, f"/polycube/v1/{path}", headers={"Referer": "http://elsewhere/"})

    assert 308 == response.status_code
    assert f"/polycube/v1/{location}" == response.headers["location"]


def test_the_shortcut_keeps_method_and_body(http: httpx.Client) -> None:
    response = http.patch("/polycube/v1/dm/loglevel", content=b'"ERR"', follow_redirects=True)

    assert 200 == response.status_code
    assert "ERR" == http.get("/polycube/v1/dm/loglevel", follow_redirects=True).json()


@pytest.mark.parametrize("place", ["dynmon/dm/dataplane-config", "dm/dataplane-config"])
def test_curl_uploads_a_large_file(http: httpx.Client, daemon: Daemon, tmp_path: Path, place: str) -> None:
    """Curl asks with Expect: 100-continue before it sends so much, and would wait a second without an answer."""
    config = tmp_path / "config.json"
    code = CODE + "// " + "x" * 900_000 + "\n"
    config.write_text(json.dumps({"ingress-path": {"name": "large", "code": code}, "egress-path": {}}))

    written = curl(
        "--location", "--verbose", "--write-out", "%{http_code}", "-H", "Expect: 100-continue",
        "-T", str(config), f"{daemon.api}/{place}",
    )  # fmt: skip

    assert "201" == written
    assert "large" == http.get("/polycube/v1/dynmon/dm/dataplane-config/ingress-path/name").json()


def test_curl_is_told_that_a_file_is_too_large(daemon: Daemon, tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (9 << 20))

    for headers in (["-H", "Expect:"], ["-H", "Expect: 100-continue"]):
        written = curl(*headers, "--write-out", "\n%{http_code}", "-T", str(large), f"{daemon.api}/dynmon/dm")
        body, _, status = written.rpartition("\n")
        assert "413" == status
        assert "the body is larger than 8388608 bytes" == json.loads(body)["detail"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_any_content_type_will_do(http: httpx.Client, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    assert 200 == http.patch("/polycube/v1/dynmon/dm", content=b'{"loglevel":"OFF"}', headers=headers).status_code
    assert "OFF" == http.get("/polycube/v1/dynmon/dm/loglevel").json()


@pytest.mark.parametrize("path", ["/polycube/v1/dynmon/dm", "/polycube/v1/cubes", "/healthz", "/metrics", "/docs"])
def test_head_is_get_without_a_body(http: httpx.Client, path: str) -> None:
    answer, head = http.get(path), http.head(path)

    assert (200, b"") == (head.status_code, head.content)
    assert answer.headers["content-type"] == head.headers["content-type"]


def test_head_of_nothing(http: httpx.Client) -> None:
    head = http.head("/polycube/v1/dynmon/nobody")

    assert (404, b"") == (head.status_code, head.content)


def test_the_pages_need_no_other_host(http: httpx.Client) -> None:
    page = http.get("/docs")
    references = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert ["data:,", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"] == references
    for reference in references[1:]:
        answer = http.get(f"/{reference}")
        assert (200, True) == (answer.status_code, len(answer.content) > 50)
    assert "url(http" not in http.get("/docs/swagger-ui.css").text
    assert 404 == http.get("/docs/LICENSE.txt").status_code
    assert 404 == http.get("/docs/..%2F__init__.py").status_code


def test_openapi(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()

    assert document["openapi"].startswith("3.")
    assert "put" in document["paths"]["/polycube/v1/dynmon/{name}/dataplane-config"]
    assert "code" in document["components"]["schemas"]["PathConfig"]["properties"]


def test_healthz(http: httpx.Client) -> None:
    assert '{"status":"ok"}' == http.get("/healthz").text


def test_many_at_once(http: httpx.Client, daemon: Daemon) -> None:
    """Cubes made, listed and deleted by many clients at the same time."""
    failures: list[str] = []

    def work(number: int) -> None:
        with httpx.Client(base_url=daemon.api, trust_env=False, timeout=30) as own:
            for method, path in (("POST", f"/dynmon/m{number}"), ("GET", "/cubes"), ("DELETE", f"/dynmon/m{number}")):
                response = own.request(method, path)
                if not response.is_success:
                    failures.append(response.text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failures
    assert ["dm"] == [cube["name"] for cube in http.get("/polycube/v1/dynmon").json()]

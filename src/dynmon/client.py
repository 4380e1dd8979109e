"""The daemon's REST API as Python methods; the only HTTP client in the package."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import httpx

from dynmon.errors import DynmonError, InvalidInputError
from dynmon.settings import DEFAULT_ADDRESS, DEFAULT_PORT

API_PATH = "/polycube/v1/"
DEFAULT_URL = f"http://{DEFAULT_ADDRESS}:{DEFAULT_PORT}{API_PATH}"
# Two cold compiles at the compiler's own limit of 20 s each, and a margin.
DEFAULT_TIMEOUT_SECONDS = 60.0
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_REDIRECTS = 5
# What may stand in a path segment besides letters, digits and "-._~" (RFC 3986, pchar).
SEGMENT_SAFE = "$&+=:@"


class InvalidUrl(InvalidInputError):
    """A base URL that no request can be made from."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url!r} is not the address of a daemon: {reason}")
        self.url = url


class ConnectionFailed(DynmonError):
    """No answer: nobody listens there, the name is unknown, TLS failed or it took too long."""

    def __init__(self, method: str, url: str, reason: str) -> None:
        super().__init__(f"{method} {url}: {reason}; is the daemon (dynmond) running there?")
        self.method = method
        self.url = url
        self.reason = reason

    def fields(self) -> Mapping[str, Any]:
        return {"method": self.method, "url": self.url, "reason": self.reason}


class ApiError(DynmonError):
    """The daemon refused; `problem` is its whole answer when that was a JSON object."""

    def __init__(self, status: int, detail: str, problem: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.problem = problem

    def fields(self) -> Mapping[str, Any]:
        return {"status": self.status, **self.problem}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files for https: who we trust, and who we are."""

    ca_certificate: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer, not yet interpreted."""

    status: int
    content_type: str
    text: str

    @property
    def is_json(self) -> bool:
        """Whether the text is JSON; an answer without a content type is taken by its looks."""
        if self.content_type:
            return "json" in self.content_type
        try:
            json.loads(self.text)
        except ValueError:
            return False
        return True

    @property
    def data(self) -> Any:
        """The JSON value, the text when it is not JSON, None when there is none."""
        if not self.text:
            return None
        return json.loads(self.text) if self.is_json else self.text


class DynmonClient:
    """A connection to one daemon; a context manager, closed once or more often.

    Methods return the JSON value of the answer. All of them raise ApiError when the daemon refuses and
    ConnectionFailed when it does not answer.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        tls: TlsFiles | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.url = normalised_url(url)
        self._trace = trace or (lambda line: None)
        # Proxies and .netrc of the environment are for the web, not for a daemon next door.
        self._http = httpx.Client(
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_TIMEOUT_SECONDS)),
            trust_env=False,
            verify=_tls_context(tls or TlsFiles()) if self.url.startswith("https:") else False,
            event_hooks={"request": [self._trace_request], "response": [self._trace_response]},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def request(
        self,
        method: str,
        segments: Sequence[str] = (),
        *,
        body: Any = ...,
        query: str = "",
        accept: str = "*/*",
    ) -> Answer:
        """One exchange about the resource at `segments`; redirects are followed with method and body.

        Raises:
            ApiError: The daemon refused.
            ConnectionFailed: It did not answer.
        """
        path = "".join(f"{_segment(segment)}/" for segment in segments)
        url = f"{self.url}{path.rstrip('/') if query else path}{'?' if query else ''}{query}"
        content = None if body is ... else json.dumps(body).encode()
        headers = {"Accept": accept} | ({} if body is ... else {"Content-Type": "application/json"})
        try:
            response = self._http.request(method, url, content=content, headers=headers)
        except httpx.TimeoutException as error:
            raise ConnectionFailed(method, url, "no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ConnectionFailed(method, url, str(error) or type(error).__name__) from error
        if not response.is_success:
            raise _refusal(response)
        return Answer(response.status_code, response.headers.get("content-type", ""), response.text)

    def create(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        """Make a dynmon cube; `config` is the body of cube creation (type, loglevel, dataplane-config)."""
        self.request("POST", ("dynmon", name), body=dict(config or {}))

    def delete(self, name: str) -> None:
        """Delete a cube; it is detached first."""
        self.request("DELETE", ("dynmon", name))

    def get(self, name: str) -> dict[str, Any]:
        """Everything about a cube; metrics are shown without being drained."""
        return dict(self._get("dynmon", name))

    def list(self) -> dict[str, Any]:
        """The cubes of every service, by service name."""
        return dict(self._get("cubes"))

    def inject(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the dataplane of a cube by a dataplane-config document: wholly, or not at all.

        Where a path has ``keep-maps``, gives which maps were ``kept``, which ``not-kept`` and why, by path.
        """
        return dict(self.request("PUT", ("dynmon", name, "dataplane-config"), body=dict(config)).data or {})

    def explain(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """What a dataplane-config document would run in a cube, by path; nothing changes."""
        place = ("dynmon", name, "dataplane-config")
        return dict(self.request("PUT", place, body=dict(config), query="dry-run=true").data)

    def dry_run(
        self, name: str, config: Mapping[str, Any], capture: bytes | None = None, direction: str | None = None
    ) -> dict[str, Any]:
        """Try a dataplane-config document as a cube would run it, on the packets of a pcap or pcapng file.

        The packets come from `direction`: where there is code, ingress before egress. Without code in the document,
        that of the cube is tried.
        """
        body = {"dataplane-config": dict(config), "direction": direction}
        if capture is not None:
            body["capture"] = base64.b64encode(capture).decode()
        return dict(self.request("POST", ("dynmon", name, "dry-run"), body=body).data)

    def reset(self, name: str, direction: str | None = None) -> None:
        """Put the default program back, in one direction or in both."""
        self.request("DELETE", ("dynmon", name, "dataplane-config", *_path_segment(direction)))

    def set_loglevel(self, name: str, level: str) -> None:
        """Change what ``pcn_log`` of a cube says; nothing is recompiled."""
        self.request("PATCH", ("dynmon", name, "loglevel"), body=level)

    def metrics(self, name: str, direction: str | None = None, *, since: str | None = None) -> Any:
        """Read all metrics of a cube, or the list of one direction; drains what its options say.

        `since` is as for `metric`; all metrics of an answer have the same token.
        """
        place = ("dynmon", name, "metrics", *([f"{direction}-metrics"] if direction else []))
        return self.request("GET", place, query=_query(since=since)).data

    def metric(self, name: str, direction: str, metric: str, *, since: str | None = None) -> dict[str, Any]:
        """Read one metric: its name, value and timestamp in microseconds.

        With `since`, the value is what happened since the answer that had this token under ``since``, and nothing is
        taken from other readers; "" begins.
        """
        place = _metric_place(name, direction, metric)
        return dict(self.request("GET", place, query=_query(since=since)).data)

    def pages(self, name: str, direction: str, metric: str, limit: int) -> Iterator[dict[str, Any]]:
        """Read one metric in pages of at most `limit` entries, each like what `metric` gives."""
        cursor: str | None = None
        while True:
            query = _query(limit=limit, cursor=cursor)
            page = dict(self.request("GET", _metric_place(name, direction, metric), query=query).data)
            yield page
            cursor = page.get("cursor")
            if cursor is None:
                return

    def metric_value(self, name: str, direction: str, metric: str) -> Any:
        """Read one metric and return its value alone."""
        return self._get(*_metric_place(name, direction, metric), "value")

    def open_metrics(self, name: str, accept: str = "*/*") -> str:
        """The OpenMetrics text of a cube."""
        return self.request("GET", ("dynmon", name, "open-metrics"), accept=accept).text

    def exposition(self, name: str) -> str:
        """What a cube has in the OpenMetrics text of the whole daemon."""
        return self.request("GET", ("metrics", "cubes", name), query="format=openmetrics").text

    def attach(
        self,
        cube: str,
        port: str,
        *,
        position: str | None = None,
        before: str | None = None,
        after: str | None = None,
        on_return: str | None = None,
    ) -> None:
        """Put a cube on an interface, on a ``cube:port``, or on all that a selector means."""
        places = {"position": position, "before": before, "after": after, "on-return": on_return}
        given = {key: value for key, value in places.items() if value is not None}
        self.request("POST", ("attach",), body={"cube": cube, "port": port, **given})

    def detach(self, cube: str, port: str) -> None:
        """Take a cube off an interface."""
        self.request("POST", ("detach",), body={"cube": cube, "port": port})

    def topology(self, port: str | None = None) -> Any:
        """All cubes with where they are attached, or the chain of cubes on one interface."""
        return self._get("topology", *([port] if port else []))

    def netdevs(self) -> Any:
        """The interfaces that cubes can be attached to."""
        return self._get("netdevs")

    def hooks(self, interface: str) -> Any:
        """Everybody on the hooks of an interface, in the order in which packets meet them."""
        return self._get("netdevs", interface, "hooks")

    def version(self) -> Any:
        """The version of the daemon."""
        return self._get("version")

    def options(self, segments: Sequence[str], mode: str = "NONE", *, completion: bool = False) -> Any:
        """What can be said about a resource; `mode` is ADD, SET, SHOW, DEL or NONE."""
        query = f"help={mode}{'&completion' if completion else ''}"
        return self.request("OPTIONS", segments, query=query).data

    def _get(self, *segments: str) -> Any:
        return self.request("GET", segments).data

    def _trace_request(self, request: httpx.Request) -> None:
        self._trace(f"{request.method} {request.url}")
        if body := request.read():  # a redirected request has the body as a stream
            self._trace(body.decode(errors="replace"))

    def _trace_response(self, response: httpx.Response) -> None:
        self._trace(f"{response.status_code} {response.reason_phrase}")


def normalised_url(url: str) -> str:
    """`url` ending in a slash; an address without a path gets the API's own.

    Raises:
        InvalidUrl: It is not an http or https URL with a host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidUrl(url, str(error)) from error
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidUrl(url, f"give it as {DEFAULT_URL}")
    path = API_PATH if parts.path in ("", "/") else parts.path.rstrip("/") + "/"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _segment(text: str) -> str:
    # "." and ".." would be taken out of the URL before it is sent, and the request go somewhere else.
    if text.strip(".") == "":
        return text.replace(".", "%2E")
    return quote(text, safe=SEGMENT_SAFE)


def _path_segment(direction: str | None) -> tuple[str, ...]:
    return (f"{direction}-path",) if direction else ()


def _metric_place(name: str, direction: str, metric: str) -> tuple[str, ...]:
    return ("dynmon", name, "metrics", f"{direction}-metrics", metric)


def _query(**parameters: str | int | None) -> str:
    return urlencode({key: value for key, value in parameters.items() if value is not None})


def _tls_context(files: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.ca_certificate)
        if files.certificate:
            context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # ssl.SSLError is one
        named = ", ".join(str(file) for file in (files.ca_certificate, files.certificate, files.key) if file)
        raise InvalidInputError(f"cannot use the TLS files {named}: {error}") from error
    return context


def _refusal(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        detail = problem.get("detail") or problem.get("title")
        return ApiError(response.status_code, str(detail or _status_line(response)), problem)
    return ApiError(response.status_code, response.text.strip() or _status_line(response), {})


def _status_line(response: httpx.Response) -> str:
    try:
        return f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        return str(response.status_code)

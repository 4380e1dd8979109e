"""`GET …/events`: the records of ring buffers and perf event arrays as server-sent events."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dynmon.client import DynmonClient
from tests import packets
from tests.daemon import Daemon, running_daemon
from tests.support import Veth, eventually, wait_until
from tests.unit.trial.capture_files import pcap

SENT = 1000
LISTENERS = 64
FRAME = packets.ethernet(packets.raw(b"x" * 46, 0x88B5))
RINGBUF_DIALECT = """
struct event { u64 number; u32 length; u32 port; };
struct event *event_type;
BPF_ARRAY(NUMBERS, u64, 1);
BPF_RINGBUF_OUTPUT(EVENTS, 64);
static __always_inline int handle_rx(struct CTXTYPE *ctx, struct pkt_metadata *md)
{
	int key = 0;
	u64 *next = NUMBERS.lookup(&key);
	struct event event = { .length = md->packet_len };
	if (!next)
		return RX_OK;
	event.number = ++*next;
	EVENTS.ringbuf_output(&event, sizeof(event), 0);
	return RX_OK;
}
"""
PERF_DIALECT = RINGBUF_DIALECT.replace("BPF_RINGBUF_OUTPUT(EVENTS, 64)", "BPF_PERF_OUTPUT(EVENTS)").replace(
    "EVENTS.ringbuf_output(&event, sizeof(event), 0)", "EVENTS.perf_submit(ctx, &event, sizeof(event))"
)
LIBBPF = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct event { __u64 number; __u32 length; __u32 port; };
struct event *event_type;
struct { MAP } EVENTS SEC(".maps");
__u64 sent;
SEC("tc") int watch(struct __sk_buff *ctx)
{
	struct event event = { .number = ++sent, .length = ctx->len };
	OUTPUT;
	return -1;
}
char LICENSE[] SEC("license") = "GPL";
"""
RINGBUF_LIBBPF = LIBBPF.replace("MAP", "__uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 18);", 1).replace(
    "OUTPUT", "bpf_ringbuf_output(&EVENTS, &event, sizeof(event), 0)"
)
PERF_LIBBPF = LIBBPF.replace(
    "MAP",
    "__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4);",
    1,
).replace("OUTPUT", "bpf_perf_event_output(ctx, &EVENTS, BPF_F_CURRENT_CPU, &event, sizeof(event))")
CODES = {
    "ringbuf dialect": RINGBUF_DIALECT,
    "perf dialect": PERF_DIALECT,
    "ringbuf libbpf": RINGBUF_LIBBPF,
    "perf libbpf": PERF_LIBBPF,
}
METRIC = {"name": "seen", "map-name": "EVENTS", "type": "struct event"}


@pytest.fixture(autouse=True)
def _one_cpu() -> Iterator[None]:
    """Each CPU has a perf buffer of its own: records of one are in order."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def config(code: str, *metrics: dict[str, Any], direction: str = "ingress") -> dict[str, Any]:
    """The dataplane of a cube that has events."""
    return {f"{direction}-path": {"code": code, "metric-configs": list(metrics or (METRIC,))}}


class Listener:
    """A client of the stream, which it reads an event at a time."""

    def __init__(self, response: httpx.Response) -> None:
        assert 200 == response.status_code, response.read()
        assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
        self._lines = response.iter_lines()
        assert ": listening" == next(self._lines), "from here on nothing is missed"

    def events(self, count: int) -> list[dict[str, Any]]:
        """The next `count` events, losses and the end among them; fewer when the stream ends."""
        found: list[dict[str, Any]] = []
        fields: dict[str, str] = {}
        while len(found) < count:
            line = next(self._lines, None)
            if line is None:
                break
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            if not line and "event" in fields:
                found.append({**fields, "data": json.loads(fields["data"])})
                fields = {}
        return found


@contextmanager
def listening(daemon: Daemon, query: str = "", name: str = "dm") -> Iterator[Listener]:
    """Listen to a cube for the length of a block."""
    with (
        httpx.Client(trust_env=False, timeout=20) as http,
        http.stream("GET", f"{daemon.api}/dynmon/{name}/events{query}") as response,
    ):
        listener = Listener(response)  # kept: without it, its lines would end and close the connection
        yield listener


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["data"]["value"]["number"] for event in events if event["event"] == "seen"]


def descriptors(daemon: Daemon) -> int:
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def thread_names(daemon: Daemon) -> list[str]:
    return [each.read_text().strip() for each in Path(f"/proc/{daemon.process.pid}/task").glob("*/comm")]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("kind", CODES)
def test_a_thousand_packets_are_a_thousand_events(
    daemon: Daemon, client: DynmonClient, veth: Veth, kind: str, direction: str
) -> None:
    """In order, decoded, once for each of two listeners."""
    client.create("dm", {"dataplane-config": config(CODES[kind], direction=direction)})
    client.attach("dm", veth.host)
    with listening(daemon) as one, listening(daemon, f"?metric=seen&direction={direction}") as other:
        veth.send(direction, FRAME, count=SENT)
        heard = one.events(SENT)
        assert list(range(1, SENT + 1)) == numbers(heard) == [int(event["id"]) for event in heard]
        assert heard[0]["data"].items() >= {"direction": direction, "metric": "seen"}.items()
        assert {"number": 1, "length": len(FRAME), "port": 0} == heard[0]["data"]["value"]
        assert ("perf" in kind) == ("cpu" in heard[0]["data"])
        assert list(range(1, SENT + 1)) == numbers(other.events(SENT))


def test_a_limit_ends_the_answer(daemon: Daemon, client: DynmonClient, veth: Veth) -> None:
    """So that a script or a test gets what it asked for and goes on."""
    client.create("dm", {"dataplane-config": config(RINGBUF_DIALECT)})
    client.attach("dm", veth.host)
    veth.send_in(FRAME, count=5)
    with listening(daemon, "?limit=3") as listener:
        assert [1, 2, 3] == numbers(listener.events(10))


def test_a_client_that_does_not_read_loses_the_oldest_and_learns_how_many(
    daemon: Daemon, client: DynmonClient, veth: Veth
) -> None:
    """Another one beside it hears everything."""
    client.create("dm", {"dataplane-config": config(RINGBUF_DIALECT)})
    client.attach("dm", veth.host)
    rounds = 60
    with socket.create_connection(("127.0.0.1", daemon.port)) as idle, listening(daemon) as busy:
        idle.settimeout(20)
        idle.sendall(b"GET /polycube/v1/dynmon/dm/events HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: b"listening" in idle.recv(4096, socket.MSG_PEEK), "the listener to be there")
        for number in range(rounds):
            veth.send_in(FRAME, count=SENT)
            heard = numbers(busy.events(SENT))
            assert list(range(SENT * number + 1, SENT * (number + 1) + 1)) == heard
        client.delete("dm")
        text = _until_end(idle)

    blocks = [block for block in text.split("\n\n") if "event: " in block]
    lost = sum(_data(block)["count"] for block in blocks if "event: lost" in block)
    came = [_data(block)["value"]["number"] for block in blocks if "event: seen" in block]
    assert lost > 0, "the connection took everything"
    assert rounds * SENT == lost + len(came)
    assert sorted(set(came)) == came
    assert rounds * SENT == came[-1], "the newest are kept"


def test_the_stream_ends_with_its_code_and_with_its_cube(daemon: Daemon, client: DynmonClient, veth: Veth) -> None:
    """And says so; another log level is the same code."""
    client.create("dm", {"dataplane-config": config(PERF_DIALECT)})
    client.attach("dm", veth.host)
    with listening(daemon) as listener:
        client.set_loglevel("dm", "TRACE")
        veth.send_in(FRAME)
        assert [1] == numbers(listener.events(1))
        client.inject("dm", config(RINGBUF_DIALECT))
        assert [("end", {"reason": "the code was replaced"})] == _ends(listener)
    with listening(daemon) as listener:
        client.delete("dm")
        assert [("end", {"reason": "the cube was deleted"})] == _ends(listener)


def test_a_read_of_the_metric_tells_where_to_listen(daemon: Daemon, client: DynmonClient) -> None:
    """It has no value, and is in the list all the same."""
    other = {"name": "next", "map-name": "NUMBERS"}
    client.create("dm", {"dataplane-config": config(RINGBUF_DIALECT, METRIC, other)})

    reading = client.metric("dm", "ingress", "seen")
    assert "its records are events: read them with GET .../dynmon/NAME/events" == reading["unread"]
    assert "value" not in reading
    assert ["seen", "next"] == [each["name"] for each in client.metrics("dm", "ingress")]
    assert "seen" not in client.open_metrics("dm")


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("?metric=other", 404, "cube 'dm' has no event metric 'other'; it has: seen"),
        ("?direction=egress", 409, "cube 'dm' has no egress event metrics: inject code with a metric whose map-name"),
        ("?direction=up", 400, "direction must be ingress or egress, not 'up'"),
        ("?limit=0", 400, "limit must be a number of events, at least 1, not '0'"),
        ("?limit=many", 400, "limit must be a number of events, at least 1, not 'many'"),
    ],
)
def test_what_cannot_be_heard_is_refused(
    daemon: Daemon, client: DynmonClient, query: str, status: int, reason: str
) -> None:
    """Before the stream begins, as a problem like any other."""
    client.create("dm", {"dataplane-config": config(RINGBUF_DIALECT)})
    answer = httpx.get(f"{daemon.api}/dynmon/dm/events{query}", trust_env=False)

    assert status == answer.status_code
    assert reason in answer.json()["detail"]


def test_a_cube_without_events_says_what_to_configure(daemon: Daemon, client: DynmonClient) -> None:
    """And HEAD does not wait for a body."""
    client.create("dm")
    answer = httpx.get(f"{daemon.api}/dynmon/dm/events", trust_env=False)

    assert 409 == answer.status_code
    assert "whose map-name is a ring buffer or a perf event array" in answer.json()["detail"]
    assert 200 == httpx.head(f"{daemon.api}/dynmon/dm/events", trust_env=False).status_code


def test_there_is_room_for_so_many_listeners_and_they_hold_no_thread(daemon: Daemon, client: DynmonClient) -> None:
    """One more is told to come again; other requests are answered meanwhile, and nothing stays when all have left."""
    client.create("dm", {"dataplane-config": config(PERF_DIALECT)})
    before = descriptors(daemon)
    with ExitStack() as all_of_them:
        for _ in range(LISTENERS):
            all_of_them.enter_context(listening(daemon))
        refused = httpx.get(f"{daemon.api}/dynmon/dm/events", trust_env=False)
        assert 503 == refused.status_code
        assert "64 clients listen to events already" in refused.json()["detail"]
        assert len(thread_names(daemon)) < LISTENERS
        assert "dm" == client.get("dm")["name"]

    eventually(lambda: descriptors(daemon), before)
    with listening(daemon):
        assert descriptors(daemon) > before


@pytest.mark.parametrize("code", [RINGBUF_DIALECT, PERF_LIBBPF], ids=["ringbuf", "perf"])
def test_a_dry_run_shows_the_records(daemon: Daemon, client: DynmonClient, code: str) -> None:
    """And explains what they are."""
    client.create("dm")
    report = client.dry_run("dm", config(code), pcap(FRAME, FRAME, FRAME))

    assert ["seen"] == [each["name"] for each in report["metrics"]]
    assert [1, 2, 3] == [value["number"] for value in report["metrics"][0]["value"]]
    [shown] = [each for each in report["maps"] if each["name"] == "EVENTS"]
    assert report["metrics"][0]["value"] == shown["entries"]
    [explained] = report["explanation"]["ingress-path"]["metrics"]
    assert ["event.number", "event.length", "event.port"] == [leaf["path"] for leaf in explained["value"]]
    assert "events" in explained["left-out"]


def test_a_daemon_that_is_told_to_end_lets_its_listeners_go(tmp_path: Path, veth: Veth) -> None:
    """It does not wait for them to go by themselves."""
    with running_daemon(tmp_path / "state") as daemon, DynmonClient(daemon.url) as client:
        client.create("dm", {"dataplane-config": config(PERF_DIALECT)})
        with listening(daemon) as listener:
            daemon.process.terminate()
            assert [("end", {"reason": "the daemon ends"})] == _ends(listener)
            try:
                assert 0 == daemon.process.wait(3)
            except subprocess.TimeoutExpired:
                pytest.fail(f"it still runs:\n{daemon.log()}")


def _ends(listener: Listener) -> list[tuple[str, dict[str, Any]]]:
    return [(event["event"], event["data"]) for event in listener.events(100)]


def _until_end(connection: socket.socket) -> str:
    """All that is left to read, in UTF-8, until the event that says that it is over."""
    received = b""
    while b"event: end" not in received:
        part = connection.recv(1 << 16)
        assert part, "the connection was closed before its end"
        received += part
    return "".join(_unchunked(received))


def _unchunked(received: bytes) -> Iterator[str]:
    """The body of an answer in chunks; what is cut off at its end is left out."""
    rest = received.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length or len(rest) < length:
            return
        yield rest[:length].decode()
        rest = rest[length + 2 :]


def _data(block: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(block.partition("data: ")[2])
    return found

"""Bodies and heads that are too big or too slow, over real connections."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from dynmon.api import server

Dial = Callable[[], socket.socket]


def everything(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the problem of an answer that ends with the connection."""
    head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


def test_a_body_within_the_limit_arrives_whole(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)

    assert everything(connection).endswith(b"\r\n\r\n" + b"x" * 1000)


def test_a_body_in_chunks_arrives_whole(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3):
        connection.sendall(b"3\r\nabc\r\n")
    connection.sendall(b"0\r\n\r\n")

    assert everything(connection).endswith(b"abcabcabc")


def test_a_large_body_is_refused_after_it_was_sent(dial: Dial) -> None:
    """The client gets its answer although it sends everything before it reads."""
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000)

    status, problem = answer(connection)

    assert 413 == status
    assert "the body is larger than 1000 bytes" == problem["detail"]
    assert 1000 == problem["limit-bytes"]


def test_a_large_body_in_chunks_is_refused(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n0\r\n\r\n")

    assert 413 == answer(connection)[0]


def test_a_body_without_end_is_cut_off(dial: Dial) -> None:
    """What is thrown away has a limit too."""
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n" + b"fa0\r\n" + b"x" * 4000 + b"\r\n")

    assert 413 == answer(connection)[0]


def test_a_slow_body_is_refused(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\nabc")

    status, problem = answer(connection)

    assert 408 == status
    assert "the body did not arrive within 0.4 seconds" == problem["detail"]


def test_a_client_that_asks_first_is_told_to_continue(dial: Dial) -> None:
    connection = dial()
    connection.sendall(
        b"PUT / HTTP/1.1\r\nHost: d\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    )
    interim = connection.recv(65536)
    connection.sendall(b"abc")

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert everything(connection).endswith(b"\r\n\r\nabc")


def test_a_client_that_asks_first_need_not_send_a_large_body(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"PUT / HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n")

    assert 413 == answer(connection)[0]


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\r\n\r\n", b"GET /a b HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_not_http_is_refused_as_a_problem(dial: Dial, garbage: bytes) -> None:
    connection = dial()
    connection.sendall(garbage)

    status, problem = answer(connection)

    assert (400, "the request is not valid HTTP") == (status, problem["detail"])


def test_a_connection_too_many_is_told_so(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were there before are served on."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    request = b"GET / HTTP/1.1\r\nHost: d\r\n\r\n"
    served = [dial(), dial()]
    for connection in served:
        connection.sendall(request)
        assert b"200 OK" in connection.recv(65536)
    refused = dial()
    refused.sendall(request)

    status, problem = answer(refused)

    assert (503, "the daemon has 2 connections already; try again later") == (status, problem["detail"])
    for connection in served:
        connection.sendall(request)
        assert b"200 OK" in connection.recv(65536)


@pytest.mark.parametrize("beginning", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: d\r\nX-Long: "])
def test_a_slow_head_is_refused(dial: Dial, beginning: bytes) -> None:
    connection = dial()
    connection.sendall(beginning)

    status, problem = answer(connection)

    assert 408 == status
    assert "the head of the request did not arrive within 0.4 seconds" == problem["detail"]


def test_bytes_that_trickle_do_not_stop_the_clock(dial: Dial) -> None:
    """A client that sends a byte now and then is cut off as one that sends none."""
    connection = dial()
    started = time.monotonic()
    connection.settimeout(0.1)
    received = b""
    for byte in b"GET / HTTP/1.1\r\n" * 10:
        try:
            connection.sendall(bytes([byte]))
            received += connection.recv(65536)
        except TimeoutError:
            continue
        break

    assert b" 408 " in received
    assert time.monotonic() - started < 5


def test_a_silent_connection_is_closed(dial: Dial) -> None:
    assert b"" == everything(dial())


def test_the_clock_starts_again_with_the_next_request(dial: Dial) -> None:
    connection = dial()
    connection.sendall(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    assert b"200 OK" in connection.recv(65536)
    connection.sendall(b"GET / HT")

    assert 408 == answer(connection)[0]


def test_an_idle_connection_outlives_the_clock(dial: Dial) -> None:
    """Between two requests only the keep-alive time counts, which is longer."""
    connection = dial()
    connection.sendall(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    assert b"200 OK" in connection.recv(65536)
    connection.settimeout(0.8)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(10)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")

    assert b"200 OK" in everything(connection)

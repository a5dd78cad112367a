"""What a service refuses because it is too much or too slow, and that it goes on afterwards."""

import dataclasses
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnncli.serve import server
from tests.serve.conftest import LIMITS, Gate, Running, Serve, form, png

QUICK = dataclasses.replace(LIMITS, seconds=0.5)


def send(running: Running, content: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    connection.sendall(content)
    return connection


def read_all(connection: socket.socket) -> bytes:
    with connection:
        content = b""
        try:
            while chunk := connection.recv(65536):
                content += chunk
        except ConnectionResetError:
            pass
        return content


def test_a_body_that_is_too_large(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    answer = running.predict(bytes(LIMITS.body + 1))
    assert (answer.status, answer.json()["error"]) == (
        413,
        "the request is larger than 1,000,000 bytes (--max-body)",
    )
    assert running.predict(bytes(LIMITS.body)).status == 200


def test_a_body_without_a_length_that_is_too_large(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % 100_000 + bytes(100_000) + b"\r\n"
    connection = send(running, head)
    for _ in range(11):
        connection.sendall(chunk)
    assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    connection.close()


def test_many_bodies_at_the_same_time_are_limited_in_all(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\n"
    connections = [send(running, head + bytes(999_999)) for _ in range(8)]
    time.sleep(0.5)  # until they have been read
    answer = running.predict(bytes(10))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    for connection in connections:
        connection.close()
    while running.predict(png()).status == 503:
        time.sleep(0.05)
    assert running.predict(png()).status == 200


def test_a_full_queue(serve: Serve, colours: Path) -> None:
    gate = Gate()
    running = serve(colours, gate=gate)
    body, kind = form(*[("a.png", png())] * 60)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(running.predict, body, kind)
        assert gate.has_begun.wait(10)
        refused = running.predict(*form(*[("a.png", png())] * 5))
        second = pool.submit(running.predict, *form(*[("a.png", png())] * 4))
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        gate.open.set()
        assert len(first.result().json()) == 60
        assert len(second.result().json()) == 4
    assert running.predict(png()).status == 200


def test_an_answer_that_takes_too_long(serve: Serve, colours: Path) -> None:
    gate = Gate()
    running = serve(colours, limits=QUICK, gate=gate)
    answer = running.predict(png())
    assert (answer.status, answer.json()["error"]) == (503, "not answered within 0.5 s (--timeout)")
    late = running.predict(png())
    assert late.status == 503
    gate.open.set()
    while running.predict(png()).status != 200:
        pass
    assert sum(gate.sizes) <= 3, "images whose request was given up are not computed"


def test_a_client_that_does_not_wait_for_its_answer(serve: Serve, colours: Path) -> None:
    gate = Gate()
    running = serve(colours, gate=gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(running.predict, png())
        assert gate.has_begun.wait(10)
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
        send(running, head % len(png()) + png()).close()
        while b'status="499"' not in running.ask("GET", "/metrics").body:
            time.sleep(0.02)
        gate.open.set()
        assert first.result().status == 200
    assert running.predict(png()).status == 200
    assert gate.sizes == [1, 1]


def test_a_body_that_takes_too_long(serve: Serve, colours: Path) -> None:
    running = serve(colours, limits=QUICK)
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\n"
    )
    start = time.monotonic()
    content = read_all(send(running, head + b"slow"))
    assert content.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: local"])
def test_headers_that_take_too_long(serve: Serve, colours: Path, head: bytes) -> None:
    running = serve(colours, limits=QUICK)
    start = time.monotonic()
    assert read_all(send(running, head)) == b""
    assert time.monotonic() - start < 5


def test_headers_that_trickle_in_after_an_answer_take_too_long(serve: Serve, colours: Path) -> None:
    running = serve(colours, limits=QUICK)
    connection = send(running, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal")
    start = time.monotonic()
    assert read_all(connection).count(b"HTTP/1.1 200") == 1
    assert time.monotonic() - start < 5


def test_headers_that_are_too_long(serve: Serve, colours: Path) -> None:
    running = serve(colours)
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000
    assert read_all(send(running, head)).startswith(b"HTTP/1.1 400 ")


def test_an_answer_that_nobody_reads_does_not_keep_its_connection(serve: Serve, colours: Path) -> None:
    running = serve(colours, limits=QUICK)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", running.port))
    requests = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    connection.setblocking(False)
    connection.send(requests)
    time.sleep(3)
    connection.setblocking(True)
    connection.settimeout(10)
    assert read_all(connection).count(b"HTTP/1.1 200") < 1000
    assert running.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9\r\n\r\n",
        b"\r\n" * 1000 + b"x",
        b"GET /healthz HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http(serve: Serve, colours: Path, content: bytes) -> None:
    running = serve(colours, limits=QUICK)
    answer = read_all(send(running, content))
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert running.ask("GET", "/healthz").status == 200


def test_too_many_connections(serve: Serve, colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_CONNECTIONS", 3)
    running = serve(colours)
    connections = [send(running, b"") for _ in range(3)]
    assert running.ask("GET", "/healthz").status == 503
    for connection in connections:
        connection.close()
    while running.ask("GET", "/healthz").status == 503:
        time.sleep(0.02)

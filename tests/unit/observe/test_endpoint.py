"""The endpoint: three paths, and no client that is slow, many or talkative takes it away from the others."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from enforcer.observe import catalogue, http
from enforcer.observe.http import CLIENTS, HEAD_BYTES, Endpoint
from enforcer.observe.metrics import GatewayCollector


class World:
    """An endpoint on a port of its own, and what its probes find."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.trouble: str | None = None
        self.entered = threading.Event()
        self.leave = threading.Event()
        self.leave.set()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(GatewayCollector({"test": self.collect}))
        self.endpoint = Endpoint(host, 0, registry, lambda: None, lambda: self.trouble)
        self.address = self.endpoint.server_address[:2]

    def collect(self) -> Iterator[Metric]:
        self.entered.set()
        self.leave.wait(10)
        yield catalogue.READY.value(1)

    def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(str(self.address[0]), int(self.address[1]), timeout=5)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response, response.read()

    def connect(self) -> socket.socket:
        return socket.create_connection((str(self.address[0]), int(self.address[1])), timeout=5)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.leave.set()
    made.endpoint.stop()


def test_the_three_paths_and_no_other(world: World) -> None:
    response, body = world.get("/metrics")
    assert response.status == 200
    assert b"enforcer_ready 1.0" in body
    assert world.get("/healthz")[1] == b"ok\n"
    assert world.get("/readyz?verbose")[1] == b"ok\n"
    for path in ("/", "/metrics/", "/favicon.ico"):
        response, body = world.get(path)
        assert response.status == 404
        assert all(each in body.decode() for each in ("/metrics", "/healthz", "/readyz"))
    assert world.get("/metrics", method="POST")[0].status == 501


def test_what_is_not_ready_says_why(world: World) -> None:
    world.trouble = "queue 4700 is not bound"
    response, body = world.get("/readyz")
    assert (response.status, body) == (503, b"queue 4700 is not bound\n")
    assert world.get("/healthz")[0].status == 200


def test_the_client_chooses_format_and_compression(world: World) -> None:
    response, body = world.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    assert "openmetrics" in str(response.getheader("Content-Type"))
    assert body.endswith(b"# EOF\n")
    response, body = world.get("/metrics", {"Accept-Encoding": "gzip"})
    assert response.getheader("Content-Encoding") == "gzip"
    assert b"enforcer_ready" in gzip.decompress(body)


def test_it_serves_ipv6() -> None:
    world = World("::1")
    try:
        assert world.get("/healthz")[0].status == 200
    finally:
        world.endpoint.stop()


def test_slow_clients_have_an_end_and_more_of_them_no_thread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READING", 1.0)
    slow = [world.connect() for _ in range(CLIENTS)]
    for each in slow:
        each.send(b"GET /metrics HTTP/1.1\r\n")
    deadline = time.monotonic() + 0.8
    while serving() < CLIENTS and time.monotonic() < deadline:
        time.sleep(0.01)
    assert serving() == CLIENTS
    refused = [world.connect() for _ in range(12)]
    assert all(each.recv(4096).startswith(b"HTTP/1.0 503 ") for each in refused)
    assert serving() == CLIENTS
    # One byte now and then does not buy more time.
    for _ in range(5):
        time.sleep(0.2)
        for each in slow:
            with suppress(OSError):
                each.send(b"X")
    assert all(_ended(each) for each in slow)
    assert world.get("/healthz")[0].status == 200
    for each in (*slow, *refused):
        each.close()


def test_a_request_has_a_length(world: World) -> None:
    with world.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES)
        assert _ended(client)


def test_a_scrape_that_hangs_is_alone_and_hides_no_other_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWERING", 0.3)
    world.leave.clear()
    hanging = world.connect()
    hanging.send(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert world.entered.wait(5)
    response, body = world.get("/metrics")
    assert (response.status, body) == (503, b"another scrape takes long; try again\n")
    assert world.get("/healthz")[0].status == 200
    world.leave.set()
    assert b"enforcer_ready 1.0" in hanging.makefile("rb").read()
    hanging.close()
    assert world.get("/metrics")[0].status == 200


def test_a_machine_without_threads_to_spare_loses_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as poor:
        poor.setattr(threading.Thread, "start", none_left)
        for _ in range(CLIENTS + 1):
            with world.connect() as client:
                assert _ended(client)
    assert world.get("/healthz")[0].status == 200


def serving() -> int:
    return sum(thread.name == http.SERVING for thread in threading.enumerate())


def test_clients_that_ask_without_end_get_ten_answers_a_second(world: World) -> None:
    began = time.monotonic()
    for _ in range(5):
        assert world.get("/metrics")[0].status == 200
    assert time.monotonic() - began >= 4 * http.PAUSE


def _ended(connection: socket.socket) -> bool:
    """Whether the other side ended it without an answer."""
    try:
        return connection.recv(4096) == b""
    except ConnectionResetError:
        return True

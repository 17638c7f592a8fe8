"""The endpoint: /metrics, /healthz and /readyz over plain HTTP, bounded in threads, bytes and seconds.

TLS and passwords are a reverse proxy's part: config/nginx/enforcer-metrics.conf.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from socketserver import TCPServer
from typing import cast

from prometheus_client import CollectorRegistry, MetricsHandler

CLIENTS = 8
"""Clients served at a time; one more is told 503."""

READING = 5.0
"""Seconds a client has to send its request."""

ANSWERING = 5.0
"""Seconds a client has to take each part of its answer, and a scrape waits for the one before it."""

PAUSE = 0.1
"""Seconds between two scrapes: clients that ask without end must not take from the verdicts what one does not."""

HEAD_BYTES = 8192
"""The longest request. Prometheus sends some 300 bytes."""

SERVING = "metrics client"
"""The name of the threads that serve one client each."""

Probe = Callable[[], str | None]
"""What is wrong, None when all is well."""

_PATHS = "/metrics (for Prometheus), /healthz (alive?) and /readyz (deciding?)"
_BUSY = (
    b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\ntoo many clients at a time; try again\n"
)


class Endpoint(TCPServer):
    """Serves in daemon threads of its own from the moment it is made, until ``stop``."""

    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, host: str, port: int, registry: CollectorRegistry, healthy: Probe, ready: Probe) -> None:
        """Raises OSError when the address cannot be had."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.registry = registry
        self.probes = {"/healthz": healthy, "/readyz": ready}
        self.scraping = threading.Lock()
        self.scraped = float("-inf")
        self._free = threading.BoundedSemaphore(CLIENTS)
        super().__init__((host, port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.1,), name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Serve nobody any more."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: object, client_address: object) -> None:
        """Serve a client in a thread, unless there are too many."""
        connection = cast(socket.socket, request)
        if self._free.acquire(blocking=False):
            work = threading.Thread(
                target=self._serve, args=(connection, client_address), name=SERVING, daemon=True
            )
            try:
                work.start()
            except RuntimeError:
                # No thread to be had at the moment (TasksMax=): this client is lost, its place is not.
                self._free.release()
                raise
            return
        connection.setblocking(False)
        with suppress(OSError):
            connection.send(_BUSY)
        self.shutdown_request(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away or was too slow is nothing to tell anybody."""

    def _serve(self, connection: socket.socket, client_address: object) -> None:
        try:
            self.finish_request(connection, client_address)
        except Exception:
            self.handle_error(connection, client_address)
        finally:
            self.shutdown_request(connection)
            self._free.release()


class _Handler(MetricsHandler):
    server: Endpoint
    server_version = "enforcer"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.registry = self.server.registry
        head = _read_head(self.connection)
        self.rfile = io.BytesIO(head)
        self.connection.settimeout(ANSWERING)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._scrape()
        elif path in self.server.probes:
            trouble = self.server.probes[path]()
            status = HTTPStatus.OK if trouble is None else HTTPStatus.SERVICE_UNAVAILABLE
            self._say(status, trouble or "ok")
        else:
            self._say(HTTPStatus.NOT_FOUND, f"nothing here; there is {_PATHS}")

    def _scrape(self) -> None:
        if not self.server.scraping.acquire(timeout=ANSWERING):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "another scrape takes long; try again")
            return
        client, self.wfile = self.wfile, io.BytesIO()
        try:
            time.sleep(max(0.0, self.server.scraped + PAUSE - time.monotonic()))
            super().do_GET()
        finally:
            self.server.scraped = time.monotonic()
            self.server.scraping.release()
            answer, self.wfile = self.wfile.getvalue(), client
        self.wfile.write(answer)

    def _say(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _read_head(connection: socket.socket) -> bytes:
    """A request up to its empty line; nothing when it is too long or does not come in time."""
    deadline = time.monotonic() + READING
    head = b""
    while len(head) <= HEAD_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            return b""
        connection.settimeout(left)
        some = connection.recv(2048)
        head += some
        if b"\r\n\r\n" in head or b"\n\n" in head:
            return head
        if not some:
            return b""
    return b""

"""HTTP and HTTPS with the standard library's server and client."""

from __future__ import annotations

import http.client
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.innocent.setting import Setting
from tests.lab.traffic import Exchange

_SMALL, _LARGE = b"x" * 200, b"y" * 5_000_000
_REQUESTS = 30


def http_plain(setting: Setting) -> Exchange:
    """Small requests and one of 5 MB, a connection each."""
    return _requests("HTTP", setting, 80, None, None)


def https(setting: Setting) -> Exchange:
    """The same over TLS, on port 443."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(setting.pki.path("server.pem"), setting.pki.path("server.key"))
    client = ssl.create_default_context(cafile=str(setting.pki.path("ca.pem")))
    return _requests("HTTPS", setting, 443, server, client)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _LARGE if self.path == "/large" else _SMALL
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


def _requests(
    name: str, setting: Setting, port: int, server: ssl.SSLContext | None, client: ssl.SSLContext | None
) -> Exchange:
    paths = ["/small"] * (_REQUESTS - 1) + ["/large"]
    round_trips: list[float] = []
    with _serving(setting, port, server):
        for path in paths:
            began = time.perf_counter()
            if _fetch(setting, port, path, client):
                round_trips.append((time.perf_counter() - began) * 1000)
    # The large one takes longer by its size: it counts as answered, not as a round trip.
    lost = len(paths) - len(round_trips)
    return Exchange(name, len(paths), lost, tuple(round_trips[: _REQUESTS - 1]), "requests, one of 5 MB")


def _fetch(setting: Setting, port: int, path: str, context: ssl.SSLContext | None) -> bool:
    family = socket.AF_INET6 if setting.version == 6 else socket.AF_INET
    plain = setting.client.socket(family, socket.SOCK_STREAM)
    plain.settimeout(5.0)
    connection = http.client.HTTPConnection(setting.address, port)
    try:
        plain.connect((setting.address, port))
        connection.sock = context.wrap_socket(plain, server_hostname="server.lab") if context else plain
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
        plain.close()
    return response.status == 200 and body in (_SMALL, _LARGE)


@contextmanager
def _serving(setting: Setting, port: int, context: ssl.SSLContext | None) -> Iterator[None]:
    family = socket.AF_INET6 if setting.version == 6 else socket.AF_INET
    listening = setting.server.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((setting.address, port))
    listening.listen(64)
    server = http.server.ThreadingHTTPServer((setting.address, port), _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = context.wrap_socket(listening, server_side=True) if context else listening
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

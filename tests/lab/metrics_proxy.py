"""nginx in front of the metrics, by config/nginx/enforcer-metrics.conf with the lab's files in it."""

from __future__ import annotations

import socket
import ssl
import subprocess
from base64 import b64encode
from http.client import HTTPConnection
from pathlib import Path

from tests.lab.network import Node
from tests.lab.pki import Pki
from tests.lab.processes import LabError, Process, wait_until
from tests.lab.prometheus import CONFIG

PASSWORD = "a password of the lab's own"
PORT = 9470


class MetricsProxy:
    """nginx at ``node``; ``credentials`` are what Prometheus needs: a password file, an authority's file."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._folder = node.lab.new_folder("nginx")
        self._process: Process | None = None
        pki = Pki(node.lab.new_folder("nginx-pki"), ("127.0.0.1",))
        password = self._folder / "password"
        password.write_text(PASSWORD)
        self.credentials: tuple[Path, Path] = (password, pki.path("ca.pem"))
        hashed = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True
        ).stdout.strip()
        (self._folder / "htpasswd").write_text(f"prometheus:{hashed}\n")
        fragment = (CONFIG / "nginx" / "enforcer-metrics.conf").read_text()
        for suffix, path in (
            ("pem", pki.path("server.pem")),
            ("key", pki.path("server.key")),
            ("htpasswd", self._folder / "htpasswd"),
        ):
            setting = f" /etc/nginx/enforcer-metrics.{suffix};"
            if fragment.count(setting) != 1:
                raise LabError(f"enforcer-metrics.conf: {setting} is not there once")
            fragment = fragment.replace(setting, f" {path};")
        (self._folder / "nginx.conf").write_text(
            f"user root;\ndaemon off;\npid {self._folder}/pid;\nerror_log stderr warn;\nevents {{}}\n"
            f"http {{\n{fragment}\n}}\n"
        )

    def start(self) -> None:
        """Start it. Raises LabError when it does not take the configuration."""
        self._process = self._node.popen(
            ["nginx", "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")], "nginx"
        )
        if not wait_until(lambda: self.get("/healthz") != "", 5, 0.1):
            raise LabError(f"nginx does not answer:\n{self._process.log()[-2000:]}")

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()

    def get(self, path: str, password: str | None = None, method: str = "GET") -> str:
        """The status code and the body's first line; empty when nothing answers over TLS."""
        authority = ssl.create_default_context(cafile=str(self.credentials[1]))
        headers = {}
        if password is not None:
            headers["Authorization"] = "Basic " + b64encode(f"prometheus:{password}".encode()).decode()
        connection = HTTPConnection("127.0.0.1", PORT)
        plain = self._node.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            plain.settimeout(5)
            plain.connect(("127.0.0.1", PORT))
            connection.sock = authority.wrap_socket(plain, server_hostname="127.0.0.1")
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            lines = response.read().decode().splitlines()
        except OSError:
            return ""
        finally:
            plain.close()
            connection.close()
        return f"{response.status} {lines[0] if lines else ''}".strip()

"""A real Prometheus in a node of the lab, set up by the example configuration, and its answers."""

from __future__ import annotations

import json
import socket
import urllib.parse
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.lab.network import Node
from tests.lab.processes import LabError, Process, wait_until

CONFIG = Path(__file__).resolve().parents[2] / "config"
_PORT = 9090


class Series(NamedTuple):
    """One series of an answer: labels, and (Unix time, value) points; an instant's has one."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """Scrapes ``target`` (host:port) as prometheus.example.yaml says, every ``interval`` seconds.

    Without ``credentials`` (password file, authority's file) it scrapes plain HTTP. The alerts are those of
    enforcer.rules.yaml; ``at_once`` they do not wait for what their ``for`` says.
    """

    def __init__(
        self,
        node: Node,
        target: str,
        interval: int = 1,
        credentials: tuple[Path, Path] | None = None,
        at_once: bool = False,
    ) -> None:
        self._node = node
        self._folder = node.lab.new_folder("prometheus")
        self._process: Process | None = None
        rules = yaml.safe_load((CONFIG / "prometheus" / "enforcer.rules.yaml").read_text())
        for rule in (rule for group in rules["groups"] for rule in group["rules"] if at_once):
            rule["for"] = "0s"
        (self._folder / "enforcer.rules.yaml").write_text(yaml.safe_dump(rules))
        config = yaml.safe_load((CONFIG / "prometheus" / "prometheus.example.yaml").read_text())
        config["global"] = {"scrape_interval": f"{interval}s", "evaluation_interval": f"{interval}s"}
        (job,) = config["scrape_configs"]
        job["static_configs"] = [{"targets": [target]}]
        if credentials is None:
            for key in ("scheme", "basic_auth", "tls_config"):
                del job[key]
        else:
            job["basic_auth"]["password_file"], job["tls_config"]["ca_file"] = map(str, credentials)
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._node.popen(
            [
                *("prometheus", f"--config.file={self._folder / 'prometheus.yml'}"),
                *(f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address=127.0.0.1:{_PORT}"),
            ],
            "prometheus",
        )
        self._process.require("Server is ready to receive web requests", 20)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()

    def scraped(self, timeout: float = 20.0) -> None:
        """Wait for a scrape that worked. Raises LabError with Prometheus' reason."""
        if not wait_until(lambda: any(each["health"] == "up" for each in self._targets()), timeout, 0.2):
            raise LabError(f"not scraped within {timeout} s: {[each['lastError'] for each in self._targets()]}")

    def query(self, expression: str) -> list[Series]:
        """The answer at this moment. Raises LabError when Prometheus refuses the expression."""
        result = self.get("query", query=expression)["result"]
        return [Series(each["metric"], [_point(each["value"])]) for each in result]

    def query_range(self, expression: str, begin: float, end: float, step: float) -> list[Series]:
        """The answer between two Unix times. Raises LabError when Prometheus refuses the expression."""
        result = self.get("query_range", query=expression, start=begin, end=end, step=step)["result"]
        return [Series(each["metric"], [_point(point) for point in each["values"]]) for each in result]

    def rules(self) -> list[dict[str, Any]]:
        """The alerts as Prometheus evaluates them, with health, lastError and state."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {rule["name"] for rule in self.rules() if rule["state"] == "firing"}

    def get(self, path: str, **parameters: object) -> Any:
        """The data of an answer of the HTTP API. Raises LabError for an error."""
        connection = HTTPConnection("127.0.0.1", _PORT, timeout=10)
        connection.sock = self._node.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.sock.settimeout(10)
        connection.sock.connect(("127.0.0.1", _PORT))
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise LabError(f"{path} {parameters}: {answer['error']}")
        return answer["data"]

    def _targets(self) -> list[dict[str, Any]]:
        return list(self.get("targets")["activeTargets"])


def _point(pair: tuple[float, str]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])

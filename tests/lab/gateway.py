"""The real daemon, run in the lab's gateway on a configuration made for the lab."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.network import COMPANY, MOBILE, STRANGER, Lab
from tests.lab.processes import LabError, Process, wait_until

METRICS_PORT = 9469
EPDG = "203.0.113.77"
"""Where the lab's mobile network says its ePDG is."""
NETWORK = "410-01"
MOBILE_NUMBER = "+923001234567"
FAMILIES = ("wireguard", "openvpn", "ipsec")

Labels = tuple[tuple[str, str], ...]


class Gateway:
    """`enforcer run` in the gateway's namespace, from entry to exit.

    The company's address and the mobile line's number are on the list unless ``registered`` is false. Wi-Fi
    calling is configured, with a resolver that knows its names, unless ``wifi_calling`` is false. ``settings``
    are put over the configuration, section by section.
    """

    def __init__(
        self,
        lab: Lab,
        mode: str = "enforce",
        enforce: Sequence[str] = FAMILIES,
        registered: bool = True,
        wifi_calling: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.lab = lab
        self.folder = lab.new_folder("enforcer")
        self.registry = self.folder / "registry.csv"
        self.sessions = self.folder / "sessions.csv"
        self.config_path = self.folder / "enforcer.yaml"
        self._key = self.folder / "number.key"
        self._wifi_calling = wifi_calling
        self._resolver: Process | None = None
        self._daemon: Process | None = None
        self._write_key()
        self.write_registry([_COMPANY_ROW, _MOBILE_ROW] if registered else [_ELSEWHERE_ROW])
        self.write_sessions()
        self.config = self._config(mode, enforce, settings or {})
        self.write_config()

    @property
    def daemon(self) -> Process:
        """The daemon's process. Raises LabError before it was started."""
        if self._daemon is None:
            raise LabError("the daemon was not started")
        return self._daemon

    def log(self) -> str:
        """What the daemon has printed."""
        return self.daemon.log()

    def write_config(self) -> None:
        """Write ``config`` to its file."""
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False))

    def write_registry(self, rows: Sequence[str]) -> None:
        """Replace the list."""
        header = "id,holder,address,number,valid_from,valid_to,protocols,peers"
        self.registry.write_text("\n".join([header, *rows]) + "\n")

    def write_sessions(self) -> None:
        """Replace the sessions: the mobile line's address is held by its number, heard of now."""
        heard = datetime.now(UTC).isoformat(timespec="seconds")
        line = MOBILE
        self.sessions.write_text(f"address,number,heard_at\n{line.ip4.ip} {line.ip6.ip},{MOBILE_NUMBER},{heard}\n")

    def start(self) -> None:
        """Start the daemon and wait until it is ready. Raises LabError with its log when it is not."""
        if self._wifi_calling and self._resolver is None:
            self._start_resolver()
        executable = Path(sys.executable).with_name("enforcer")
        self._daemon = self.lab.gateway.popen(
            [str(executable), "run", "--config", str(self.config_path)], "enforcer"
        )
        if not wait_until(lambda: " ready: " in self.log() or not self.daemon.running, 20):
            raise LabError(f"enforcer is not ready after 20 s:\n{self.log()}")
        if not self.daemon.running:
            raise LabError(f"enforcer ended:\n{self.log()}")
        if "ipsec" in self.config["enforce"] and self.config["mode"] == "enforce" and self._wifi_calling:
            self.require_log("enforcing ipsec", 10)

    def stop(self) -> None:
        """Stop the daemon as systemd does. Raises LabError when it does not end well."""
        self.signal(signal.SIGTERM)
        if not wait_until(lambda: not self.daemon.running, 10):
            raise LabError(f"enforcer does not stop:\n{self.log()}")
        if self.daemon.exit_code != 0:
            raise LabError(f"enforcer ended with {self.daemon.exit_code}:\n{self.log()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon itself."""
        os.kill(self.daemon.pid, number)

    def reload(self) -> None:
        """Have configuration and lists read again, and wait for the word that it is done."""
        count = self.log().count("reloaded:") + self.log().count("reload refused")
        self.signal(signal.SIGHUP)
        done = wait_until(lambda: self.log().count("reloaded:") + self.log().count("reload refused") > count, 10)
        if not done:
            raise LabError(f"no reload within 10 s:\n{self.log()}")

    def require_log(self, text: str, timeout: float) -> None:
        """Wait for a text in the log. Raises LabError when it does not come."""
        if not wait_until(lambda: text in self.log(), timeout):
            raise LabError(f"enforcer did not say {text!r} within {timeout} s:\n{self.log()}")

    def metrics(self) -> dict[str, dict[Labels, float]]:
        """What /metrics answers: sample name to labels to value."""
        connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=10)
        connection.sock = self.lab.gateway.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.sock.connect(("127.0.0.1", METRICS_PORT))
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def decisions(self) -> dict[tuple[str, str, str], int]:
        """Decisions so far by protocol, action and reason."""
        samples = self.metrics().get("enforcer_decisions_total", {})
        counts: dict[tuple[str, str, str], int] = {}
        for labels, value in samples.items():
            named = dict(labels)
            counts[named["protocol"], named["action"], named["reason"]] = int(value)
        return counts

    def kernel(self, protocol: str, outcome: str) -> int:
        """A kernel counter of handshakes."""
        samples = self.metrics()["enforcer_kernel_handshake_packets_total"]
        return int(samples[("outcome", outcome), ("protocol", protocol)])

    def ruleset(self) -> str:
        """What nft lists in the gateway now, without counters and handles."""
        return self.lab.gateway.run(["nft", "--stateless", "list", "ruleset"]).stdout

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.daemon.running:
                self.stop()
        finally:
            if self._resolver is not None:
                self._resolver.stop()
                self._resolver = None

    def _config(self, mode: str, enforce: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
        config: dict[str, Any] = {
            "mode": mode,
            "enforce": list(enforce),
            "subscribers": {"interfaces": ["sub-*"]},
            "lines": [
                {
                    "name": "leased",
                    "class": "static",
                    "prefixes": [
                        str(net) for line in (COMPANY, STRANGER) for net in (line.ip4.network, line.ip6.network)
                    ],
                },
                {
                    "name": "lte",
                    "class": "mobile",
                    "prefixes": [str(MOBILE.ip4.network), str(MOBILE.ip6.network)],
                },
            ],
            "registry": {"files": [str(self.registry)], "timezone": "Asia/Karachi"},
            "numbers": {"region": "PK", "key_file": str(self._key)},
            "sessions": {"file": str(self.sessions)},
            "metrics": {"listen": f"127.0.0.1:{METRICS_PORT}"},
        }
        if self._wifi_calling:
            config["exempt"] = {"wifi_calling": {"networks": [NETWORK]}, "resolvers": ["127.0.0.1"]}
        for section, values in settings.items():
            known = config.get(section)
            if isinstance(known, dict) and isinstance(values, dict):
                config[section] = {**known, **values}
            else:
                config[section] = values
        return config

    def _write_key(self) -> None:
        self._key.touch(mode=0o600)
        self._key.write_bytes(os.urandom(32))

    def _start_resolver(self) -> None:
        mnc, mcc = "mnc001.mcc410", "pub.3gppnetwork.org"
        names = [f"{kind}.{mnc}.{mcc}" for kind in ("epdg.epc", "sos.epdg.epc")]
        self._resolver = self.lab.gateway.popen(
            [
                "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces",
                "--listen-address=127.0.0.1", "--conf-file=/dev/null", "--pid-file=", "--user=root",
                "--log-facility=-", "--local=/pub.3gppnetwork.org/",
                *(f"--host-record={name},{EPDG}" for name in names),
            ],
            "resolver",
        )  # fmt: skip
        self._resolver.require("started", 5)


_COMPANY_ROW = (
    f"C-1,company,{COMPANY.ip4.ip},,2020-01-01,2099-12-31,,\nC-2,company,{COMPANY.ip6.ip},,2020-01-01,2099-12-31,,"
)
_MOBILE_ROW = f"F-1,freelancer,,{MOBILE_NUMBER},2020-01-01,2099-12-31,,"
_ELSEWHERE_ROW = "C-9,company,192.0.2.9,,2020-01-01,2099-12-31,,"

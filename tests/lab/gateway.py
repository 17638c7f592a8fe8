"""The daemon under test, in the lab's gateway: its configuration and lists, its start, its metrics, its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from prometheus_client.parser import text_string_to_metric_families

from enforcer.exemptions import Known
from enforcer.gateway.exempt_memory import save
from enforcer.mobile_networks import wifi_calling_names, worlds_names
from tests.lab.network import COMPANY, EPDG, MOBILE, RESOLVER, Lab, Line
from tests.lab.processes import LabError, Process, wait_until

ENFORCER = Path(sys.executable).with_name("enforcer")
FAMILIES = ("wireguard", "openvpn", "ipsec")
NUMBER = "+923001234567"
"""The mobile subscriber's number; Pakistan's numbering plan, made up."""
_METRICS_PORT = 9469
_HEADER = (
    "id,holder,address,number,valid_from,valid_to,protocols,peers,note,revokes,reason,notice_date,effective_date"
)


def registrations() -> tuple[str, ...]:
    """Rows of the list that the lab usually loads: the company's addresses and the freelancer's number."""
    return (
        f"C-1,company,{COMPANY.ip4.ip},,2026-01-01,,,,,,,,",
        f"C-2,company,{COMPANY.ip6.network},,2026-01-01,,,,,,,,",
        f"F-1,freelancer,,{NUMBER},2026-01-01,,,,,,,,",
    )


@dataclass
class Setup:
    """What the daemon is told. ``rows`` are of the registrations' CSV file; ``extra`` is merged into the
    configuration, section by section."""

    mode: str = "enforce"
    enforce: tuple[str, ...] = FAMILIES
    rows: tuple[str, ...] = field(default_factory=registrations)
    sessions: Mapping[str, str] = field(default_factory=lambda: {f"{MOBILE.ip4.ip} {MOBILE.ip6.network}": NUMBER})
    wifi_calling: bool = True
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Gateway:
    """``enforcer run`` in the gateway's namespace, from start to a clean stop."""

    def __init__(self, lab: Lab, setup: Setup | None = None) -> None:
        self.lab = lab
        self.setup = setup or Setup()
        self.folder = lab.new_folder("enforcer")
        self.config = self.folder / "enforcer.yaml"
        self._process: Process | None = None
        self._resolver: Process | None = None
        self._ruleset_before = ""
        self.exempt_memory = self.folder / "exempt.json"
        # As if the world's other networks had been asked for once: that takes minutes, and IPsec waits for it.
        own = wifi_calling_names("410-01")
        save(self.exempt_memory, {name: Known(time.time()) for name in worlds_names() if name not in own})
        key = self.folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(32))
        self.write()

    @property
    def process(self) -> Process:
        """The daemon. Raises LabError before ``start``."""
        if self._process is None:
            raise LabError("the gateway's daemon is not started")
        return self._process

    def write(self) -> None:
        """Write the configuration and the lists as ``setup`` says now."""
        (self.folder / "registry.csv").write_text("\n".join([_HEADER, *self.setup.rows]) + "\n")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        sessions = [f"{address},{number},{now}" for address, number in self.setup.sessions.items()]
        (self.folder / "sessions.csv").write_text("\n".join(["address,number,heard_at", *sessions]) + "\n")
        self.config.write_text(yaml.safe_dump(self._configuration(), sort_keys=False))

    def start(self, timeout: float = 20.0) -> None:
        """Start the daemon and wait until it is ready, and, where it enforces IPsec, knows the exemptions."""
        self._ruleset_before = self.ruleset()
        if self.setup.wifi_calling:
            self._resolver = resolver(self.lab)
        self._process = self.lab.gateway.popen(
            [str(ENFORCER), "run", "--config", str(self.config)], "enforcer", environment={"PYTHONUNBUFFERED": "1"}
        )
        self._process.require(r"ready: mode", timeout)
        if self.setup.mode == "enforce" and "ipsec" in self.setup.enforce and self.setup.wifi_calling:
            self._process.require("enforcing ipsec", timeout)

    def reload(self) -> None:
        """Write configuration and lists anew and have the daemon read them (SIGHUP).

        It reads them again by itself, for their files have changed: only its word on the signal is this reload's.
        """
        before = self._signalled_reloads()
        self.write()
        self.process.signal(signal.SIGHUP)
        if not wait_until(lambda: self._signalled_reloads() > before, 10):
            raise LabError(f"no reload within 10 s; log ends:\n{self.process.log()[-2000:]}")

    def _signalled_reloads(self) -> int:
        return len(re.findall(r"reloaded \([^)]*SIGHUP", self.process.log()))

    def stop(self) -> None:
        """Stop with SIGTERM. Raises LabError when the exit code is not 0 or anything is left in the kernel."""
        if self._process is None:
            return
        process, self._process = self._process, None
        running = process.running
        process.signal(signal.SIGTERM)
        code = process.wait(15) if running else process.exit_code
        if self._resolver is not None:
            self._resolver.stop()
        if code != 0:
            raise LabError(f"enforcer ended with exit code {code}; log ends:\n{process.log()[-2000:]}")
        after = self.ruleset()
        if after != self._ruleset_before:
            raise LabError(f"the ruleset is not as it was:\n{self._ruleset_before}\nnow:\n{after}")

    def kill(self) -> None:
        """SIGKILL: the daemon is gone, its rules stay."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(5)

    def ruleset(self) -> str:
        """All of the namespace's nft ruleset, without counters."""
        return self.lab.gateway.run(["nft", "--stateless", "list", "ruleset"]).stdout

    def log(self) -> str:
        """What the daemon printed."""
        return self.process.log()

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """All samples: (name, sorted labels) to value."""
        text = self._get("/metrics")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        }

    def decisions(self) -> dict[tuple[str, str, str], float]:
        """Decisions by user space so far, by protocol, action and reason."""
        return {
            (labels["protocol"], labels["action"], labels["reason"]): value
            for (name, pairs), value in self.metrics().items()
            if name == "enforcer_decisions_total"
            for labels in (dict(pairs),)
        }

    def handshakes(self) -> dict[tuple[str, str], float]:
        """Handshake packets by the kernel's own counters, by protocol and outcome."""
        return {
            (labels["protocol"], labels["outcome"]): value
            for (name, pairs), value in self.metrics().items()
            if name == "enforcer_kernel_handshake_packets_total"
            for labels in (dict(pairs),)
        }

    def command(self, *arguments: str) -> str:
        """What an enforcer command with this configuration prints, run in the gateway."""
        done = self.lab.gateway.run([str(ENFORCER), *arguments, "--config", str(self.config)], check=False)
        return done.stdout

    def _get(self, path: str) -> str:
        connection = HTTPConnection("127.0.0.1", _METRICS_PORT, timeout=5)
        connection.sock = self.lab.gateway.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.sock.settimeout(5)
        connection.sock.connect(("127.0.0.1", _METRICS_PORT))
        try:
            connection.request("GET", urllib.parse.quote(path))
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _configuration(self) -> dict[str, Any]:
        lab, setup = self.lab, self.setup
        lines = [node.line for node in lab.subscribers.values()]
        static = [line for line in lines if line.name in ("company", "stranger")]
        mobile = [line for line in lines if line.name == "mobile"]
        configuration: dict[str, Any] = {
            "mode": setup.mode,
            "enforce": list(setup.enforce),
            "subscribers": {"interfaces": [line.gateway_interface for line in lines]},
            "lines": [
                {"name": kind, "class": kind, "prefixes": [prefix for line in these for prefix in _networks(line)]}
                for kind, these in (("static", static), ("mobile", mobile))
                if these
            ],
            "registry": {"files": ["registry.csv"], "memory": "memory.json"},
            "numbers": {"key_file": "key"},
            "sessions": {"file": "sessions.csv"},
            "metrics": {"listen": f"127.0.0.1:{_METRICS_PORT}"},
            "shadow": {"period": "0s"},
        }
        if setup.wifi_calling:
            configuration["exempt"] = {
                "wifi_calling": {"networks": ["410-01"]},
                "resolvers": [str(RESOLVER.ip)],
                "memory": "exempt.json",
            }
        for section, values in setup.extra.items():
            configuration[section] = {**configuration.get(section, {}), **values}
        return configuration

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _networks(line: Line) -> tuple[str, str]:
    return str(line.ip4.network), str(line.ip6.network)


def resolver(lab: Lab) -> Process:
    """A DNS server at the internet's node that knows the home network's ePDG and N3IWF, and no other name."""
    process = lab.internet.popen(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
            *("--pid-file=", "--user=root", "--bind-interfaces", f"--listen-address={RESOLVER.ip}"),
            *(f"--address=/pub.3gppnetwork.org/{EPDG.ip}", "--local=/pub.3gppnetwork.org/"),
            "--log-facility=-",
        ],
        "resolver",
    )
    process.require("started, version", 5)
    return process

"""The demonstration: real VPN clients and innocent traffic meet the gateway, in monitor mode, then in enforce.

Run as root from the repository's root: ``make demo``. Ends with exit code 0 only if everything was as promised.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from tests.lab.gateway import Gateway, Setup
from tests.lab.innocent import GENERATORS, Exchange, Setting
from tests.lab.network import Lab, Node
from tests.lab.pki import Pki
from tests.lab.processes import LabError
from tests.lab.tunnels import Kind, Outcome, attempt_all, kinds

_REFUSED = "stranger"
_WHO = {
    "company": "a company, its static address registered",
    "mobile": "a freelancer, the mobile number registered",
    "stranger": "a static line, not registered",
    "home": "a line without a way to register",
}
_MEDIAN_MS, _P99_MS = 1.0, 50.0
"""How far answers may move before they count as delayed: beyond what a busy machine of two cores does by itself.

A detour through the daemon shows in the median; a stall or a retransmission in the slowest answers.
"""

_SLOWER = 0.5
"""The share of its speed without the daemon below which a registered tunnel counts as slowed down: noise on two
cores shared by both ends is that large."""


class Demo:
    """Runs the parts and keeps what was not as promised."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self.failures: list[str] = []
        self._lab = lab
        self._console = console
        self._pki = Pki(lab.new_folder("pki"), (lab.internet.ip4, lab.internet.ip6))
        self._subscribers = [lab.subscriber(name) for name in _WHO]
        self._speeds: dict[str, dict[str, float]] = {}

    def run(self) -> None:
        """All of it."""
        self._say("starting WireGuard, OpenVPN and strongSwan servers")
        rows = kinds(self._lab, self._pki)
        self._say("without the daemon: innocent traffic and speeds, to compare with")
        innocent = {"no daemon": self._innocent()}
        self._measure("no daemon", rows)
        for mode in ("monitor", "enforce"):
            with Gateway(self._lab, Setup(mode=mode)) as gateway:
                self._say(f"mode {mode}: {len(rows)} kinds of tunnel from {len(self._subscribers)} subscribers")
                outcomes = attempt_all(rows, self._subscribers)
                self._judge(mode, outcomes)
                self._print_tunnels(mode, rows, outcomes, gateway)
                self._measure(mode, rows)
                if mode == "enforce":
                    self._say("mode enforce: innocent traffic of the unregistered line")
                    innocent[mode] = self._unhurried(innocent["no daemon"], self._innocent())
                self._print_decisions(mode, gateway)
        self._print_innocent(innocent["no daemon"], innocent["enforce"])
        self._print_speeds()

    def _say(self, text: str) -> None:
        self._console.print(f"[bold]»[/bold] {text} ...")

    def _innocent(self) -> list[Exchange]:
        setting = Setting(self._lab.subscriber(_REFUSED), self._lab.internet, self._pki)
        return [generate(setting) for generate in GENERATORS.values()]

    def _unhurried(self, before: Sequence[Exchange], after: Sequence[Exchange]) -> list[Exchange]:
        """Measure again, at most twice, what came late: what else the machine does passes, a detour stays.

        What was lost stays lost.
        """
        setting = Setting(self._lab.subscriber(_REFUSED), self._lab.internet, self._pki)
        measured = list(after)
        for position, (plain, generate) in enumerate(zip(before, GENERATORS.values(), strict=True)):
            for _ in range(2):
                if not _late(plain, measured[position]):
                    break
                again = generate(setting)
                lost = max(again.lost, measured[position].lost)
                measured[position] = replace(again, lost=lost)
        return measured

    def _measure(self, mode: str, rows: Sequence[Kind]) -> None:
        company = self._lab.subscriber("company")
        for kind in (row for row in rows if row.name in ("WireGuard", "OpenVPN tls-crypt, UDP", "IPsec ikev2")):
            with kind.client(company) as client:
                if not client.is_up(10):
                    raise LabError(f"{kind.name}: the registered client did not come up in {mode}")
                speeds = self._speeds.setdefault(kind.name, {})
                speeds[mode] = client.throughput(2)
                for _ in range(2):
                    # What else the machine does passes; what the daemon costs stays.
                    if speeds[mode] < _SLOWER * speeds["no daemon"]:
                        speeds[mode] = max(speeds[mode], client.throughput(2))

    def _judge(self, mode: str, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            who = f"{mode}: {outcome.kind.name} of {outcome.subscriber}"
            if mode == "enforce" and outcome.subscriber == _REFUSED:
                if outcome.up:
                    self.failures.append(f"{who} came up")
                elif not outcome.politely_refused:
                    self.failures.append(f"{who} was not told")
            elif not outcome.up:
                self.failures.append(f"{who} did not come up ({outcome.told})")
            elif outcome.lost:
                self.failures.append(f"{who} lost {outcome.lost} pings")

    def _print_tunnels(
        self, mode: str, rows: Sequence[Kind], outcomes: Sequence[Outcome], gateway: Gateway
    ) -> None:
        table = Table(title=f"mode {mode}: who came up")
        table.add_column("")
        for subscriber in self._subscribers:
            table.add_column(f"{subscriber.name}\n[dim]{_WHO[subscriber.name]}[/dim]", max_width=28)
        by_kind = {(outcome.kind.name, outcome.subscriber): outcome for outcome in outcomes}
        for kind in rows:
            cells = [by_kind[kind.name, subscriber.name] for subscriber in self._subscribers]
            table.add_row(kind.name, *(_cell(outcome) for outcome in cells))
        table.add_section()
        table.add_row("reason", *(_reason(gateway, subscriber) for subscriber in self._subscribers))
        self._console.print(table)

    def _print_decisions(self, mode: str, gateway: Gateway) -> None:
        table = Table(title=f"mode {mode}: what the daemon counted", show_lines=False)
        for column in ("family", "decided by", "action", "reason", "packets"):
            table.add_column(column, justify="right" if column == "packets" else "left")
        for (family, action, reason), count in sorted(gateway.decisions().items()):
            table.add_row(family, "daemon", action, reason, f"{count:.0f}")
        for (family, outcome), count in sorted(gateway.handshakes().items()):
            if count:
                table.add_row(family, "kernel", outcome, "", f"{count:.0f}")
        self._console.print(table)
        refused = {family for (family, action, _), n in gateway.decisions().items() if action == "reject" and n}
        reported = {family for (family, action, _), n in gateway.decisions().items() if action == "would_reject"}
        for family in ("wireguard", "openvpn", "ipsec"):
            if mode == "monitor" and (family in refused or family not in reported):
                self.failures.append(f"monitor: {family} was refused, or not reported")
            if mode == "enforce" and family not in refused:
                self.failures.append(f"enforce: no refusal of {family} was counted")

    def _print_innocent(self, before: Sequence[Exchange], after: Sequence[Exchange]) -> None:
        table = Table(title="innocent traffic of the unregistered line: without the daemon, and in mode enforce")
        for column in ("", "sent", "lost", "median ms", "p99 ms", ""):
            table.add_column(column, justify="left" if not column else "right")
        for plain, enforced in zip(before, after, strict=True):
            table.add_row(
                plain.name,
                f"{plain.sent} → {enforced.sent}",
                f"{plain.lost} → {enforced.lost}",
                _both(plain.median, enforced.median),
                _both(plain.p99, enforced.p99),
                enforced.note,
            )
            if enforced.lost:
                self.failures.append(f"innocent {enforced.name}: {enforced.lost} of {enforced.sent} lost")
            if _late(plain, enforced):
                self.failures.append(f"innocent {enforced.name}: answers came later than without the daemon")
        self._console.print(table)

    def _print_speeds(self) -> None:
        table = Table(title="registered company: Mbit/s through the tunnel")
        for column in ("", "no daemon", "monitor", "enforce"):
            table.add_column(column, justify="left" if not column else "right")
        for name, speeds in self._speeds.items():
            table.add_row(name, *(f"{speed:.0f}" for speed in speeds.values()))
            if min(speeds.values()) < _SLOWER * speeds["no daemon"]:
                self.failures.append(f"registered {name}: slower with the daemon")
        self._console.print(table)


def _cell(outcome: Outcome) -> str:
    if outcome.up:
        return "[green]up[/green]"
    return f"[red]refused[/red] {outcome.told or 'in silence'}"


def _reason(gateway: Gateway, subscriber: Node) -> str:
    answers = json.loads(gateway.command("explain", subscriber.ip4, "--json"))
    return ", ".join(sorted({answer["reason"] for answer in answers["answers"]}))


def _both(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else f"{before:.2f} → {after:.2f}"


def _late(before: Exchange, after: Exchange) -> bool:
    return _later(before.median, after.median, _MEDIAN_MS) or _later(before.p99, after.p99, _P99_MS)


def _later(before: float | None, after: float | None, allowed: float) -> bool:
    return before is not None and after is not None and after > before + allowed


def main() -> int:
    """Run the demonstration and say how it went; the process's exit code."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    # As Ctrl-C does, so that the lab is taken down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        with Lab() as lab:
            demo = Demo(lab, console)
            demo.run()
    except LabError as error:
        console.print(f"[red]the demonstration could not go on:[/red] {error}", markup=True, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the lab is taken down")
        return 130
    console.print(f"took {time.monotonic() - began:.0f} s")
    for failure in demo.failures:
        console.print(f"[red]not as promised:[/red] {failure}", highlight=False)
    if not demo.failures:
        console.print("[green]Everything was as promised.[/green]")
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(main())

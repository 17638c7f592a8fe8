"""What really happened at the access servers, what was reported of it, and what the table may answer then.

A history is made of steps: sessions begin, move between addresses, report, end; servers restart. Each report may
be lost, repeated, delayed and so reordered. Whatever arrives, the answer is checked against what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from random import Random

from hypothesis import strategies as st

from enforcer.registry.model import Network
from enforcer.subscribers.claims import CLOCK_SKEW
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.model import HoldingState
from enforcer.subscribers.table import SessionTable

BEGIN = 1_790_000_000.0
TTL = 3600.0
ADDRESSES: tuple[Network, ...] = (
    ip_network("100.64.0.7"), ip_network("100.64.0.8"), ip_network("2001:db8:a:7::/64"),
)  # fmt: skip
TAGS = tuple(bytes([number]) * 16 for number in range(4))
REGISTERED = frozenset(TAGS[:2])

_PAUSES = (0.0, 1.0, 1.0, 20.0, 20.0, 90.0, 90.0, 300.0, 600.0, TTL / 2, TTL + 1)
_DELAYS = (1.0, 2.0, 45.0, 300.0, TTL - 100, 2 * TTL)


@dataclass(eq=False)
class Line:
    """A session as it really is."""

    nas: int
    session: str
    tag: bytes
    since: dict[Network, float] = field(default_factory=dict)


@dataclass(eq=False)
class Tenure:
    """An address in a session's hands from ``begin`` to ``end``."""

    line: Line
    begin: float
    end: float = float("inf")


@dataclass(eq=False)
class Report:
    """A report as sent: by a session, or by a server of itself (``line`` None). ``sent`` is the true time."""

    sent: float
    event: AccountingEvent
    line: Line | None
    arrivals: tuple[float, ...] = ()


@dataclass
class History:
    """What happened at each address, and every report sent."""

    tenures: dict[Network, list[Tenure]] = field(default_factory=lambda: {address: [] for address in ADDRESSES})
    reports: list[Report] = field(default_factory=list)
    end: float = BEGIN

    def holder(self, address: Network, now: float) -> bytes | None:
        """The tag of whoever really holds the address."""
        for tenure in self.tenures[address]:
            if tenure.begin <= now < tenure.end:
                return tenure.line.tag
        return None

    def told_of(self, address: Network, now: float) -> bool:
        """Whether any report in which its holder names the address has arrived."""
        return any(
            tenure.begin <= now < tenure.end
            and any(
                report.line is tenure.line and address in report.event.addresses and report.sent >= tenure.begin
                for report in self._arrived(now)
            )
            for tenure in self.tenures[address]
        )

    def _arrived(self, now: float) -> list[Report]:
        return [report for report in self.reports if any(at <= now for at in report.arrivals)]

    def may_answer(self, address: Network, tag: bytes, now: float) -> bool:
        """Whether naming ``tag`` is right, or wrong only for want of reports, and not for longer than stated."""
        arrived = self._arrived(now)
        for tenure in self.tenures[address]:
            if tenure.line.tag != tag or tenure.begin > now:
                continue
            if tenure.end > now:
                return True
            heard = [report.sent for report in arrived if _same_id(report, tenure.line)]
            if not heard or now - max(heard) > TTL + CLOCK_SKEW:
                continue
            since = [report for report in arrived if report.sent >= tenure.end]
            if not any(_tells_of_the_end(report, tenure, address) for report in since):
                return True
        return False


def _same_id(report: Report, line: Line) -> bool:
    return report.line is not None and (report.line.nas, report.line.session) == (line.nas, line.session)


def _tells_of_the_end(report: Report, tenure: Tenure, address: Network) -> bool:
    event = report.event
    if report.line is tenure.line:
        moved = any(other.version == address.version and other != address for other in event.addresses)
        return event.kind is EventKind.STOP or (moved and address not in event.addresses)
    if report.line is None:
        return int(event.nas[-1]) == tenure.line.nas
    return address in event.addresses and event.kind is not EventKind.STOP


class _Teller:
    """Makes a history of choices; what a choice cannot mean at that point is left out."""

    def __init__(self, offsets: tuple[float, float], stepping: bool) -> None:
        self.history = History()
        self.now = BEGIN
        self._offsets = list(offsets)
        self._stepping = stepping
        self._lines: list[Line] = []
        self._sessions = 0

    def step(self, random: Random) -> Report:
        """One more thing happens, perhaps at an address somebody has, perhaps at one that is free."""
        self.now += random.choice(_PAUSES)
        self.history.end = self.now
        network = random.choice(ADDRESSES[:1] * 3 + ADDRESSES[1:])
        silent = random.random() < 0.3
        if self._stepping and random.random() < 0.2:
            self._offsets[random.randrange(2)] = random.choice((-2 * TTL, -90.0, -30.0, 0.0, 30.0, 90.0, 2 * TTL))
        if random.random() < 0.08:
            return self._restart(random.randrange(2))
        line = next((line for line in self._lines if network in line.since), None)
        if line is None:
            if self._lines and random.random() < 0.25:
                return self._move(random.choice(self._lines), network)
            return self._begin(random.randrange(2), network, random.choice(TAGS), silent)
        named = () if silent else tuple(line.since)
        if random.random() < 0.5:
            # Sessions whose ids are used again name their addresses: see docs/accounting-mishaps.md.
            return self._report(EventKind.INTERIM, line.nas, line, named if line.nas else tuple(line.since))
        self._end(line)
        return self._report(EventKind.STOP, line.nas, line, named)

    def _restart(self, nas: int) -> Report:
        for line in [line for line in self._lines if line.nas == nas]:
            self._end(line)
        return self._report(EventKind.ON, nas, None, ())

    def _move(self, line: Line, network: Network) -> Report:
        for old in [old for old in line.since if old.version == network.version]:
            self._release(line, old)
        self._take(line, network)
        return self._report(EventKind.INTERIM, line.nas, line, tuple(line.since))

    def _begin(self, nas: int, network: Network, tag: bytes, silent: bool) -> Report:
        # The first server counts its sessions from one again and again: the ids of its sessions are used twice.
        used = {line.session for line in self._lines if line.nas == nas}
        self._sessions += 1
        ids = [f"{number}" for number in range(4) if f"{number}" not in used] if nas == 0 else []
        line = Line(nas, ids[0] if ids else f"s{self._sessions}", tag)
        self._lines.append(line)
        self._take(line, network)
        return self._report(EventKind.START, nas, line, () if silent else (network,))

    def _take(self, line: Line, network: Network) -> None:
        line.since[network] = self.now
        self.history.tenures[network].append(Tenure(line, self.now))

    def _release(self, line: Line, network: Network) -> None:
        del line.since[network]
        self.history.tenures[network][-1].end = self.now

    def _end(self, line: Line) -> None:
        for network in tuple(line.since):
            self._release(line, network)
        self._lines.remove(line)

    def _report(self, kind: EventKind, nas: int, line: Line | None, addresses: tuple[Network, ...]) -> Report:
        at = self.now + self._offsets[nas]
        session, tag = (line.session, line.tag) if line else ("", None)
        report = Report(self.now, AccountingEvent(kind, f"nas{nas}", session, at, addresses, tag), line)
        self.history.reports.append(report)
        return report


def histories(delays: tuple[float, ...] = _DELAYS, stepping: bool = False) -> st.SearchStrategy[History]:
    """Any history of two servers and three addresses. ``stepping`` clocks jump; others are wrong by a constant.

    Drawn evenly from a seed, since what matters are long coincidences, and shrunk by cutting off its end.
    """
    return st.builds(
        lambda seed, length: history_of(seed, length, delays, stepping),
        st.integers(0, 2**64 - 1),
        st.integers(3, 40),
    )


def history_of(
    seed: int, length: int = 40, delays: tuple[float, ...] = _DELAYS, stepping: bool = False
) -> History:
    """The history of a seed."""
    random = Random(seed)
    offsets = (-55.0, -3.0, 0.0, 0.0, 3.0, 55.0)
    teller = _Teller((random.choice(offsets), random.choice(offsets)), stepping)
    for _ in range(length):
        report = teller.step(random)
        fate = random.choice(((delays[0],), (delays[0],), (), random.choices(delays, k=2)))
        report.arrivals = tuple(report.sent + delay for delay in fate)
    return teller.history


def probe(history: History, table: SessionTable, check: Callable[[Network, float], None] | None = None) -> None:
    """Let the reports arrive, and check every answer after each, and as time passes."""
    deliveries = [(at, report) for report in history.reports for at in report.arrivals]
    times = sorted({at for at, _ in deliveries} | {history.end + pause for pause in _PAUSES})
    for now in times:
        for at, report in deliveries:
            if at == now:
                table.apply(report.event, now)
        table.expire(now, 100)
        for address in ADDRESSES:
            holding = table.holder(address.network_address.packed, now)
            if holding.state is HoldingState.FRESH:
                assert holding.tag is not None
                assert history.may_answer(address, holding.tag, now), (address, now - BEGIN, holding)
            if check is not None:
                check(address, now)

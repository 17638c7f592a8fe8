"""What really happened at the access servers, what was reported of it, and what the table may answer then.

A history is made of steps: sessions begin, move between addresses, report, end; servers restart. Each report may
be lost, repeated, delayed and so reordered. Whatever arrives, the answer is checked against what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

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

_PAUSES = (0.0, 1.0, 1.0, 20.0, 20.0, 90.0, 90.0, 600.0, TTL / 2, TTL + 1, 3 * TTL)
_DELAYS = (0.1, 0.1, 2.0, 45.0, 300.0, TTL - 100, 2 * TTL)


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
            heard = [report for report in arrived if report.line is tenure.line]
            if not heard or now - max(report.sent for report in heard) > TTL + CLOCK_SKEW:
                continue
            since = [report for report in arrived if report.sent >= tenure.end]
            if not any(_tells_of_the_end(report, tenure, address) for report in since):
                return True
        return False


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

    def step(self, kind: str, nas: int, address: int, tag: int, silent: bool, pause: float) -> Report | None:
        self.now += pause
        self.history.end = self.now
        network = ADDRESSES[address]
        on_nas = [line for line in self._lines if line.nas == nas]
        line = on_nas[tag % len(on_nas)] if on_nas else None
        if kind == "begin":
            return self._begin(nas, network, TAGS[tag], silent)
        if kind == "restart":
            for other in on_nas:
                self._end(other)
            return self._report(EventKind.ON, nas, None, ())
        if kind == "clock":
            if self._stepping:
                self._offsets[nas] = (-2 * TTL, -90.0, -30.0, 0.0, 30.0, 90.0, 2 * TTL)[(address + tag) % 7]
            return None
        if line is None:
            return None
        if kind == "end":
            held = tuple(line.since)
            self._end(line)
            return self._report(EventKind.STOP, nas, line, () if silent else held)
        if kind == "move" and self.history.holder(network, self.now) is None:
            for old in [old for old in line.since if old.version == network.version]:
                self._release(line, old)
            self._take(line, network)
            return self._report(EventKind.INTERIM, nas, line, tuple(line.since))
        return self._report(EventKind.INTERIM, nas, line, () if silent else tuple(line.since))

    def _begin(self, nas: int, network: Network, tag: bytes, silent: bool) -> Report | None:
        if self.history.holder(network, self.now) is not None:
            return None
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


@st.composite
def histories(draw: st.DrawFn, delays: tuple[float, ...] = _DELAYS, stepping: bool = False) -> History:
    """Any history of two servers and three addresses. ``stepping`` clocks jump; others are wrong by a constant."""
    offset = st.sampled_from((-55.0, -3.0, 0.0, 0.0, 3.0, 55.0))
    teller = _Teller((draw(offset), draw(offset)), stepping)
    kinds = st.sampled_from(("begin", "begin", "interim", "interim", "move", "end", "restart", "clock"))
    fates = st.lists(st.sampled_from(delays), max_size=2)
    for kind, nas, address, tag, silent, pause, fate in draw(
        st.lists(
            st.tuples(
                kinds, st.integers(0, 1), st.sampled_from((0, 0, 0, 1, 2)), st.integers(0, 3), st.booleans(),
                st.sampled_from(_PAUSES), fates,
            ),
            min_size=2, max_size=24,
        )
    ):  # fmt: skip
        report = teller.step(kind, nas, address, tag, silent, pause)
        if report is not None:
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

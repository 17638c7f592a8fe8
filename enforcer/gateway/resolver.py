"""Resolves exempt names and keeps them fresh, in threads of its own: a slow resolver delays no verdict."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import dns.exception
import dns.rdatatype
import dns.resolver

from enforcer.exempt_schedule import Schedule
from enforcer.log_events import named
from enforcer.mobile_networks import is_country

log = logging.getLogger(__name__)

QUESTIONS_PER_SECOND = 50.0
"""What a busy household asks, nothing to an operator's resolver, and a fortieth of a core here. The 14,500 names
of the world, most of which do not exist and cost one question, are through in about five minutes."""

WORKERS = 8
"""Questions under way at once: a name whose servers are dead keeps one of them busy for TIMEOUT seconds."""

TIMEOUT = 3.0
"""Seconds one question may take."""

MAX_REPLACEMENTS = 32
"""Networks a visited country's name may lead to; no country has more that offer Wi-Fi calling."""

_NO_TTL = 3600.0


class Unanswered(Exception):
    """The name got no definite answer: a timeout, a server failure, no server."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: packed addresses, and for how many seconds they hold.

    ``failure`` says what went wrong when something did; then the addresses are not all.
    """

    addresses: tuple[bytes, ...] = ()
    ttl: float = _NO_TTL
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    texts: tuple[str, ...]
    ttl: float
    exists: bool = True


class Lookup:
    """Asks for names' addresses. Usable from several threads."""

    def __init__(self, resolvers: Sequence[str], per_second: float = QUESTIONS_PER_SECOND) -> None:
        try:
            self._resolver = dns.resolver.Resolver(configure=not resolvers)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.resolver.Resolver(configure=False)
        if resolvers:
            self._resolver.nameservers = list(resolvers)
        self._resolver.lifetime = TIMEOUT
        # A longer answer than 512 octets without TCP (RFC 6891), and yet without fragments: IPv6's smallest MTU is
        # 1280 octets, of which headers take 48.
        self._resolver.use_edns(0, 0, 1232)
        self._interval = 1 / per_second
        self._turn = time.monotonic()
        self._lock = threading.Lock()
        self.questions = 0

    def find(self, name: str) -> Found:
        """A name's addresses; none, without a failure, when it does not exist.

        A visited country's name has NAPTR records whose replacements are the names of the networks a phone may
        use there (3GPP TS 23.003 §19.4.2.9.5, §19.4.2.9A.5, §28.3.2.2.5): those are followed. A name that does
        not exist has no records of any type (RFC 8020 §2), so one question is enough for it.
        """
        names = [name]
        ttl = float("inf")
        try:
            if is_country(name):
                replacements = self._ask(name, dns.rdatatype.NAPTR)
                if not replacements.exists:
                    return Found(ttl=replacements.ttl)
                names.extend(replacements.texts[:MAX_REPLACEMENTS])
                ttl = replacements.ttl
        except Unanswered as error:
            return Found(failure=str(error))
        found: list[bytes] = []
        failures: list[str] = []
        for each in names:
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
                try:
                    answer = self._ask(each, kind)
                except Unanswered as error:
                    failures.append(str(error))
                    continue
                found.extend(ip_address(text).packed for text in answer.texts)
                ttl = min(ttl, answer.ttl)
                if not answer.exists:
                    break
        return Found(tuple(dict.fromkeys(found)), min(ttl, _NO_TTL), "; ".join(failures) or None)

    def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> _Answer:
        self._wait()
        try:
            answer = self._resolver.resolve(name + ".", kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as absent:
            return _Answer((), _negative_ttl(absent), exists=False)
        except (dns.exception.DNSException, OSError) as error:
            raise Unanswered(f"{name} {dns.rdatatype.to_text(kind)}: {type(error).__name__}") from None
        records = answer.rrset or ()
        if kind == dns.rdatatype.NAPTR:
            texts = [str(record.replacement).rstrip(".") for record in records if len(record.replacement) > 1]
        else:
            texts = [record.address for record in records]
        return _Answer(tuple(dict.fromkeys(texts)), float(answer.chaining_result.minimum_ttl))

    def _wait(self) -> None:
        with self._lock:
            self.questions += 1
            now = time.monotonic()
            self._turn = max(self._turn + self._interval, now)
            pause = self._turn - now
        if pause > 0:
            time.sleep(pause)


def _negative_ttl(absent: dns.resolver.NXDOMAIN) -> float:
    # RFC 2308 §5: the smaller of the SOA's TTL and its MINIMUM field.
    responses = absent.responses()  # type: ignore[no-untyped-call]
    ttls = [response.resolve_chaining().minimum_ttl for response in responses.values()]
    return min([float(ttl) for ttl in ttls] + [_NO_TTL])


class Refresher:
    """Keeps names resolved: ``deliver(name, found)`` is called with what every lookup brought, failures too.

    It runs in the refresher's threads. ``failures`` counts lookups that failed.
    """

    def __init__(
        self, own: Sequence[str], others: Sequence[str], lookup: Lookup, deliver: Callable[[str, Found], None]
    ) -> None:
        self._schedule = Schedule(own, others, time.monotonic())
        self._names = len(own) + len(others)
        self._lookup = lookup
        self._deliver = deliver
        self._changed = threading.Condition()
        self._stopped = False
        self._outage = False
        self.failures = 0

    @property
    def questions(self) -> int:
        """Questions asked so far."""
        return self._lookup.questions

    @property
    def outage(self) -> bool:
        """Whether the resolver is out of reach."""
        return self._outage

    def start(self) -> None:
        """Start resolving in the background."""
        for number in range(min(WORKERS, self._names)):
            threading.Thread(target=self._run, name=f"resolver-{number}", daemon=True).start()

    def stop(self) -> None:
        """Stop; questions under way are abandoned, not waited for, and nothing is delivered any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (name := self._next()) is not None:
            try:
                found = self._lookup.find(name)
            except Exception as error:
                # An answer that no code foresaw must not end the thread, and with it all refreshing.
                log.exception("exempt name %s: lookup failed", name, extra=named("fault"))
                found = Found(failure=type(error).__name__)
            self._report(name, found)

    def _next(self) -> str | None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                name = self._schedule.take(now)
                if name is not None:
                    return name
                due = self._schedule.next_due()
                self._changed.wait(None if due is None else max(0.001, due - now))
        return None

    def _report(self, name: str, found: Found) -> None:
        with self._changed:
            if self._stopped:
                return
            now = time.monotonic()
            if found.failure is None:
                self._schedule.answered(name, found.ttl, bool(found.addresses), now)
            else:
                self.failures += 1
                self._schedule.failed(name, now)
            if self._schedule.outage != self._outage:
                self._outage = self._schedule.outage
                if self._outage:
                    log.warning(
                        "no DNS server answers (%s): exempt names keep their last addresses",
                        found.failure,
                        extra=named("dns_silent"),
                    )
                else:
                    log.warning("DNS answers again: exempt names are refreshed", extra=named("dns_answers"))
            self._changed.notify()
            self._deliver(name, found)

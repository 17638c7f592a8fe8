"""Resolves exempt names and keeps them fresh, in a thread of its own: a slow resolver delays no verdict."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address

import dns.exception
import dns.rdatatype
import dns.resolver

log = logging.getLogger(__name__)

SOONEST, LATEST = 60.0, 3600.0
"""Bounds in seconds of how long an answer is used before it is asked for again."""

RETRY = 30.0
"""Seconds until a name without a definite answer is asked for again."""

PAUSE = 0.02
"""Seconds between questions, so that hundreds of names are no burst on the operator's resolver."""

TIMEOUT = 3.0
"""Seconds one question may take."""


class Unanswered(Exception):
    """The name got no definite answer: a timeout, a server failure, no server."""


class Lookup:
    """Asks for a name's addresses."""

    def __init__(self, resolvers: Sequence[str]) -> None:
        try:
            self._resolver = dns.resolver.Resolver(configure=not resolvers)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.resolver.Resolver(configure=False)
        if resolvers:
            self._resolver.nameservers = list(resolvers)
        self._resolver.lifetime = TIMEOUT

    def addresses(self, name: str) -> tuple[list[bytes], float]:
        """The addresses of a name (packed; none when it does not exist) and how many seconds they hold.

        A visited country's name has NAPTR records whose replacements are the networks' own names
        (3GPP TS 24.302 §7.2.1.4, TS 23.003 §19.4.2.9.3): those are followed. Raises Unanswered.
        """
        found: list[bytes] = []
        holds = LATEST
        names = [name]
        if ".visited-country." in name:
            replacements, holds = self._ask(name, dns.rdatatype.NAPTR)
            names.extend(replacements)
        for each in names:
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
                texts, ttl = self._ask(each, kind)
                found.extend(ip_address(text).packed for text in texts)
                holds = min(holds, ttl)
        return found, holds

    def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> tuple[list[str], float]:
        try:
            answer = self._resolver.resolve(name + ".", kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return [], LATEST
        except (dns.exception.DNSException, OSError) as error:
            raise Unanswered(f"{name}: {type(error).__name__}") from None
        if kind == dns.rdatatype.NAPTR:
            texts = [str(record.replacement).rstrip(".") for record in answer if len(record.replacement) > 1]
        else:
            texts = [record.address for record in answer]
        return texts, float(answer.rrset.ttl if answer.rrset is not None else LATEST)


class Refresher:
    """Keeps names resolved: ``deliver(name, addresses)`` is called with every definite answer.

    It runs in the refresher's thread. ``failures`` counts questions without a definite answer.
    """

    def __init__(self, names: Sequence[str], lookup: Lookup, deliver: Callable[[str, list[bytes]], None]) -> None:
        self._due = [(0.0, position, name) for position, name in enumerate(names)]
        self._lookup = lookup
        self._deliver = deliver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)
        self.failures = 0

    def start(self) -> None:
        """Start resolving in the background."""
        if self._due:
            self._thread.start()

    def stop(self) -> None:
        """Stop; a question under way is abandoned, not waited for."""
        self._stop.set()

    def _run(self) -> None:
        for name in self._when_due():
            try:
                addresses, holds = self._lookup.addresses(name)
            except Unanswered as error:
                self.failures += 1
                log.warning("exempt name without an answer, last addresses kept: %s", error)
                self._again(name, RETRY)
            else:
                self._deliver(name, addresses)
                self._again(name, min(max(holds, SOONEST), LATEST))

    def _when_due(self) -> Iterator[str]:
        while True:
            due, _, name = self._due[0]
            if self._stop.wait(max(PAUSE, due - time.monotonic())):
                return
            heapq.heappop(self._due)
            yield name

    def _again(self, name: str, after: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + after, 0, name))

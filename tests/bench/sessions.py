"""What a million sessions cost: ``python -m tests.bench.sessions [COUNT]``, on one core.

Without the cyclic garbage collector, whose cost is measured by itself: the table makes no cyclic garbage.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from enforcer.gateway import forgetting
from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.snapshot import restore, save
from enforcer.subscribers.table import SessionTable
from tests.bench.results import Results

NOW = 1_790_000_000.0
TTL = 7200.0
SAMPLE = 100_000


def _event(kind: EventKind, number: int, at: float, session: str | None = None) -> AccountingEvent:
    """A report of dual-stack session ``number``: one IPv4 address, one /64; a number for everybody."""
    addresses = (IPv4Network((0x64400000 + number, 32)), IPv6Network(((0x20010DB8 << 96) + (number << 64), 64)))
    tag = number.to_bytes(16, "big")
    return AccountingEvent(kind, f"bng-{number % 8}", session or f"{number:016x}", at, addresses, tag)


def _seconds(work: Callable[[], object]) -> float:
    """The processor's, so that others at work on the machine do not count."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def measure(count: int, results: Results) -> None:
    """Measure everything."""
    before = _resident()
    row = results.add

    def rate(what: str, table: SessionTable, events: list[AccountingEvent], now: float) -> None:
        taken = _seconds(lambda: [table.apply(event, now) for event in events])
        row(what, taken / len(events) * 1e6, "µs")

    numbers = random.Random(1).sample(range(count), min(SAMPLE, count))
    table = SessionTable(TTL)
    filling = 0.0
    for begin in range(0, count, SAMPLE):
        some = [
            _event(EventKind.START, number, NOW + number / count)
            for number in range(begin, min(begin + SAMPLE, count))
        ]
        filling += _seconds(lambda some=some: [table.apply(event, NOW + 2) for event in some])  # type: ignore[misc]
    del some
    gc.collect()
    row("Start", filling / count * 1e6, "µs")
    row("memory of a session of two addresses", (_resident() - before) / count, "bytes")
    row("a whole garbage collection", _seconds(gc.collect) * 1e3, "ms")
    rate("Interim-Update", table, [_event(EventKind.INTERIM, n, NOW + 900) for n in numbers], NOW + 900)
    again = [_event(EventKind.START, n, NOW + 950, f"again{n}") for n in numbers[: SAMPLE // 2]]
    rate("Start for an address in use", table, again, NOW + 950)
    rate("Stop", table, [_event(EventKind.STOP, n, NOW + 960) for n in numbers[SAMPLE // 2 :]], NOW + 960)
    packed = [(0x64400000 + number).to_bytes(4, "big") for number in numbers]
    taken = _seconds(lambda: [table.holder(address, NOW + 970) for address in packed])
    row("lookup", taken / len(packed) * 1e6, "µs", 2.0)
    registered = {number.to_bytes(16, "big") for number in numbers}
    kept = list(table.live(NOW + 970, registered))
    taken = _seconds(lambda: list(table.live(NOW + 970, registered)))
    row(f"sessions of {len(registered):,} numbers", taken, "s")
    row("census", _seconds(table.census) * 1e6, "µs")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.db"
        row(f"snapshot of {len(kept):,} sessions", _seconds(lambda: save(path, kept)), "s")
        row("its size", path.stat().st_size / 2**20, "MiB")
        row("reading it", _seconds(lambda: restore(path, NOW)), "s")
        sessions = restore(path, NOW).sessions
        empty = SessionTable(TTL)
        row("putting it back", _seconds(lambda: [empty.restore(session) for session in sessions]), "s")
    event = AccountingEvent(EventKind.ON, "bng-1", "", NOW + 980)
    row(f"Accounting-On of {count // 8:,} sessions", _seconds(lambda: table.apply(event, NOW + 980)) * 1e3, "ms")
    row("looking at 10,000 that ended with it", _seconds(lambda: table.expire(NOW + 981, 10_000)) * 1e3, "ms")
    table.expire(NOW + 981, count)
    row("nothing to expire", _seconds(lambda: table.expire(NOW + 982, 10_000)) * 1e6, "µs")
    row("10,000 going stale", _seconds(lambda: table.expire(NOW + TTL + 5, 10_000)) * 1e3, "ms")
    table.expire(NOW + TTL + 5, 2 * count)
    row("10,000 forgotten", _seconds(lambda: table.expire(NOW + 4 * TTL, 10_000)) * 1e3, "ms")


def main() -> None:
    """Print what was measured, and keep it."""
    forgetting.ensure()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    gc.disable()
    results = Results("sessions")
    measure(count, results)
    results.show(f"{count:,} sessions, an IPv4 address and an IPv6 prefix each")


if __name__ == "__main__":
    main()

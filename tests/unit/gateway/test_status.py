"""What the metrics tell of a gateway: packets that passed unjudged, what ends soon, and whether it decides."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from enforcer.config import Config
from enforcer.gateway import nfqueue, readiness
from enforcer.gateway.daemon import Daemon
from enforcer.gateway.kernel_status import Unjudged
from enforcer.gateway.list_status import DAY, RECOUNT, ListStatus
from enforcer.gateway.nfqueue import QueueStatistics
from enforcer.gateway.nft import CommandError
from enforcer.gateway.readiness import STUCK, Readiness
from enforcer.gateway.session_status import sessions
from enforcer.registry.lookup import Registry
from enforcer.registry.model import HolderKind, Registration, Revocation
from enforcer.registry.standing import Listed
from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.settings import Settings

NOW = 1_790_000_000.0
GRACE = 30 * DAY


class TestUnjudged:
    def test_what_waits_or_was_judged_is_not_unjudged(self) -> None:
        unjudged = Unjudged()
        unjudged.update(ruled=10, sequence=10, waiting=3, judged=7)
        assert (unjudged.not_queued, unjudged.not_delivered) == (0, 0)

    def test_a_full_queue_gives_no_number_and_a_full_socket_does(self) -> None:
        unjudged = Unjudged()
        unjudged.update(ruled=100, sequence=60, waiting=0, judged=50)
        assert (unjudged.not_queued, unjudged.not_delivered) == (40, 10)

    def test_counts_read_one_after_the_other_never_invent_any(self) -> None:
        unjudged = Unjudged()
        # Five packets came between the first reading and the last.
        unjudged.update(ruled=10, sequence=13, waiting=0, judged=15)
        unjudged.update(ruled=15, sequence=15, waiting=0, judged=15)
        assert (unjudged.not_queued, unjudged.not_delivered) == (0, 0)

    def test_nothing_told_is_taken_back(self) -> None:
        unjudged = Unjudged()
        unjudged.update(ruled=20, sequence=10, waiting=0, judged=10)
        unjudged.update(ruled=20, sequence=12, waiting=0, judged=12)
        assert unjudged.not_queued == 10

    def test_a_table_loaded_anew_begins_anew_and_keeps_what_was_told(self) -> None:
        unjudged = Unjudged()
        unjudged.update(ruled=100, sequence=90, waiting=0, judged=90)
        unjudged.update(ruled=5, sequence=97, waiting=0, judged=97)
        assert unjudged.not_queued == 10
        unjudged.update(ruled=9, sequence=100, waiting=0, judged=99)
        assert (unjudged.not_queued, unjudged.not_delivered) == (11, 1)

    def test_the_queues_numbers_wrap(self) -> None:
        unjudged = Unjudged()
        unjudged.update(ruled=2**32 - 1, sequence=2**32 - 1, waiting=0, judged=2**32 - 1)
        unjudged.update(ruled=2**32 + 4, sequence=3, waiting=0, judged=2**32 + 3)
        assert (unjudged.not_queued, unjudged.not_delivered) == (1, 0)


def test_the_kernels_line_of_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    line = " 4700  15115     7 2  2048     1     2        9  1\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: line)
    assert nfqueue.statistics() == {4700: QueueStatistics(7, 1, 2, 9)}


def entry(id: str, **fields: Any) -> Registration:
    values: dict[str, Any] = {
        "kind": HolderKind.COMPANY, "network": ip_network("192.0.2.1"), "tag": None, "valid_from": None,
        "valid_to": None, "protocols": frozenset(), "peers": (), "note": "", "source": "list.csv:1",
    }  # fmt: skip
    return Registration(id, **{**values, **fields})


@dataclass
class Gateway:
    """As much of a daemon as is asked."""

    entries: tuple[Registration, ...] = ()
    as_of: float | None = NOW
    config: Config = field(default_factory=Config)
    turned: float | None = None
    stopping: bool = False
    complete: bool | Exception = True

    def __post_init__(self) -> None:
        self.reload(*self.entries)
        self.installation = SimpleNamespace(complete=self._complete)

    def reload(self, *entries: Registration) -> None:
        self.lists = SimpleNamespace(registry=Registry(entries, self.as_of))
        self.listed = Listed(frozenset(), frozenset(), frozenset(), NOW, NOW)

    def _complete(self) -> bool:
        if isinstance(self.complete, Exception):
            raise self.complete
        return self.complete

    @property
    def daemon(self) -> Daemon:
        return cast(Daemon, self)


def told(status: ListStatus, gateway: Gateway, now: float = NOW) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("enforcer_registry_"), *sample.labels.values()): sample.value
        for metric in status.read(gateway.daemon, now)
        for sample in metric.samples
    }


def test_what_ends_soon_is_told_by_days() -> None:
    gateway = Gateway(
        (
            entry("open-ended"),
            entry("tomorrow", valid_to=NOW + 0.5 * DAY),
            entry("this week", valid_to=NOW + 6 * DAY),
            entry("revoked soon", revocation=Revocation("", NOW, NOW + 20 * DAY, "list.csv:9")),
            entry("next year", valid_to=NOW + 300 * DAY),
            entry("grace ends", valid_to=NOW - GRACE + 3 * DAY),
            entry("long gone", valid_to=NOW - 90 * DAY),
        )
    )
    found = told(ListStatus(), gateway)
    assert [found["expiring_entries", "current", days] for days in ("1", "7", "30")] == [1, 2, 3]
    assert [found["expiring_entries", "grace", days] for days in ("1", "7", "30")] == [0, 1, 1]
    assert found["entries", "current"] == 5
    assert found["entries", "ended"] == 1


def test_a_list_is_counted_again_when_it_changed_and_once_in_a_while() -> None:
    gateway, status = Gateway((entry("A", valid_to=NOW + DAY + 60),)), ListStatus()
    assert told(status, gateway)["expiring_entries", "current", "1"] == 0
    assert told(status, gateway, NOW + 120)["expiring_entries", "current", "1"] == 0
    assert told(status, gateway, NOW + RECOUNT)["expiring_entries", "current", "1"] == 1
    gateway.reload(entry("A"), entry("B"))
    assert told(status, gateway, NOW + RECOUNT)["entries", "current"] == 2


def test_the_age_of_a_list_from_the_future_is_negative() -> None:
    assert told(ListStatus(), Gateway(as_of=NOW + 7200))["age_seconds",] == -7200
    assert ("age_seconds",) not in told(ListStatus(), Gateway(as_of=None))


def test_an_access_server_that_was_never_heard_has_its_zero() -> None:
    client = Client("bras-1", (ip_network("192.0.2.10"),), b"secret")
    radius = SimpleNamespace(counts={("unknown", "unknown_client"): 4}, running=True, restarts=0)
    follower = SimpleNamespace(table=SimpleNamespace(census=dict), radius=radius, store=None)
    found = {
        tuple(sample.labels.values()): sample.value
        for metric in sessions(cast(Any, follower), Settings((client,), "PK", bytes(32)))
        for sample in metric.samples
        if sample.name == "enforcer_radius_datagrams_total"
    }
    assert found == {("bras-1", "accepted"): 0, ("unknown", "unknown_client"): 4}


LATER = time.monotonic() + 86400
"""Later than any run of the tests: a loop that never seems stuck."""


class TestReadiness:
    @pytest.fixture(autouse=True)
    def _bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bound = {4700: QueueStatistics(0, 0, 0, 0)}
        monkeypatch.setattr(readiness, "statistics", lambda: self.bound)

    def test_it_decides_when_everything_is_in_place(self) -> None:
        asked = Readiness(Gateway(turned=time.monotonic()).daemon)
        assert asked.unhealthy() is None
        assert asked.unready() is None
        assert asked.lag() == pytest.approx(0, abs=1)

    @pytest.mark.parametrize(
        ("gateway", "why"),
        [
            (Gateway(turned=None), "starting"),
            (Gateway(turned=1.0, stopping=True), "stopping"),
            (Gateway(turned=time.monotonic() - STUCK - 60), "has not turned for"),
            (Gateway(turned=LATER, complete=False), "rules are missing"),
            (Gateway(turned=LATER, complete=CommandError("nft: gone")), "nft: gone"),
        ],
    )
    def test_it_says_what_is_missing(self, gateway: Gateway, why: str) -> None:
        assert why in str(Readiness(gateway.daemon).unready())

    def test_a_queue_that_is_not_bound(self) -> None:
        self.bound = {}
        assert "queue 4700" in str(Readiness(Gateway(turned=time.monotonic()).daemon).unready())

    def test_only_a_stuck_loop_is_a_reason_to_restart(self) -> None:
        assert Readiness(Gateway(turned=None).daemon).unhealthy() is None
        assert Readiness(Gateway(turned=time.monotonic(), complete=False).daemon).unhealthy() is None
        assert "stuck" in str(Readiness(Gateway(turned=time.monotonic() - 60).daemon).unhealthy())

    def test_the_kernel_is_not_asked_at_every_probe(self) -> None:
        gateway = Gateway(turned=time.monotonic())
        asked = Readiness(gateway.daemon)
        assert asked.unready() is None
        gateway.complete = False
        assert asked.unready() is None

"""What is remembered and written of decisions: bounded, for a while, and nothing about where to."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from enforcer.observe import recent, refusals
from enforcer.observe.audit import AuditLog
from enforcer.observe.metrics import DecisionCounts
from enforcer.observe.recent import RecentRefusals
from enforcer.observe.refusals import RefusalLog
from enforcer.policy import Decision
from tests.unit.policy.worlds import DAY, MOBILE, NOW, SERVER, STATIC, World

REFUSED = World().decide(STATIC)
CLOCK = 5000.0
ACCEPTED = World().decide("10.9.9.9")
WOULD = World(settings={"mode": "monitor"}).decide(STATIC)


def address(decision: Decision) -> bytes:
    assert decision.who is not None
    assert decision.who.address is not None
    return decision.who.address


def test_refusals_are_remembered_for_ten_minutes_and_only_refusals() -> None:
    memory = RecentRefusals()
    for decision in (ACCEPTED, WOULD, REFUSED):
        memory.add(decision, NOW, CLOCK)
    found = memory.of(address(REFUSED), CLOCK + 599)
    assert [(refusal.at, refusal.reason) for refusal in found] == [(NOW, REFUSED.reason)]
    assert memory.of(address(REFUSED), CLOCK + 600) == []
    assert memory.of(address(World().decide(MOBILE)), CLOCK) == []
    memory.expire(CLOCK + 600)
    assert memory.addresses(0.0) == []


def test_who_is_refused_again_and_again_keeps_no_older_refusal() -> None:
    memory = RecentRefusals()
    memory.add(REFUSED, NOW, CLOCK)
    memory.add(REFUSED, NOW + 600, CLOCK + 600)
    assert [refusal.at for refusal in memory.of(address(REFUSED), CLOCK + 1)] == [NOW + 600]


def test_a_clock_that_is_set_back_keeps_no_refusal_for_longer() -> None:
    memory = RecentRefusals()
    memory.add(REFUSED, NOW, CLOCK)
    memory.add(World().decide(MOBILE), NOW - DAY, CLOCK + 300)
    memory.expire(CLOCK + 600)
    assert memory.addresses(0.0) == [address(World().decide(MOBILE))]
    memory.expire(CLOCK + 900)
    assert memory.addresses(0.0) == []


def test_what_was_refused_to_another_holder_is_forgotten() -> None:
    memory = RecentRefusals()
    for source in (MOBILE, STATIC):
        memory.add(World().decide(source), NOW, CLOCK)
    memory.forget([address(World().decide(MOBILE)), bytes(4)])
    assert memory.addresses(0.0) == [address(REFUSED)]


def test_the_memory_of_refusals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "ADDRESSES", 3)
    memory = RecentRefusals()
    addresses = [f"198.51.100.{host}" for host in range(1, 6)]
    for second, source in enumerate(addresses):
        for _ in range(20):
            memory.add(World().decide(source), NOW + second, CLOCK + second)
    kept = memory.addresses(0.0)
    assert len(kept) == 3
    assert kept == [address(World().decide(source)) for source in reversed(addresses[2:])]
    assert len(memory.of(kept[0], CLOCK + 10)) == recent.PER_ADDRESS


def test_a_refusal_is_logged_without_who_or_where_to(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("enforcer.observe.refusals.time.monotonic", lambda: now[0])
    log = RefusalLog()
    with caplog.at_level(logging.INFO):
        for decision in (ACCEPTED, WOULD, *[REFUSED] * 25):
            log(decision)
        now[0] += 1
        log(REFUSED)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == refusals.PER_SECOND + 1
    assert lines[0] == "refused wireguard any: not_registered, line leased"
    assert lines[-1].endswith("and 15 before it")
    assert not [line for line in lines if STATIC in line or SERVER in line]


def test_decisions_are_counted_by_protocol_action_and_reason() -> None:
    counts = DecisionCounts()
    for decision in (REFUSED, REFUSED, ACCEPTED, WOULD):
        counts(decision)
    assert counts.counts == {
        ("wireguard", "reject", "not_registered"): 2,
        ("wireguard", "accept", "no_subscriber"): 1,
        ("wireguard", "would_reject", "not_registered"): 1,
    }


def test_the_audit_log_is_for_its_owner_and_survives_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = AuditLog(path)
    audit.reloaded(NOW, "SIGHUP", {"added": ["A", "B"], "ended": [], "in_grace": ["C"]})
    assert path.stat().st_mode & 0o777 == 0o600
    path.rename(tmp_path / "audit.jsonl.1")
    audit.write("explain", NOW, {"address": STATIC, "uid": 0})
    assert json.loads((tmp_path / "audit.jsonl.1").read_text()) == {
        "time": "2026-09-21T14:13:20.000+00:00",
        "event": "reload",
        "by": "SIGHUP",
        "added": 2,
        "added_ids": ["A", "B"],
        "ended": 0,
        "ended_ids": [],
        "in_grace": 1,
        "in_grace_ids": ["C"],
    }
    assert json.loads(path.read_text())["address"] == STATIC


def test_an_audit_log_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    AuditLog(tmp_path / "missing" / "audit.jsonl").write("x", NOW, {})
    assert "audit.file" in caplog.text
    assert "cannot be written: No such file or directory" in caplog.text

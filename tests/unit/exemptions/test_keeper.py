"""Answers in, memory out, anomalies told, metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from enforcer.config import ExemptConfig
from enforcer.exemptions import Exemptions
from enforcer.gateway.exempt_keeper import (
    SAVE_CHANGED,
    SAVE_UNCHANGED,
    TOLD,
    ExemptKeeper,
    reconfigured,
    remembered,
)
from enforcer.gateway.exempt_memory import restore
from enforcer.gateway.exempt_status import exempt_names
from enforcer.gateway.resolver import Found
from enforcer.mobile_networks import worlds_names

NOW = 1_790_000_000.0
A, B = ip_address("203.0.113.1").packed, ip_address("203.0.113.2").packed
OWN = ExemptConfig.model_validate({"names": ["own.example"], "resolvers": ["127.0.0.1"]})
FAILED = Found(failure="own.example A: LifetimeTimeout")
Deliver = Callable[[str, Found], None]


def keeper(exemptions: Exemptions, memory: Path | None = None) -> tuple[ExemptKeeper, Deliver, list[None]]:
    """A keeper that asks nobody, what brings it an answer, and how often it woke its daemon."""
    woken: list[None] = []
    one = ExemptKeeper(OWN, memory, exemptions, lambda: woken.append(None))
    return one, one.refresher._deliver, woken


def test_answers_reach_the_exemptions_when_they_are_taken() -> None:
    exemptions = Exemptions(OWN)
    one, deliver, woken = keeper(exemptions)
    assert not one.take(NOW)
    deliver("own.example", Found((A,)))
    assert len(woken) == 1
    assert not exemptions.covers(A)
    assert one.take(NOW)
    assert exemptions.covers(A)
    deliver("own.example", Found((A,)))
    deliver("own.example", FAILED)
    assert not one.take(NOW + 1)
    assert exemptions.covers(A)
    deliver("own.example", Found((B,), failure="own.example AAAA: NoNameservers"))
    assert one.take(NOW + 2)
    assert exemptions.addresses == {A, B}
    assert exemptions.census()["own"].oldest == NOW + 1


def test_what_was_learnt_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "exempt.json"
    one, deliver, _ = keeper(Exemptions(OWN), path)
    deliver("own.example", Found((A,)))
    one.take(NOW)
    one.stop(wait=True)
    after = remembered(OWN, path, NOW + 5)
    assert after.addresses == {A}
    assert after.census()["own"].oldest == NOW


def test_new_addresses_are_written_soon_and_confirmations_within_the_hour(tmp_path: Path) -> None:
    path = tmp_path / "exempt.json"
    one, deliver, _ = keeper(Exemptions(OWN), path)
    saved = one._saver
    assert saved is not None
    puts: list[float] = []
    saved.put = lambda known: puts.append(len(known))  # type: ignore[method-assign]
    deliver("own.example", Found((A,)))
    for later, expected in ((0, 0), (SAVE_CHANGED - 1, 0), (SAVE_CHANGED, 1)):
        one.take(NOW + later)
        assert len(puts) == expected
    deliver("own.example", Found((A,)))
    for later, expected in ((100, 1), (99 + SAVE_UNCHANGED, 1), (101 + SAVE_UNCHANGED, 2)):
        one.take(NOW + later)
        assert len(puts) == expected
    one.stop(wait=True)
    assert len(puts) == 2, "nothing new to write"


def test_a_corrupt_memory_is_told_and_the_start_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "exempt.json"
    path.write_text("{")
    assert not remembered(OWN, path, NOW).addresses
    assert "is not understood" in caplog.text
    assert restore(path, NOW).notices == ()


def test_with_wifi_calling_configured_the_whole_world_is_asked_for() -> None:
    config = ExemptConfig.model_validate({"wifi_calling": {"networks": ["410-01"]}})
    exemptions = remembered(config, None, NOW)
    assert set(exemptions.names) | set(exemptions.others) == set(worlds_names())
    assert not set(exemptions.names) & set(exemptions.others)
    for name in exemptions.names:
        exemptions.answer(name, [A], NOW)
    more = ExemptConfig.model_validate({"wifi_calling": {"networks": ["410-01", "410-03"]}})
    assert reconfigured(more, exemptions).addresses == {A}
    assert remembered(OWN, None, NOW).others == ()


def test_failures_of_own_names_are_told_once_and_when_they_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one, deliver, _ = keeper(Exemptions(OWN, ["abroad.example"]))
    for number in range(3):
        deliver("own.example", Found(failure=f"own.example A: failure {number}"))
        deliver("abroad.example", FAILED)
    one.take(NOW)
    assert caplog.text.count("last addresses kept") == 1
    assert "abroad" not in caplog.text
    deliver("own.example", Found((A,)))
    deliver("own.example", Found((A,)))
    one.take(NOW)
    assert caplog.text.count("in order again") == 1


def test_addresses_not_believed_are_told_but_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    others = [f"{number}.example" for number in range(3 * TOLD)]
    exemptions = Exemptions(OWN, others)
    one, deliver, _ = keeper(exemptions)
    for name in others:
        deliver(name, Found((bytes([192, 168, 1, 1]),)))
    assert not one.take(NOW)
    assert caplog.text.count("192.168.1.1 is private") == TOLD
    assert not exemptions.addresses


def test_the_metrics_are_totals() -> None:
    exemptions = Exemptions(OWN, ["a.example", "b.example"])
    one, deliver, _ = keeper(exemptions)
    deliver("own.example", Found((A,)))
    deliver("a.example", Found(()))
    deliver("b.example", Found((bytes(4),)))
    one.take(NOW)
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for metric in exempt_names(exemptions, one, NOW + 60)
        for sample in metric.samples
    }
    assert samples == {
        ("enforcer_exempt_names", ("own",)): 1,
        ("enforcer_exempt_names", ("others",)): 2,
        ("enforcer_exempt_names_answered", ("own",)): 1,
        ("enforcer_exempt_names_answered", ("others",)): 1,
        ("enforcer_exempt_names_resolved", ("own",)): 1,
        ("enforcer_exempt_names_resolved", ("others",)): 0,
        ("enforcer_exempt_oldest_answer_age_seconds", ("own",)): 60,
        ("enforcer_exempt_oldest_answer_age_seconds", ("others",)): 60,
        ("enforcer_exempt_names_refused", ()): 1,
        ("enforcer_exempt_questions_total", ()): 0,
        ("enforcer_exempt_lookup_failures_total", ()): 0,
        ("enforcer_exempt_outage", ()): 0,
    }
    names = {metric.name for metric in exempt_names(exemptions, None, NOW)}
    assert "enforcer_exempt_names" in names
    assert "enforcer_exempt_questions" not in names

"""Innocent traffic through an enforcing gateway that knows nobody: nothing lost, nothing taken for a VPN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.e2e.conftest import make_pki
from tests.lab.gateway import Gateway, Setup
from tests.lab.innocent import GENERATORS, Exchange, Setting
from tests.lab.network import Lab

ELSEWHERE = ("C-9,company,192.0.2.9,,2026-01-01,,,,,,,,",)
"""A list must have an entry to be a list; this one matches nobody."""

NOISE = 2.0
"""How much longer a median round trip may take than without the gateway, and half a millisecond: two cores shared
by everything here make single answers late, medians hardly."""


def outcomes(lab: Lab, versions: Sequence[int]) -> dict[str, Exchange]:
    pki = make_pki(lab)
    found = {}
    for version in versions:
        setting = Setting(lab.subscriber("stranger"), lab.internet, pki, version)
        for name, generate in GENERATORS.items():
            found[f"{name} over IPv{version}"] = generate(setting)
    return found


@pytest.fixture(scope="module")
def without() -> Iterator[dict[str, Exchange]]:
    with Lab() as lab:
        yield outcomes(lab, (4, 6))


@pytest.mark.parametrize(
    ("listed", "versions"), [(True, (4, 6)), (False, (4,))], ids=["a list without them", "no list at all"]
)
def test_nothing_is_lost_delayed_or_taken_for_a_vpn(
    without: dict[str, Exchange], listed: bool, versions: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    nothing: dict[str, dict[str, object]] = {} if listed else {"registry": {"files": []}}
    with Lab() as lab, Gateway(lab, Setup(rows=ELSEWHERE, sessions={}, extra=nothing)) as gateway:
        done = outcomes(lab, versions)
        handshakes = gateway.handshakes()
        found = gateway.decisions()
    with capsys.disabled():
        print(f"\nqueued {sum(handshakes.values()):.0f}, decisions {found}")
        print(f"{'innocent traffic':28} {'sent':>7} {'lost':>5}  median ms, against none")
        for name, exchange in done.items():
            times = "-" if exchange.median is None else f"{exchange.median:8.2f} {without[name].median:8.2f}"
            print(f"{name:28} {exchange.sent:7} {exchange.lost:5}  {times}")
    assert {name: exchange.lost for name, exchange in done.items() if not exchange.complete} == {}
    # The DNS generator asks with ids and lengths of handshakes on purpose: some are queued, and none is proven.
    assert {key for key, count in handshakes.items() if count} <= {("openvpn", "queued"), ("wireguard", "queued")}
    assert {(action, reason) for _, action, reason in found} <= {("accept", "awaiting_answer")}
    for name, exchange in done.items():
        before = without[name].median
        if exchange.median is not None and before is not None:
            assert exchange.median <= before * NOISE + 0.5, name

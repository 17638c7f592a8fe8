"""docs/help-desk.md says what refused clients print: real ones print it, and the help desk is told of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from enforcer.explanation import AddressExplanation
from tests.e2e.conftest import make_pki
from tests.lab import told
from tests.lab.gateway import Gateway, Setup
from tests.lab.network import MOBILE, STRANGER, Lab

PAGE = Path(__file__).resolve().parents[2] / "docs" / "help-desk.md"
CONTACT = "the registration desk, 111 222 333"
AT_ONCE = told.HAND_WINDOW - 2.0
"""Seconds below which a client cannot have found out by waiting."""


class Row(NamedTuple):
    """A row of one of the page's tables."""

    client: str
    prints: tuple[str, ...]
    soon: str


def documented(reject: str) -> dict[str, Row]:
    """The rows of the table for a setting of gateway.reject."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"| client, {reject} |"))
    rows = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        client, prints, soon, _ = (cell.strip() for cell in line.strip("|").split(" | "))
        quoted = (text for text in re.findall(r"`([^`]+)`", prints) if " " in text)
        rows[client] = Row(client, tuple(map(expression, quoted)), soon)
    return rows


def expression(quoted: str) -> str:
    """What matches a quoted line, in which … stands for anything."""
    return ".*".join(re.escape(part) for part in quoted.split("…"))


@pytest.fixture(scope="module")
def clients(lab: Lab) -> dict[str, told.Attempt]:
    return told.attempts(lab, make_pki(lab, use_rsa=True))


@pytest.fixture(params=["polite", "drop"])
def refusing(lab: Lab, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    setup = Setup(
        rows=("X-1,company,192.0.2.1,,2026-01-01,,,,,,,,",),
        sessions={f"{MOBILE.ip4.ip} {MOBILE.ip6.network}": "+923017654321"},
        extra={
            "gateway": {"reject": request.param},
            "control": {"socket": str(tmp_path / "control.sock")},
            "registry": {"timezone": "Asia/Karachi"},
            "help": {"contact": CONTACT},
        },
    )
    with Gateway(lab, setup) as gateway:
        yield gateway


def test_refused_clients_print_what_the_page_says(
    refusing: Gateway, clients: dict[str, told.Attempt], request: pytest.FixtureRequest
) -> None:
    rows = documented(request.node.callspec.params["refusing"])
    assert set(rows) == set(clients)
    found = told.try_all(clients, {name: row.prints[-1] for name, row in rows.items()})
    for name, row in rows.items():
        for wanted in row.prints:
            assert re.search(wanted, found[name].printed), f"{name}: no {wanted}\n{found[name].printed[-2000:]}"
        assert "latest handshake" not in found[name].printed
        after = found[name].after
        print(f"{name}: {'never' if after is None else f'{after:.1f} s'} ({row.soon})")
        if row.soon == "at once":
            assert after is not None
            assert after < AT_ONCE, name
        elif name.startswith("OpenVPN"):
            assert after is None or after >= AT_ONCE, name
    # How the refusal is sent makes no difference to the answer about it.
    if request.node.callspec.params["refusing"] == "polite":
        the_help_desk_is_told(refusing)


def the_help_desk_is_told(refusing: Gateway) -> None:
    """Of each protocol that the stranger tried, in words and as JSON."""
    answer = AddressExplanation.model_validate_json(refusing.command("explain", str(STRANGER.ip4.ip), "--json"))
    assert answer.source == "gateway"
    assert {refusal.protocol for refusal in answer.recent or ()} == {"wireguard", "openvpn", "ipsec"}
    assert {refusal.reason for refusal in answer.recent or ()} == {"not_registered"}
    for protocol in ("WireGuard", "OpenVPN", "IPsec"):
        assert re.search(rf"{protocol} connection of your line was refused at \d\d:\d\d", answer.aloud), (
            answer.aloud
        )
    assert answer.aloud.endswith(f"contact {CONTACT}.")
    assert "+0500" in answer.at.strftime("%z")
    assert answer.gateway is not None
    assert answer.gateway.remembers_since == answer.gateway.started_at, "started a moment ago"
    shown = refusing.command("explain", str(STRANGER.ip6.ip), "--protocol", "openvpn")
    assert "An OpenVPN connection of your line was refused at" in shown
    assert "WireGuard" not in shown
    mobile = refusing.command("explain", str(MOBILE.ip4.ip), "--protocol", "ipsec")
    assert "Register your mobile number" in mobile
    assert "session fresh" in re.sub(" +", " ", mobile)
    nothing = refusing.command("explain", "203.0.113.10")
    assert "Since then it has refused nothing of your line" in nothing

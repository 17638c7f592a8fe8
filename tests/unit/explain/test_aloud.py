"""What the help desk reads out, for each thing that may have happened to the person on the phone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from enforcer.aloud import SOON
from enforcer.explain import Clock, Source, explain_address, explain_number
from enforcer.explanation import AddressExplanation, GatewayFacts, RecentRefusal
from enforcer.fingerprints.detection import Family
from enforcer.policy import HeldBack, Reason
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.registry.model import HolderKind, Registration, Revocation
from tests.unit.policy.worlds import DAY, ELSEWHERE, HOME, MOBILE, NOW, STATIC, TAG, World, registration, session

KARACHI = ZoneInfo("Asia/Karachi")
CONTACT = "the registration desk, 111 222 333"
SETTINGS: dict[str, Any] = {"registry": {"timezone": "Asia/Karachi"}, "help": {"contact": CONTACT}}


def world(*entries: Registration, **changes: Any) -> World:
    settings = {**SETTINGS, **changes.pop("settings", {})}
    return World(entries=entries or (ELSEWHERE,), settings=settings, **changes)


def gateway(started: float = NOW - DAY) -> GatewayFacts:
    clock = Clock(world().policy().config)
    return GatewayFacts(
        mode="enforce", started_at=clock.at(started), remembers_since=clock.at(max(started, NOW - 600))
    )


def refusal(ago: int, reason: Reason = Reason.NOT_REGISTERED, family: Family = Family.WIREGUARD) -> RecentRefusal:
    at = Clock(world().policy().config).at(NOW - ago)
    return RecentRefusal(
        at=at, seconds_ago=ago, protocol=family, variant="any", reason=reason, meaning=REASONS[reason].meaning
    )


def told(
    of: World, address: str = STATIC, recent: list[RecentRefusal] | None = None, source: Source | None = None
) -> AddressExplanation:
    source = source or Source(gateway(), recent or [])
    return explain_address(of.policy(), ip_address(address).packed, list(Family), NOW, source)


def at(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, KARACHI)


def midnight(days: int) -> float:
    """The first moment of the day in Karachi ``days`` from now."""
    return (at(NOW).replace(hour=0, minute=0, second=0, microsecond=0)).timestamp() + days * DAY


def day(moment: float) -> str:
    return f"{at(moment).day} {at(moment):%B %Y}"


def test_a_refusal_is_told_with_its_local_time_its_reason_what_helps_and_whom_to_ask() -> None:
    said = told(world(), recent=[refusal(300), refusal(200), refusal(120)]).aloud
    assert said == (
        f"A WireGuard connection of your line was refused at {at(NOW - 120):%H:%M}, 3 times since "
        f"{at(NOW - 300):%H:%M}. "
        "On a line like yours a VPN needs a registration, and none on the list matches your address. Register "
        "your address: it counts as soon as it is on the list. OpenVPN or IPsec would be refused too. To "
        f"register, or to ask about a registration, contact {CONTACT}."
    )


def test_without_a_contact_configured_somebody_is_named_all_the_same() -> None:
    said = told(world(settings={"help": {}}), recent=[refusal(5)]).aloud
    assert said.endswith("contact the office that keeps the list of registrations.")


def test_on_a_mobile_line_it_is_the_number_that_is_registered() -> None:
    assert "Register your mobile number" in told(world(), MOBILE).aloud


def test_who_has_registered_since_is_told_to_try_again() -> None:
    said = told(world(registration()), recent=[refusal(60)]).aloud
    assert "none on the list matches your address" in said
    assert "That has changed since: please try again." in said
    assert "A VPN would be let through now. Your address is registered." in said


def test_who_would_be_refused_for_another_reason_now_hears_both() -> None:
    said = told(world(registration(valid_from=NOW + DAY)), recent=[refusal(60)]).aloud
    assert "none on the list matches" in said
    assert f"Now it would be refused for another reason. Your registration starts on {day(NOW + DAY)}" in said


def test_a_limit_on_remote_addresses_is_told_though_no_remote_address_is_remembered() -> None:
    limited = registration(peers=(ip_network("203.0.113.1"),))
    said = told(world(limited), recent=[refusal(60, Reason.OTHER_PEER)]).aloud
    assert "is for VPNs with certain remote addresses only, and yours went to another" in said
    assert "please try again" not in said
    assert "203.0.113" not in said
    quiet = told(world(limited)).aloud
    assert "a VPN with any other is refused" in quiet
    assert "not the cause" not in quiet


def test_a_limit_on_protocols_is_told_with_the_protocols() -> None:
    limited = registration(protocols=frozenset({Family.OPENVPN, Family.IPSEC}))
    said = told(world(limited), recent=[refusal(60, Reason.OTHER_PROTOCOL)]).aloud
    assert "Your registration is for IPsec or OpenVPN only." in said
    assert "OpenVPN or IPsec would be let through now. Your address is registered." in said


def test_dates_are_whole_days_where_the_list_has_days() -> None:
    grace = registration(valid_to=midnight(-3))
    said = told(world(grace)).aloud
    assert f"Your registration ended at the end of {day(midnight(-4))}." in said
    assert f"It still counts until the end of {day(midnight(26))}: renew it before then." in said
    assert CONTACT in said
    over = told(world(registration(valid_to=midnight(-40)))).aloud
    assert f"It went on counting until the end of {day(midnight(-11))}, and that is over." in over


def test_what_ends_soon_is_said_to_and_what_does_not_is_not() -> None:
    near, far = registration(valid_to=midnight(9)), registration(valid_to=NOW + SOON.total_seconds() + DAY)
    assert f"It ends soon, at the end of {day(midnight(8))}: renew it in time." in told(world(near)).aloud
    assert "soon" not in told(world(far)).aloud


def test_a_revocation_is_told_with_its_notice_before_and_after_it_ends_the_registration() -> None:
    revocation = Revocation("moved away", midnight(-20), midnight(5), "list.csv:9")
    ahead = told(world(registration(revocation=revocation))).aloud
    assert "A VPN would be let through now." in ahead
    assert f"notice was given on {day(midnight(-20))}, the reason is: moved away." in ahead
    assert f"It ends on {day(midnight(5))}." in ahead
    done = told(world(registration(revocation=replace(revocation, effective_at=midnight(-1))))).aloud
    assert f"Notice was given on {day(midnight(-20))}, the reason was: moved away." in done
    assert f"It ended on {day(midnight(-1))}." in done


def test_a_gateway_started_a_moment_ago_says_that_it_remembers_nothing() -> None:
    said = told(world(), source=Source(gateway(NOW - 180), [])).aloud
    assert f"This gateway was started at {at(NOW - 180):%H:%M}. Since then it has refused nothing" in said
    assert "what was before, it does not know" in said


def test_when_nothing_was_refused_the_caller_is_sent_on() -> None:
    said = told(world(registration(valid_to=None))).aloud
    assert said.startswith("In the last ten minutes this gateway refused nothing of your line.")
    assert said.endswith("So if your VPN does not work, this gateway is not the cause.")


@pytest.mark.parametrize("started", [NOW - DAY, NOW - 180])
def test_who_asks_about_one_protocol_is_told_nothing_of_the_others(started: float) -> None:
    source = Source(gateway(started), [refusal(60, family=Family.OPENVPN)])
    policy = world(registration(protocols=frozenset({Family.WIREGUARD}))).policy()
    said = explain_address(policy, ip_address(STATIC).packed, [Family.WIREGUARD], NOW, source).aloud
    assert "refused no WireGuard connection of your line" in said
    assert "if your WireGuard does not work, this gateway is not the cause" in said
    assert "refused nothing" not in said
    assert "your VPN" not in said


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        ((session(heard_at=NOW - DAY),), "It was long ago that we heard"),
        ((session(), session(key="s2", tag=bytes(16))), "Two mobile connections claim this address"),
        ((session(tag=None),), "came without a mobile number"),
        ((), "not known here which mobile number"),
    ],
)
def test_nobody_is_blamed_for_a_mapping_that_is_not_known(sessions: tuple[Any, ...], words: str) -> None:
    said = told(world(sessions=sessions), MOBILE)
    assert words in said.aloud
    assert "A VPN would be let through now." in said.aloud
    assert {answer.session.state for answer in said.answers if answer.session} != {"fresh"}


def test_a_line_without_a_route_is_told_to_check_an_address_of_the_inside() -> None:
    inside = told(world(settings={"subscribers": {"prefixes": ["10.0.0.0/8", "203.0.113.0/24"]}}), HOME).aloud
    assert "There is no way to register a line like yours" in inside
    assert "it may be one inside your home or office" in inside
    outside = told(world(settings={"subscribers": {"prefixes": ["203.0.113.0/24"]}}), "203.0.113.8").aloud
    assert "There is no way to register a line like yours" in outside
    assert "inside your home" not in outside
    assert "not known here as a customer's" in told(world(), "192.0.2.2").aloud


def test_monitor_and_a_family_not_enforced_are_not_the_cause_and_what_would_come_is_told() -> None:
    watching = told(world(settings={"mode": "monitor"})).aloud
    assert "A VPN would be let through now. At present this gateway only watches, and refuses nobody." in watching
    assert "Otherwise it would be refused. On a line like yours" in watching
    assert "this gateway is not the cause" in watching
    partly = told(world(settings={"enforce": ["wireguard"]})).aloud
    assert "WireGuard would be refused now." in partly
    assert (
        "OpenVPN or IPsec would be let through now. At present VPNs of this kind are not refused here." in partly
    )
    calls = told(world(resolved=False)).aloud
    assert "so that no call over Wi-Fi is cut off" in calls


def test_without_the_gateway_it_is_said_that_lately_is_not_known() -> None:
    files = Source(not_asked="control.socket is not set")
    said = told(world(), source=files)
    assert said.aloud.startswith("What was refused to you lately I cannot see here.")
    assert (said.source, said.recent, said.gateway) == ("files", None, None)
    down = told(world(), source=Source(not_asked="none runs", down=True)).aloud
    assert down.startswith("Our gateway does not run just now, and while it does not, nothing is refused.")


def test_by_the_files_a_mobile_line_is_not_fully_answered_where_sessions_are_live() -> None:
    files = Source(not_asked="control.socket is not set")
    live = {"sessions": {"store": "redis://192.0.2.9", "ttl": 7200}}
    assert (
        "only the running gateway knows who has the address"
        in told(world(settings=live, sessions=()), MOBILE, source=files).aloud
    )
    assert "only the running gateway" not in told(world(settings=live), STATIC, source=files).aloud


def test_a_number_is_answered_with_its_registration_and_asks_for_the_address() -> None:
    entry = registration(kind=HolderKind.FREELANCER, network=None, tag=TAG, valid_to=midnight(3))
    config = world().policy().config
    found = explain_number(config, [entry], NOW, not_asked=None)
    assert found.aloud.startswith("Your number is registered. It ends soon,")
    assert "please tell me the one you have now" in found.aloud
    assert explain_number(config, [], NOW, not_asked=None).aloud.startswith(
        "This number is not on the list of registrations."
    )


@pytest.mark.parametrize("code", [*REASONS, *HELD_BACK])
def test_every_code_can_be_read_out(code: Reason | HeldBack) -> None:
    words = REASONS[code] if isinstance(code, Reason) else HELD_BACK[code]
    fields = dict.fromkeys(
        ("what", "ended", "counts_until", "starts", "protocols", "notice", "why", "revoked"), "x"
    )
    said = words.aloud.format(**fields)
    assert said[0].isupper()
    assert said.endswith(".")
    # Words of the trade are for the details.
    for word in ("mapping", "session", "`", "_", "subscriber", "handshake", "prefix", "RADIUS"):
        assert word not in said


def test_every_code_has_its_words() -> None:
    assert set(REASONS) == set(Reason)
    assert set(HELD_BACK) == set(HeldBack)

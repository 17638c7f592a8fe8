"""Wi-Fi calling first: names, what counts as knowing them, and that addresses outlive failures."""

from __future__ import annotations

from ipaddress import ip_address

from enforcer.config import ExemptConfig
from enforcer.exemptions import ADDRESS_KEPT, ANSWER_MAX_AGE, Exemptions
from enforcer.mobile_networks import wifi_calling_names

NOW = 1_790_000_000.0

A, B = ip_address("203.0.113.1").packed, ip_address("2001:db8::1").packed


def exemptions(**calling: object) -> Exemptions:
    return Exemptions(ExemptConfig.model_validate({"wifi_calling": calling}))


def test_the_names_of_a_network_are_those_of_ts_23_003() -> None:
    names = wifi_calling_names("410-01")
    assert set(names) == {
        "epdg.epc.mnc001.mcc410.pub.3gppnetwork.org",
        "sos.epdg.epc.mnc001.mcc410.pub.3gppnetwork.org",
        "epdg.epc.mcc410.visited-country.pub.3gppnetwork.org",
        "sos.epdg.epc.mcc410.visited-country.pub.3gppnetwork.org",
        "n3iwf.5gc.mnc001.mcc410.pub.3gppnetwork.org",
        "sos.n3iwf.5gc.mnc001.mcc410.pub.3gppnetwork.org",
        "n3iwf.5gc.mcc410.visited-country.pub.3gppnetwork.org",
        "sos.n3iwf.5gc.mcc410.visited-country.pub.3gppnetwork.org",
    }
    assert all(name.startswith("sos.") for name in names[:4])
    assert "epdg.epc.mnc260.mcc310.pub.3gppnetwork.org" in wifi_calling_names("310-260")


def test_known_means_configured_answered_and_an_address_for_calls_and_for_emergency_calls() -> None:
    assert "names no mobile network" in str(exemptions().wifi_calling_missing(NOW))
    one = exemptions(networks=["410-01"])
    names = one.names
    assert "8 of 8 names" in str(one.wifi_calling_missing(NOW))
    for name in names[:-1]:
        one.answer(name, [], NOW)
    assert f"1 of 8 names not answered yet, first {names[-1]}" in str(one.wifi_calling_missing(NOW))
    one.answer(names[-1], [], NOW)
    assert "no emergency name" in str(one.wifi_calling_missing(NOW))
    one.answer("sos.epdg.epc.mnc001.mcc410.pub.3gppnetwork.org", [A], NOW)
    assert "no ePDG or N3IWF name" in str(one.wifi_calling_missing(NOW))
    one.answer("epdg.epc.mnc001.mcc410.pub.3gppnetwork.org", [A], NOW)
    assert one.wifi_calling_missing(NOW) is None
    assert one.wifi_calling_missing(NOW + ANSWER_MAX_AGE) is None
    assert "names not answered" in str(one.wifi_calling_missing(NOW + ANSWER_MAX_AGE + 1))


def test_prefixes_alone_do_not_count_as_known() -> None:
    assert exemptions(prefixes=["203.0.113.0/24"]).wifi_calling_missing(NOW) is not None


def test_an_empty_answer_takes_no_address_away() -> None:
    one = exemptions(names=["epdg.example"])
    assert one.answer("epdg.example", [A, B], NOW)
    assert one.covers(A)
    assert one.covers(B)
    assert not one.answer("epdg.example", [], NOW + 10 * ADDRESS_KEPT)
    assert one.covers(A)


def test_an_address_left_out_of_a_newer_answer_stays_for_a_day() -> None:
    one = exemptions(names=["epdg.example"])
    one.answer("epdg.example", [A], NOW)
    one.answer("epdg.example", [B], NOW + 1)
    assert one.covers(A)
    assert one.answer("epdg.example", [B], NOW + ADDRESS_KEPT)
    assert not one.covers(A)
    assert one.covers(B)


def test_names_that_share_an_address_do_not_take_it_from_each_other() -> None:
    one = exemptions(names=["one.example", "two.example"])
    one.answer("one.example", [A], NOW)
    one.answer("two.example", [A], NOW)
    one.answer("one.example", [B], NOW + ADDRESS_KEPT)
    assert one.covers(A)

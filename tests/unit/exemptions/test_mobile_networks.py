"""The names of every mobile network, in the forms of TS 23.003, from the installed table."""

from __future__ import annotations

from collections import Counter

from enforcer.mobile_networks import (
    all_networks,
    country_names,
    is_country,
    is_emergency,
    operator_names,
    wifi_calling_names,
    worlds_names,
)


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
    assert set(names) == {*operator_names("410-01"), *country_names("410")}


def test_the_table_holds_the_networks_of_the_world() -> None:
    networks = set(all_networks())
    assert len(networks) > 3000
    assert len({network[:3] for network in networks}) > 220
    # Pakistan, all of them; one of each length of MNC elsewhere; a ship's.
    assert {"410-01", "410-03", "410-04", "410-06", "410-07"} <= networks
    assert {"310-260", "311-480", "405-840", "234-15", "262-01", "901-12"} <= networks
    assert not {network[:3] for network in networks} & {"001", "999"}


def test_two_and_three_digits_of_mnc_are_each_padded_to_three() -> None:
    names = set(worlds_names())
    assert "epdg.epc.mnc015.mcc234.pub.3gppnetwork.org" in names
    assert "epdg.epc.mnc260.mcc310.pub.3gppnetwork.org" in names
    assert not [name for name in names if "mnc15." in name or "mnc0260" in name]


def test_emergency_names_come_first_and_countries_before_networks() -> None:
    names = worlds_names()
    assert len(names) == len(set(names))
    kinds = [(not is_emergency(name), not is_country(name)) for name in names]
    assert kinds == sorted(kinds)
    assert set(Counter(kinds)) == {(False, False), (False, True), (True, False), (True, True)}

"""Wi-Fi calling first: what counts as knowing it, and that addresses outlive failures."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from enforcer.config import ExemptConfig
from enforcer.exempt_answers import MAX_ADDRESSES
from enforcer.exemptions import (
    ADDRESS_KEPT,
    ANSWER_MAX_AGE,
    ANSWERED_SHARE,
    MAX_TOTAL,
    TRIES,
    Census,
    Exemptions,
    Known,
)
from enforcer.mobile_networks import wifi_calling_names, worlds_names

NOW = 1_790_000_000.0
A, B = ip_address("203.0.113.1").packed, ip_address("2001:db8::1").packed
SOS, PLAIN = "sos.epdg.epc.mnc001.mcc410.pub.3gppnetwork.org", "epdg.epc.mnc001.mcc410.pub.3gppnetwork.org"
WORLD = tuple(f"epdg.epc.mnc{number:03}.mcc999.pub.3gppnetwork.org" for number in range(100))


def exemptions(others: tuple[str, ...] = (), **calling: object) -> Exemptions:
    return Exemptions(ExemptConfig.model_validate({"wifi_calling": calling}), others)


def answered(others: tuple[str, ...] = ()) -> Exemptions:
    """Those of one network, all of whose names have had an answer."""
    one = exemptions(others, networks=["410-01"])
    for name in one.names:
        one.answer(name, [A] if name in (SOS, PLAIN) else [], NOW)
    return one


def test_known_means_configured_answered_and_an_address_for_calls_and_for_emergency_calls() -> None:
    assert "names no mobile network" in str(exemptions().wifi_calling_missing(NOW))
    one = exemptions(networks=["410-01"])
    names = one.names
    assert names == wifi_calling_names("410-01")
    assert "8 of 8 names" in str(one.wifi_calling_missing(NOW))
    for name in names[:-1]:
        one.answer(name, [], NOW)
    assert f"1 of 8 names not answered yet, first {names[-1]}" in str(one.wifi_calling_missing(NOW))
    one.answer(names[-1], [], NOW)
    assert "no emergency name" in str(one.wifi_calling_missing(NOW))
    one.answer(SOS, [A], NOW)
    assert "no ePDG or N3IWF name" in str(one.wifi_calling_missing(NOW))
    one.answer(PLAIN, [A], NOW)
    assert one.wifi_calling_missing(NOW) is None
    assert one.wifi_calling_missing(NOW + ANSWER_MAX_AGE) is None
    assert "names not answered" in str(one.wifi_calling_missing(NOW + ANSWER_MAX_AGE + 1))


def test_prefixes_alone_do_not_count_as_known() -> None:
    assert exemptions(prefixes=["203.0.113.0/24"]).wifi_calling_missing(NOW) is not None


def test_an_incomplete_answer_exempts_what_it_has_and_is_not_knowing() -> None:
    one = exemptions(networks=["410-01"])
    for name in one.names:
        one.answer(name, [A], NOW, complete=name != SOS)
    assert one.covers(A)
    assert f"1 of 8 names not answered yet, first {SOS}" in str(one.wifi_calling_missing(NOW))
    one.answer(SOS, [B], NOW + 2 * ADDRESS_KEPT, complete=False)
    assert one.known()[SOS].addresses.keys() == {A, B}


def test_an_answer_not_believed_is_not_knowing_and_takes_nothing_away() -> None:
    one = answered()
    assert not one.answer(SOS, [bytes([10, 0, 0, 1])], NOW + ANSWER_MAX_AGE + 1)
    assert one.covers(A)
    assert not one.covers(bytes([10, 0, 0, 1]))
    assert "10.0.0.1 is private" in one.refused[SOS]
    assert one.wifi_calling_missing(NOW) is None
    assert "10.0.0.1" in str(one.wifi_calling_missing(NOW + ANSWER_MAX_AGE + 1))
    one.answer(SOS, [A], NOW)
    assert not one.refused


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


def test_ipsec_waits_until_every_other_network_was_asked_for() -> None:
    one = answered(WORLD)
    assert "100 of 100 names of other mobile networks not asked" in str(one.wifi_calling_missing(NOW))
    for name in WORLD[1:]:
        one.answer(name, [], NOW)
    assert "1 of 100 names" in str(one.wifi_calling_missing(NOW))
    one.answer(WORLD[0], [B], NOW)
    assert one.wifi_calling_missing(NOW) is None
    assert one.covers(B)
    for _ in range(10 * TRIES):
        one.failed(WORLD[0])
    assert one.wifi_calling_missing(NOW) is None
    assert one.covers(B)


def test_dead_servers_abroad_hold_ipsec_back_for_some_tries_only() -> None:
    one = answered(WORLD)
    dead = WORLD[:10]
    for name in WORLD[10:]:
        one.answer(name, [], NOW)
    for _ in range(TRIES - 1):
        for name in dead:
            one.failed(name)
    assert "10 of 100 names" in str(one.wifi_calling_missing(NOW))
    for name in dead[:5]:
        one.failed(name)
    for name in dead[5:]:
        one.answer(name, [A], NOW, complete=False)
    assert one.wifi_calling_missing(NOW) is None
    one.answer(dead[0], [], NOW)
    one.failed(dead[1])
    assert one.wifi_calling_missing(NOW) is None


def test_a_gateway_cut_off_from_the_world_does_not_enforce_ipsec() -> None:
    one = answered(WORLD)
    enough = int(ANSWERED_SHARE * len(WORLD))
    for name in WORLD[: enough - 1]:
        one.answer(name, [], NOW)
    for name in WORLD[enough - 1 :]:
        for _ in range(TRIES):
            one.failed(name)
    assert f"only {enough - 1} of 100" in str(one.wifi_calling_missing(NOW))
    one.answer(WORLD[-1], [], NOW)
    assert one.wifi_calling_missing(NOW) is None


def test_more_addresses_than_all_epdgs_have_exempt_no_more_and_hold_ipsec_back() -> None:
    one = answered(WORLD * 2)
    big = exemptions(worlds_names(), networks=["410-01"])
    number = 0
    for name in big.others[: MAX_TOTAL // MAX_ADDRESSES + 2]:
        big.answer(name, [(0xC6000000 + number + i).to_bytes(4, "big") for i in range(MAX_ADDRESSES)], NOW)
        number += MAX_ADDRESSES
    assert len(big.addresses) == MAX_TOTAL
    for name in (*big.names, *big.others):
        big.answer(name, [], NOW)
    big.answer(SOS, [(0xC6000000).to_bytes(4, "big")], NOW)
    big.answer(PLAIN, [(0xC6000000).to_bytes(4, "big")], NOW)
    assert "not believable" in str(big.wifi_calling_missing(NOW))
    assert len(one.others) == len(WORLD)


def test_a_name_with_new_addresses_in_every_answer_does_not_pile_them_up() -> None:
    one = exemptions(names=["epdg.example"])
    for number in range(10 * MAX_ADDRESSES):
        one.answer("epdg.example", [(0xC6330000 + number).to_bytes(4, "big")], NOW + number)
    assert len(one.addresses) == MAX_ADDRESSES
    assert one.covers((0xC6330000 + 10 * MAX_ADDRESSES - 1).to_bytes(4, "big"))


def test_a_successor_knows_what_was_known_of_the_names_it_keeps() -> None:
    before = answered(WORLD)
    for name in WORLD:
        before.answer(name, [B], NOW)
    config = ExemptConfig.model_validate({"wifi_calling": {"networks": ["410-01"]}})
    after = Exemptions(config, WORLD[:50], before.known())
    assert after.wifi_calling_missing(NOW) is None
    assert after.addresses == before.addresses == {A, B}
    other = Exemptions(ExemptConfig(), (), before.known())
    assert not other.addresses
    assert not other.known()


def test_the_others_that_were_never_answered_come_first_then_the_oldest() -> None:
    one = exemptions(WORLD[:5], networks=["410-01"])
    assert one.others == WORLD[:5]
    one.answer(WORLD[0], [A], NOW)
    one.answer(WORLD[2], [], NOW - 1)
    assert one.others == (WORLD[1], WORLD[3], WORLD[4], WORLD[2], WORLD[0])


def test_nothing_absurd_comes_back_from_memory() -> None:
    config = ExemptConfig.model_validate({"names": ["epdg.example"]})
    known = {"epdg.example": Known(NOW, {A: NOW, bytes([127, 0, 0, 1]): NOW})}
    assert Exemptions(config, (), known).addresses == {A}


def test_answers_for_names_nobody_asked_for_are_ignored() -> None:
    one = exemptions(names=["epdg.example"])
    assert not one.answer("elsewhere.example", [A], NOW)
    one.failed("elsewhere.example")
    assert not one.addresses


def test_the_census_counts_own_and_others_apart() -> None:
    one = answered(WORLD)
    one.answer(WORLD[0], [B], NOW - 5)
    one.answer(WORLD[1], [], NOW - 9)
    one.answer(WORLD[2], [B], NOW, complete=False)
    assert one.census() == {"own": Census(8, 8, 2, NOW), "others": Census(100, 2, 2, NOW - 9)}


ADDRESSES = [bytes([198, 51, 100, number]) for number in range(6)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.example", "b.example", WORLD[0]]),
            st.lists(st.sampled_from(ADDRESSES), max_size=4),
            st.booleans(),
            st.floats(0, ADDRESS_KEPT),
        ),
        max_size=30,
    )
)
def test_what_is_exempt_is_what_answers_of_a_day_named_and_the_last_of_each_name(
    steps: list[tuple[str, list[bytes], bool, float]],
) -> None:
    one = Exemptions(ExemptConfig.model_validate({"names": ["a.example", "b.example"]}), WORLD[:1])
    now, history = NOW, list[tuple[str, list[bytes], float]]()
    for name, addresses, complete, later in steps:
        now += later
        before = one.addresses
        changed = one.answer(name, addresses, now, complete)
        assert changed == (one.addresses != before)
        history.append((name, addresses, now))
    for name in ("a.example", "b.example", WORLD[0]):
        mine = [(addresses, at) for this, addresses, at in history if this == name and addresses]
        if not mine:
            continue
        last, at = mine[-1]
        assert set(last) <= one.addresses
        for addresses, earlier in mine:
            if at - earlier < ADDRESS_KEPT:
                assert set(addresses) <= one.addresses
    everything = {address for _, addresses, _ in history for address in addresses}
    assert one.addresses <= everything
    assert one.addresses == {address for known in one.known().values() for address in known.addresses}
    assert all(one.covers(address) == (address in one.addresses) for address in ADDRESSES)

"""What of a DNS answer is believed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.exempt_answers import MAX_ADDRESSES, judge, obstacle


def packed(*texts: str) -> list[bytes]:
    return [ip_address(text).packed for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.1.1"),
        *("172.16.0.1", "172.31.255.255", "192.168.1.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::ffff:198.51.100.1", "fc00::1", "fd12::1", "fe80::1", "ff02::1"),
        *("64:ff9b::10.0.0.1", "64:ff9b::", "100::1", "4000::1"),
    ],
)
def test_addresses_that_can_be_no_epdg_on_the_internet_are_not_believed(text: str) -> None:
    judged = judge(packed(text, "198.51.100.1"))
    assert judged.addresses == tuple(packed("198.51.100.1"))
    assert judged.refused is not None
    assert str(ip_address(text)) in judged.refused


@pytest.mark.parametrize(
    "text",
    [
        *("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"),
        *("223.255.255.255", "2001:db8::1", "2400::1", "3fff:ffff::1", "64:ff9b::198.51.100.1"),
    ],
)
def test_unicast_addresses_and_those_behind_nat64_are_believed(text: str) -> None:
    assert judge(packed(text)) == judge(packed(text, text))
    assert judge(packed(text)).addresses == tuple(packed(text))
    assert judge(packed(text)).refused is None


def test_an_absurdly_long_answer_is_not_believed_at_all() -> None:
    addresses = [bytes([198, 51, 100, number]) for number in range(MAX_ADDRESSES + 1)]
    assert len(judge(addresses[:-1]).addresses) == MAX_ADDRESSES
    judged = judge(addresses)
    assert judged.addresses == ()
    assert f"{MAX_ADDRESSES + 1} addresses" in str(judged.refused)


@given(st.lists(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), max_size=40))
def test_of_any_answer_only_unicast_is_believed_and_the_rest_has_its_reason(addresses: list[bytes]) -> None:
    judged = judge(addresses)
    assert set(judged.addresses) <= set(addresses)
    assert (judged.refused is None) == (set(judged.addresses) == set(addresses))
    for address in judged.addresses:
        parsed = ip_address(address)
        odd = parsed.is_loopback, parsed.is_link_local, parsed.is_multicast, parsed.is_unspecified
        assert not any(odd)
    for address in set(addresses) - set(judged.addresses):
        assert obstacle(address)

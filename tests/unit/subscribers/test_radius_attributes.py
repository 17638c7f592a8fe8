"""Packets taken apart, and networks read from octets: as pyrad and the parser of addresses have them."""

from __future__ import annotations

import random
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from pyrad.packet import AcctPacket, PacketError

from enforcer.registry.guards import parse_subscriber_network, subscriber_network
from enforcer.registry.model import Network
from enforcer.subscribers.radius.codec import MOST_ATTRIBUTES, taken_apart
from tests.bench.radius import fuzzed
from tests.lab import radius as lab

OTHERWISE = (26, 80)
"""Types that pyrad takes further apart, or keeps apart."""


def test_packets_are_taken_apart_as_pyrad_does() -> None:
    usable = 0
    packets = fuzzed(random.Random(2))
    for _ in range(20_000):
        datagram, _ = next(packets)
        if len(datagram) < 20:
            continue
        length = int.from_bytes(datagram[2:4], "big")
        if not 20 <= length <= len(datagram):
            continue
        datagram = datagram[:length]
        found = taken_apart(datagram)
        try:
            pyrad = AcctPacket(packet=datagram, secret=lab.SECRET)
        except PacketError:
            assert found is None
            continue
        if found is None:
            # pyrad takes a last attribute that is cut off for a shorter one.
            continue
        usable += 1
        ours = {kind: values for kind, values in found.items() if kind not in OTHERWISE}
        theirs = {key: pyrad[key] for key in pyrad if isinstance(key, int) and key not in OTHERWISE}
        assert ours == theirs
    assert usable > 5000


def test_more_attributes_than_any_packet_has_are_not_taken_apart() -> None:
    header = bytes(20)
    assert taken_apart(header + b"\1\2" * MOST_ATTRIBUTES) is not None
    assert taken_apart(header + b"\1\2" * (MOST_ATTRIBUTES + 1)) is None


@settings(deadline=None)
@given(
    st.one_of(st.ip_addresses(), st.sampled_from(["127.0.0.1", "224.0.0.1", "::", "::1", "fe80::", "ff00::"])),
    st.data(),
)
def test_a_network_of_octets_is_as_of_text(address: object, data: st.DataObject) -> None:
    packed = ip_address(str(address)).packed
    bits = 8 * len(packed)
    length = data.draw(st.integers(0, bits))
    masked = (int.from_bytes(packed, "big") >> bits - length << bits - length).to_bytes(len(packed), "big")

    def told(result: object) -> Network | str:
        try:
            return result()  # type: ignore[operator, no-any-return]
        except ValueError as error:
            return str(error)

    text = f"{ip_address(masked)}/{length}"
    assert told(lambda: subscriber_network(masked, length)) == told(lambda: parse_subscriber_network(text))

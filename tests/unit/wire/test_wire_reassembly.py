"""Fragments to datagrams: whatever the cut and the order, the packet of the unfragmented datagram comes out."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.wire.packet import Fragment, NotParsed, Packet, Protocol
from enforcer.wire.reassembly import Reassembler

A4, B4 = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])
A6, B6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02"


def datagram(size: int) -> bytes:
    return struct.pack(">HHHH", 500, 4500, 8 + size, 0) + bytes(i & 0xFF for i in range(size))


def whole(v6: bool, data: bytes) -> Packet:
    return Packet(Protocol.UDP, A6 if v6 else A4, B6 if v6 else B4, 500, 4500, data[8:], len(data) - 8)


def piece(
    data: bytes, start: int, stop: int, *, v6: bool = False, identification: int = 7, protocol: int = 17
) -> Fragment:
    part = data[start:stop]
    return Fragment(
        A6 if v6 else A4, B6 if v6 else B4, identification, protocol, start, stop < len(data), part, len(part)
    )  # fmt: skip


def cut(data: bytes, at: list[int], *, v6: bool = False, identification: int = 7) -> list[Fragment]:
    edges = [0, *at, len(data)]
    return [piece(data, start, stop, v6=v6, identification=identification) for start, stop in pairwise(edges)]


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[bool, bytes, list[Fragment]]:
    v6 = draw(st.booleans())
    data = datagram(draw(st.integers(9, 4000)))
    eighths = draw(st.sets(st.integers(1, (len(data) - 1) // 8), min_size=1, max_size=40))
    fragments = cut(data, sorted(eighth * 8 for eighth in eighths), v6=v6)
    copies = draw(st.lists(st.sampled_from(fragments[:-1]), max_size=3)) if len(fragments) > 2 else []
    return v6, data, draw(st.permutations(fragments + copies))


@given(shuffled())
def test_any_cut_in_any_order_gives_the_unfragmented_packet(case: tuple[bool, bytes, list[Fragment]]) -> None:
    v6, data, fragments = case
    reassembler = Reassembler(4, 30)
    results = [reassembler.add(fragment, 0.0) for fragment in fragments]
    packets = [result for result in results if result is not None]
    assert packets == [whole(v6, data)]
    missing = len(set(fragments))
    last_new = max(fragments.index(fragment) for fragment in fragments)
    assert missing >= 2
    assert results.index(packets[0]) == last_new, "given out with the last missing fragment"


@given(st.lists(st.integers(0, 5), min_size=12, max_size=12), st.randoms(use_true_random=False))
def test_interleaved_datagrams_do_not_mix(sizes: list[int], random: object) -> None:
    assert hasattr(random, "shuffle")
    datagrams = {number: datagram(40 + size) for number, size in enumerate(sizes)}
    fragments = [
        fragment for number, data in datagrams.items() for fragment in cut(data, [16, 32], identification=number)
    ]
    random.shuffle(fragments)
    reassembler = Reassembler(len(datagrams), 30)
    packets = [packet for fragment in fragments if (packet := reassembler.add(fragment, 0.0))]
    assert sorted(packets) == sorted(whole(False, data) for data in datagrams.values())
    assert len(reassembler) == 0


def test_ipv4_protocol_and_addresses_tell_datagrams_apart() -> None:
    data = datagram(20)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(data, 0, 16), 0.0) is None
    assert reassembler.add(piece(data, 16, 28, protocol=6), 0.0) is None
    assert reassembler.add(piece(data, 16, 28)._replace(source=B4), 0.0) is None
    assert reassembler.add(piece(data, 16, 28), 0.0) == whole(False, data)


def test_ipv6_takes_the_protocol_from_the_first_fragment_only() -> None:
    extension = bytes([17, 0]) + bytes(6)
    data = extension + datagram(20)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(data, 16, 36, v6=True, protocol=59), 0.0) is None
    assert reassembler.add(piece(data, 0, 16, v6=True, protocol=60), 0.0) == whole(True, data[8:])


def test_a_fragment_inside_a_reassembled_packet_is_refused() -> None:
    inner = bytes([17, 0, 0, 1]) + bytes(4) + datagram(8)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(inner, 0, 16, v6=True, protocol=44), 0.0) is None
    assert reassembler.add(piece(inner, 16, 24, v6=True, protocol=44), 0.0) == NotParsed(
        "IPv6 fragment inside a reassembled packet"
    )


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize(("start", "stop"), [(8, 24), (24, 40), (8, 40), (16, 24), (24, 32), (16, 40), (0, 48)])
def test_overlap_gives_the_datagram_up(v6: bool, start: int, stop: int) -> None:
    data = datagram(56)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(data, 16, 32, v6=v6), 0.0) is None
    overlap = NotParsed("overlapping fragments")
    assert reassembler.add(piece(data, start, stop, v6=v6), 0.0) == overlap
    for rest in (piece(data, 0, 16, v6=v6), piece(data, 32, 64, v6=v6)):
        assert reassembler.add(rest, 1.0) == overlap, "no later fragment brings it back"


def test_same_place_other_bytes_is_an_overlap() -> None:
    data = datagram(24)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(data, 0, 16), 0.0) is None
    forged = piece(data, 0, 16)._replace(data=b"\xff" * 16)
    assert reassembler.add(forged, 0.0) == NotParsed("overlapping fragments")


@pytest.mark.parametrize("first", [True, False])
def test_data_beyond_the_end_is_a_conflict(first: bool) -> None:
    data = datagram(56)
    last = piece(data[:40], 32, 40)
    beyond = piece(data, 48, 56)
    order = [last, beyond] if first else [beyond, last]
    reassembler = Reassembler(8, 30)
    assert reassembler.add(order[0], 0.0) is None
    assert reassembler.add(order[1], 0.0) == NotParsed("fragments disagree about the datagram's end or protocol")


def test_two_ends_are_a_conflict() -> None:
    data = datagram(56)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(data, 48, 64), 0.0) is None
    assert reassembler.add(piece(data, 16, 32)._replace(more=False), 0.0) == NotParsed(
        "fragments disagree about the datagram's end or protocol"
    )
    assert reassembler.add(piece(data, 0, 16, identification=8), 0.0) is None
    assert reassembler.add(piece(data, 0, 16, identification=8)._replace(more=False), 0.0) == NotParsed(
        "fragments disagree about the datagram's end or protocol"
    )


LENGTH = "fragment length empty, or not a multiple of 8 though more follow"


@pytest.mark.parametrize(
    ("fragment", "reason"),
    [
        (Fragment(A4, B4, 1, 17, 65528, False, bytes(8), 8), "fragments of a datagram longer than 65535 bytes"),
        (Fragment(A4, B4, 1, 17, 8, True, b"", 0), LENGTH),
        (Fragment(A4, B4, 1, 17, 8, False, b"", 0), LENGTH),
        (Fragment(A4, B4, 1, 17, 8, True, bytes(9), 9), LENGTH),
        (Fragment(A4, B4, 1, 17, 8, True, bytes(8), 16), "fragment cut short by the capture"),
    ],
)  # fmt: skip
def test_bad_fragments_say_why(fragment: Fragment, reason: str) -> None:
    assert Reassembler(8, 30).add(fragment, 0.0) == NotParsed(reason)


def test_the_longest_datagram_fits() -> None:
    data = datagram(65535 - 8)
    reassembler = Reassembler(8, 30)
    results = [reassembler.add(fragment, 0.0) for fragment in cut(data, list(range(1480, 65535, 1480)))]
    assert results[-1] == whole(False, data)


def test_time_runs_out_from_the_first_fragment() -> None:
    data = datagram(40)
    reassembler = Reassembler(8, 30)
    assert reassembler.add(piece(data, 0, 16), 100.0) is None
    assert reassembler.add(piece(data, 16, 32), 129.0) is None
    assert reassembler.add(piece(data, 32, 48), 130.0) is None, "the first two are gone"
    assert len(reassembler) == 1
    in_time = Reassembler(8, 30)
    assert in_time.add(piece(data, 0, 16), 100.0) is None
    assert in_time.add(piece(data, 16, 32), 100.0) is None
    assert in_time.add(piece(data, 32, 48), 129.9) == whole(False, data)


def test_at_capacity_the_oldest_datagram_goes() -> None:
    data = datagram(20)
    reassembler = Reassembler(2, 30)
    for identification in (1, 2, 3):
        assert reassembler.add(piece(data, 0, 16, identification=identification), 0.0) is None
    assert len(reassembler) == 2
    assert reassembler.add(piece(data, 16, 28, identification=3), 0.0) == whole(False, data)
    assert reassembler.add(piece(data, 16, 28, identification=2), 0.0) == whole(False, data)
    assert reassembler.add(piece(data, 16, 28, identification=1), 0.0) is None


def test_a_flood_of_tiny_fragments_stays_bounded() -> None:
    reassembler = Reassembler(2, 30)
    data = datagram(8 * 300)
    for start in range(0, 8 * 200, 8):
        assert reassembler.add(piece(data, start, start + 8, identification=1), 0.0) is None
    for start in range(0, 8 * 100, 8):
        assert reassembler.add(piece(data, start, start + 8, identification=2), 0.0) is None
    assert len(reassembler) == 1, "256 fragments are the bound: the older datagram went"
    for start in range(8 * 100, len(data) - 8, 8):
        reassembler.add(piece(data, start, start + 8, identification=2), 0.0)
    assert len(reassembler) <= 1


def test_abandoned_and_finished_datagrams_give_their_room_back() -> None:
    reassembler = Reassembler(1, 30)
    data = datagram(8 * 100)
    for identification in range(10):
        *others, last = cut(data, list(range(8, 8 * 100, 8)), identification=identification)
        for fragment in others:
            assert reassembler.add(fragment, 0.0) is None
        if identification % 2:
            assert reassembler.add(last, 0.0) == whole(False, data)
        else:
            forged = last._replace(offset=last.offset - 8)
            assert reassembler.add(forged, 0.0) == NotParsed("overlapping fragments")


def test_nonsense_bounds_are_refused() -> None:
    for capacity, timeout in ((0, 30.0), (1, 0.0)):
        with pytest.raises(ValueError, match="positive"):
            Reassembler(capacity, timeout)

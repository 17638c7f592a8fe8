"""WireGuard: each message, each field changed, and the answers that confirm."""

from __future__ import annotations

import pytest

from enforcer.fingerprints.detection import Detection, Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet
from tests.unit.fingerprints.builders import NOW, reply, udp, wg_cookie, wg_data, wg_initiation, wg_response

LOADED = b"\x07" * 16


def inspect(detector: Detector, packet: Packet, after: float = 0.0) -> Detection | None:
    return detector.inspect(packet, NOW + after)


def standing(detection: Detection | None) -> Standing | None:
    return None if detection is None else detection.standing


def test_initiation_is_proof_on_one_packet() -> None:
    packet = udp(wg_initiation())
    detection = inspect(Detector(), packet)
    assert detection is not None
    assert (detection.family, detection.variant, detection.message) == (
        "wireguard",
        "wireguard",
        "handshake initiation",
    )
    assert detection.standing is Standing.PROVEN
    assert detection.handshake
    assert detection.from_initiator
    for evidence in detection.evidence:
        end = evidence.offset + len(evidence.octets)
        assert packet.payload[evidence.offset : end] == evidence.octets


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_initiation_with_another_fixed_byte_is_nothing(offset: int) -> None:
    changed = bytearray(wg_initiation())
    changed[offset] ^= 0x80
    assert inspect(Detector(), udp(bytes(changed))) is None


@pytest.mark.parametrize("message", [wg_initiation()[:-1], wg_initiation() + b"\0"])
def test_initiation_of_another_length_is_nothing(message: bytes) -> None:
    assert inspect(Detector(), udp(message)) is None


def test_initiation_with_a_zero_ephemeral_key_is_nothing() -> None:
    message = wg_initiation()
    assert inspect(Detector(), udp(message[:8] + bytes(32) + message[40:])) is None


@pytest.mark.parametrize("offset", range(132, 148))
def test_any_byte_of_mac2_makes_it_a_candidate(offset: int) -> None:
    changed = bytearray(wg_initiation())
    changed[offset] = 1
    assert standing(inspect(Detector(), udp(bytes(changed)))) is Standing.CANDIDATE


def test_repeating_a_candidate_proves_nothing() -> None:
    detector = Detector()
    for second in range(5):
        packet = udp(wg_initiation(sender=second, mac2=LOADED))
        assert standing(inspect(detector, packet, second)) is Standing.CANDIDATE


def test_snapped_before_mac2_waits_for_the_answer() -> None:
    detector = Detector()
    snapped = udp(wg_initiation()[:96], length=148)
    assert standing(inspect(detector, snapped)) is Standing.CANDIDATE
    assert standing(inspect(detector, reply(snapped, wg_response()))) is Standing.PROVEN


def test_snapped_before_the_ephemeral_key_is_nothing() -> None:
    assert inspect(Detector(), udp(wg_initiation()[:39], length=148)) is None


def test_response_confirms_a_candidate_and_later_initiations() -> None:
    detector = Detector()
    candidate = udp(wg_initiation(mac2=LOADED))
    inspect(detector, candidate)
    response = inspect(detector, reply(candidate, wg_response()), 0.1)
    assert response is not None
    assert (response.standing, response.handshake, response.from_initiator) == (Standing.PROVEN, True, False)
    again = inspect(detector, udp(wg_initiation(sender=9, mac2=LOADED)), 120)
    assert standing(again) is Standing.PROVEN


def test_cookie_reply_confirms_a_candidate() -> None:
    detector = Detector()
    candidate = udp(wg_initiation(mac2=LOADED))
    inspect(detector, candidate)
    cookie = inspect(detector, reply(candidate, wg_cookie()), 0.1)
    assert cookie is not None
    assert (cookie.message, cookie.standing, cookie.from_initiator) == ("cookie reply", Standing.PROVEN, False)
    assert standing(inspect(detector, udp(wg_initiation(5, LOADED)), 5)) is Standing.PROVEN


def test_cookie_reply_to_a_response_comes_from_the_initiator() -> None:
    detector = Detector()
    opening = udp(wg_initiation())
    inspect(detector, opening)
    inspect(detector, reply(opening, wg_response(sender=77)), 0.1)
    cookie = inspect(detector, udp(wg_cookie(receiver=77)), 0.2)
    assert cookie is not None
    assert (cookie.standing, cookie.from_initiator) == (Standing.PROVEN, True)


@pytest.mark.parametrize("message", [wg_response(receiver=1), wg_cookie(receiver=1)])
def test_an_answer_to_another_index_is_nothing(message: bytes) -> None:
    detector = Detector()
    candidate = udp(wg_initiation(mac2=LOADED))
    inspect(detector, candidate)
    assert inspect(detector, reply(candidate, message), 0.1) is None
    assert standing(inspect(detector, udp(wg_initiation(8, LOADED)), 5)) is Standing.CANDIDATE


@pytest.mark.parametrize("message", [wg_response(), wg_cookie()])
def test_an_answer_from_the_same_side_is_nothing(message: bytes) -> None:
    detector = Detector()
    inspect(detector, udp(wg_initiation()))
    assert inspect(detector, udp(message), 0.1) is None


@pytest.mark.parametrize(
    "message",
    [
        wg_response()[:-1],
        wg_response() + b"\0",
        b"\2\0\0\1" + wg_response()[4:],
        wg_response()[:12] + bytes(32) + wg_response()[44:],
        wg_cookie()[:-1],
        wg_cookie() + b"\0",
        b"\3\1\0\0" + wg_cookie()[4:],
    ],
)
def test_a_changed_answer_is_nothing(message: bytes) -> None:
    detector = Detector()
    opening = udp(wg_initiation())
    inspect(detector, opening)
    assert inspect(detector, reply(opening, message), 0.1) is None


@pytest.mark.parametrize("message", [wg_response(), wg_cookie(), wg_data()])
def test_nothing_is_said_of_a_flow_without_a_handshake(message: bytes) -> None:
    assert inspect(Detector(), udp(message)) is None


def test_the_answer_to_an_earlier_retransmission_counts() -> None:
    detector = Detector()
    for number in range(4):
        inspect(detector, udp(wg_initiation(sender=number + 1, mac2=LOADED)), 5.0 * number)
    late = reply(udp(b""), wg_response(receiver=1))
    assert standing(inspect(detector, late, 16)) is Standing.PROVEN


def test_data_is_seen_on_a_proven_flow_only() -> None:
    detector = Detector()
    candidate = udp(wg_initiation(mac2=LOADED))
    inspect(detector, candidate)
    assert inspect(detector, udp(wg_data()), 0.05) is None
    inspect(detector, reply(candidate, wg_response()), 0.1)
    for packet, from_initiator in ((udp(wg_data()), True), (reply(candidate, wg_data(plain=1420)), False)):
        data = inspect(detector, packet, 0.2)
        assert data is not None
        assert (data.standing, data.handshake, data.from_initiator) == (Standing.SEEN, False, from_initiator)
    assert inspect(detector, udp(wg_data()[:31]), 0.3) is None
    assert inspect(detector, udp(b"\4\0\1\0" + wg_data()[4:]), 0.3) is None


def test_an_initiation_full_of_zeros_waits_for_the_answer() -> None:
    """What a zero-padded record of 148 bytes would look like."""
    for zeros, expected in ((8, Standing.PROVEN), (9, Standing.CANDIDATE), (100, Standing.CANDIDATE)):
        detector = Detector()
        message = wg_initiation()
        packet = udp(message[: 132 - zeros] + bytes(zeros + 16))
        assert standing(inspect(detector, packet)) is expected
        assert standing(inspect(detector, reply(packet, wg_response()), 0.1)) is Standing.PROVEN

"""The table of flows: what it remembers, for how long, and its bound."""

from __future__ import annotations

import pytest

from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import CANDIDATE_SECONDS, PROVEN_SECONDS, Detector
from enforcer.wire.packet import Packet
from tests.unit.fingerprints.builders import (
    NOW,
    PEER_SESSION,
    SESSION,
    ovpn_body,
    ovpn_plain,
    ovpn_tls_auth,
    reply,
    udp,
    wg_data,
    wg_initiation,
    wg_response,
)

CANDIDATE = wg_initiation(mac2=b"\x09" * 16)


def flow(number: int, payload: bytes) -> Packet:
    return udp(payload, ("10.0.0.2", 1024 + number))


def is_proven(detector: Detector, number: int, after: float) -> bool:
    """Whether the flow's candidate is still there to be confirmed."""
    answer = reply(flow(number, b""), wg_response())
    detection = detector.inspect(answer, NOW + after)
    return detection is not None and detection.standing is Standing.PROVEN


def test_the_same_flow_in_both_directions_is_one() -> None:
    for client, server in (("10.0.0.2", "198.51.100.7"), ("198.51.100.7", "10.0.0.2")):
        detector = Detector()
        opening = udp(CANDIDATE, (client, 5000), (server, 51820))
        detector.inspect(opening, NOW)
        answer = detector.inspect(reply(opening, wg_response()), NOW)
        assert answer is not None
        assert answer.standing is Standing.PROVEN
        assert len(detector) == 1


def test_candidates_are_forgotten_after_their_time_and_not_before() -> None:
    detector = Detector()
    detector.inspect(flow(1, CANDIDATE), NOW)
    detector.inspect(flow(2, CANDIDATE), NOW)
    assert is_proven(detector, 1, CANDIDATE_SECONDS)
    assert not is_proven(detector, 2, CANDIDATE_SECONDS + 0.1)


def test_a_client_reset_s_candidate_is_forgotten_too() -> None:
    detector = Detector()
    detector.inspect(udp(ovpn_tls_auth(7, ovpn_body(), 20, net_time=1)), NOW)
    answer = reply(udp(b""), ovpn_tls_auth(8, ovpn_body((0,), SESSION), 20, PEER_SESSION))
    detection = detector.inspect(answer, NOW + CANDIDATE_SECONDS + 0.1)
    assert detection is not None
    assert detection.standing is Standing.CANDIDATE


def test_proven_flows_are_forgotten_when_quiet_for_long() -> None:
    detector = Detector()
    detector.inspect(udp(wg_initiation()), NOW)
    data = udp(wg_data())
    assert detector.inspect(data, NOW + PROVEN_SECONDS) is not None
    assert detector.inspect(data, NOW + 2 * PROVEN_SECONDS) is not None
    assert detector.inspect(data, NOW + 3 * PROVEN_SECONDS + 0.1) is None
    assert len(detector) == 0


def test_at_the_bound_the_quietest_flow_is_forgotten() -> None:
    detector = Detector(capacity=3)
    for number in (1, 2, 3):
        detector.inspect(flow(number, CANDIDATE), NOW)
    detector.inspect(flow(1, CANDIDATE), NOW + 1)
    detector.inspect(flow(4, CANDIDATE), NOW + 2)
    assert len(detector) == 3
    assert not is_proven(detector, 2, 3)
    assert is_proven(detector, 1, 3)
    assert is_proven(detector, 3, 3)
    assert is_proven(detector, 4, 3)


def test_a_flood_of_candidates_stays_within_the_bound() -> None:
    detector = Detector(capacity=100)
    for number in range(5000):
        detector.inspect(flow(number, CANDIDATE), NOW)
        detector.inspect(flow(number, ovpn_plain(8, ovpn_body((0,), SESSION))), NOW)
        assert len(detector) <= 100
    assert len(detector) == 100


def test_answers_without_a_question_take_no_room() -> None:
    detector = Detector()
    for payload in (wg_response(), wg_data(), ovpn_plain(8, ovpn_body((0,), SESSION))):
        detector.inspect(udp(payload), NOW)
    assert len(detector) == 0


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_table_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        Detector(capacity)


def test_one_family_after_another_on_the_same_flow() -> None:
    detector = Detector()
    detector.inspect(udp(CANDIDATE), NOW)
    reset = detector.inspect(udp(ovpn_plain(7, ovpn_body())), NOW)
    assert reset is not None
    assert (reset.family, reset.standing) == ("openvpn", Standing.PROVEN)
    answer = detector.inspect(reply(udp(b""), wg_response()), NOW)
    assert answer is None


def test_time_that_steps_back_forgets_nothing() -> None:
    detector = Detector()
    detector.inspect(flow(1, CANDIDATE), NOW)
    assert is_proven(detector, 1, -3600)


def test_flows_whose_time_is_over_are_forgotten_without_another_packet() -> None:
    detector = Detector()
    detector.inspect(udp(wg_initiation()), NOW)
    for number in (1, 2, 3):
        detector.inspect(flow(number, CANDIDATE), NOW + number)
    detector.expire(NOW + CANDIDATE_SECONDS + 1, 10)
    assert len(detector) == 4
    detector.expire(NOW + CANDIDATE_SECONDS + 3, 1)
    assert len(detector) == 3
    detector.expire(NOW + CANDIDATE_SECONDS + 4, 10)
    assert len(detector) == 1
    detector.expire(NOW + PROVEN_SECONDS, 10)
    assert len(detector) == 1
    detector.expire(NOW + PROVEN_SECONDS + 0.1, 10)
    assert len(detector) == 0


def test_at_the_bound_a_candidate_goes_before_a_proven_flow() -> None:
    detector = Detector(capacity=2)
    detector.inspect(udp(wg_initiation()), NOW)
    for number in (1, 2, 3):
        detector.inspect(flow(number, CANDIDATE), NOW + number)
    assert len(detector) == 2
    assert detector.inspect(udp(wg_data()), NOW + 4) is not None
    assert is_proven(detector, 3, 4)


def test_at_the_bound_a_candidate_is_confirmed_all_the_same() -> None:
    detector = Detector(capacity=8)
    for number in range(8):
        detector.inspect(flow(number, wg_initiation()), NOW + number)
    for number in (11, 12):
        detector.inspect(flow(number, CANDIDATE), NOW + number)
    assert len(detector) == 8
    assert is_proven(detector, 11, 13)
    assert is_proven(detector, 12, 13)

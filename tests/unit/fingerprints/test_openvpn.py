"""OpenVPN: each hard reset in each mode over UDP and TCP, each field changed, and what confirms a candidate."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from enforcer.fingerprints import openvpn
from enforcer.fingerprints.detection import Detection, Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet
from tests.unit.fingerprints.builders import (
    NOW,
    PEER_SESSION,
    SESSION,
    framed,
    ovpn_body,
    ovpn_plain,
    ovpn_tls_auth,
    ovpn_tls_crypt,
    ovpn_wrapped_key,
    reply,
    tcp,
    udp,
)

CLIENT_V2, SERVER_V2, CLIENT_V3 = 7, 8, 10
ANSWER = ovpn_body((0,), SESSION)
OPENING = ovpn_body()
DIGESTS = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
WRONG = NOW - 3 * 365 * 86400

Wrap = Callable[[int, bytes, bytes, int, float], bytes]


def auth(size: int) -> Wrap:
    def wrap(opcode: int, body: bytes, session: bytes, replay_id: int, net_time: float) -> bytes:
        return ovpn_tls_auth(opcode, body, size, session, replay_id, net_time)

    return wrap


def crypt(opcode: int, body: bytes, session: bytes, replay_id: int, net_time: float) -> bytes:
    return ovpn_tls_crypt(opcode, body, session, replay_id, net_time)


def crypt_v2(opcode: int, body: bytes, session: bytes, replay_id: int, net_time: float) -> bytes:
    if opcode == CLIENT_V2:
        return ovpn_tls_crypt(CLIENT_V3, body, session, replay_id, net_time, ovpn_wrapped_key())
    return ovpn_tls_crypt(opcode, body, session, replay_id, net_time)


WRAPPED: list[tuple[str, Wrap]] = [(f"tls-auth-{name}", auth(size)) for name, size in DIGESTS.items()]
WRAPPED += [("tls-crypt", crypt), ("tls-crypt-v2", crypt_v2)]
EACH_WRAPPED = pytest.mark.parametrize(("variant", "wrap"), WRAPPED)
EACH_TRANSPORT = pytest.mark.parametrize("over_tcp", [False, True], ids=["udp", "tcp"])


def send(message: bytes, over_tcp: bool) -> Packet:
    return tcp(framed(message)) if over_tcp else udp(message)


def answer(message: bytes, over_tcp: bool) -> Packet:
    return reply(tcp(b""), framed(message)) if over_tcp else reply(udp(b""), message)


def standing(detection: Detection | None) -> Standing | None:
    return None if detection is None else detection.standing


def check(detection: Detection | None, variant: str, wanted: Standing, from_initiator: bool = True) -> None:
    assert detection is not None
    assert (detection.family, detection.variant) == ("openvpn", variant)
    assert (detection.standing, detection.handshake) == (wanted, True)
    assert detection.from_initiator is from_initiator


@EACH_TRANSPORT
@EACH_WRAPPED
def test_wrapped_client_reset_is_proof(variant: str, wrap: Wrap, over_tcp: bool) -> None:
    packet = send(wrap(CLIENT_V2, OPENING, SESSION, 1, NOW), over_tcp)
    detection = Detector().inspect(packet, NOW)
    check(detection, variant, Standing.PROVEN)
    assert detection is not None
    for evidence in detection.evidence:
        end = evidence.offset + len(evidence.octets)
        assert packet.payload[evidence.offset : end] == evidence.octets


@EACH_TRANSPORT
def test_plain_client_reset_is_proof(over_tcp: bool) -> None:
    message = ovpn_plain(CLIENT_V2, OPENING)
    assert len(message) == 14
    check(Detector().inspect(send(message, over_tcp), NOW), "tls-plain", Standing.PROVEN)


@EACH_TRANSPORT
@EACH_WRAPPED
def test_server_reset_confirms(variant: str, wrap: Wrap, over_tcp: bool) -> None:
    detector = Detector()
    detector.inspect(send(wrap(CLIENT_V2, OPENING, SESSION, 1, NOW), over_tcp), NOW)
    packet = answer(wrap(SERVER_V2, ANSWER, PEER_SESSION, 1, NOW), over_tcp)
    check(detector.inspect(packet, NOW), variant, Standing.PROVEN, from_initiator=False)


@EACH_TRANSPORT
def test_plain_server_reset_confirms(over_tcp: bool) -> None:
    detector = Detector()
    detector.inspect(send(ovpn_plain(CLIENT_V2, OPENING), over_tcp), NOW)
    packet = answer(ovpn_plain(SERVER_V2, ANSWER, PEER_SESSION), over_tcp)
    detection = detector.inspect(packet, NOW)
    check(detection, "tls-plain", Standing.PROVEN, from_initiator=False)
    assert detection is not None
    assert SESSION in [evidence.octets for evidence in detection.evidence]
    for evidence in detection.evidence:
        end = evidence.offset + len(evidence.octets)
        assert packet.payload[evidence.offset : end] == evidence.octets


def test_server_reset_that_asks_for_the_wrapped_key_confirms() -> None:
    detector = Detector()
    detector.inspect(udp(crypt_v2(CLIENT_V2, OPENING, SESSION, 0x0F000001, NOW)), NOW)
    early = ANSWER + bytes.fromhex("000100020001")  # TLV_TYPE_EARLY_NEG_FLAGS, 2 bytes, RESEND_WKC
    packet = reply(udp(b""), crypt(SERVER_V2, early, PEER_SESSION, 1, NOW))
    assert packet.payload_length == 72
    check(detector.inspect(packet, NOW), "tls-crypt-v2", Standing.PROVEN, from_initiator=False)


@EACH_TRANSPORT
@EACH_WRAPPED
def test_server_reset_alone_is_a_candidate_and_stays_one(variant: str, wrap: Wrap, over_tcp: bool) -> None:
    del variant
    detector = Detector()
    packet = answer(wrap(SERVER_V2, ANSWER, PEER_SESSION, 1, NOW), over_tcp)
    for _ in range(3):
        assert standing(detector.inspect(packet, NOW)) is Standing.CANDIDATE
    assert len(detector) == 0


@EACH_WRAPPED
def test_server_reset_of_the_client_s_own_side_does_not_confirm(variant: str, wrap: Wrap) -> None:
    del variant
    detector = Detector()
    detector.inspect(udp(wrap(CLIENT_V2, OPENING, SESSION, 1, NOW)), NOW)
    packet = udp(wrap(SERVER_V2, ANSWER, PEER_SESSION, 1, NOW))
    assert standing(detector.inspect(packet, NOW)) is Standing.CANDIDATE


@EACH_TRANSPORT
@pytest.mark.parametrize(
    "wrap", [wrap for _, wrap in WRAPPED[:6]] + [lambda op, body, sid, _i, _t: ovpn_plain(op, body, sid)]
)
@pytest.mark.parametrize("bit", [0, 63])
def test_a_wrong_remote_session_id_does_not_confirm(wrap: Wrap, bit: int, over_tcp: bool) -> None:
    detector = Detector()
    detector.inspect(send(wrap(CLIENT_V2, OPENING, SESSION, 1, NOW), over_tcp), NOW)
    other = (int.from_bytes(SESSION, "big") ^ 1 << bit).to_bytes(8, "big")
    packet = answer(wrap(SERVER_V2, ovpn_body((0,), other), PEER_SESSION, 1, NOW), over_tcp)
    assert standing(detector.inspect(packet, NOW)) is Standing.CANDIDATE


@EACH_TRANSPORT
@EACH_WRAPPED
@pytest.mark.parametrize("off", [-openvpn.NEAR - 1, openvpn.NEAR + 1, WRONG - NOW, -NOW])
def test_a_wrong_clock_is_a_candidate(variant: str, wrap: Wrap, over_tcp: bool, off: float) -> None:
    packet = send(wrap(CLIENT_V2, OPENING, SESSION, 1, NOW + off), over_tcp)
    check(Detector().inspect(packet, NOW), variant, Standing.CANDIDATE)


@EACH_TRANSPORT
@EACH_WRAPPED
def test_a_wrong_clock_is_proven_by_the_answer_and_so_are_retransmissions(
    variant: str, wrap: Wrap, over_tcp: bool
) -> None:
    detector = Detector()
    first = send(wrap(CLIENT_V2, OPENING, SESSION, 1, WRONG), over_tcp)
    assert standing(detector.inspect(first, NOW)) is Standing.CANDIDATE
    packet = answer(wrap(SERVER_V2, ANSWER, PEER_SESSION, 1, NOW), over_tcp)
    check(detector.inspect(packet, NOW + 0.1), variant, Standing.PROVEN, from_initiator=False)
    again = send(wrap(CLIENT_V2, OPENING, SESSION, 2, WRONG), over_tcp)
    check(detector.inspect(again, NOW + 2), variant, Standing.PROVEN)
    another = send(wrap(CLIENT_V2, OPENING, PEER_SESSION, 1, WRONG), over_tcp)
    check(detector.inspect(another, NOW + 60), variant, Standing.CANDIDATE)


def test_with_both_clocks_wrong_tls_crypt_stays_a_candidate() -> None:
    detector = Detector()
    detector.inspect(udp(crypt(CLIENT_V2, OPENING, SESSION, 1, WRONG)), NOW)
    packet = reply(udp(b""), crypt(SERVER_V2, ANSWER, PEER_SESSION, 1, WRONG))
    assert standing(detector.inspect(packet, NOW)) is Standing.CANDIDATE


def test_with_both_clocks_wrong_tls_auth_is_proven_by_the_session_id() -> None:
    detector = Detector()
    wrap = auth(20)
    detector.inspect(udp(wrap(CLIENT_V2, OPENING, SESSION, 1, WRONG)), NOW)
    packet = reply(udp(b""), wrap(SERVER_V2, ANSWER, PEER_SESSION, 1, WRONG))
    check(detector.inspect(packet, NOW), "tls-auth-sha1", Standing.PROVEN, from_initiator=False)


@EACH_WRAPPED
@pytest.mark.parametrize("replay_id", [1, 2, 7, 0x0F000001, 0x0A000001])
def test_packet_ids_of_first_sends_and_retransmissions_fit(variant: str, wrap: Wrap, replay_id: int) -> None:
    packet = udp(wrap(CLIENT_V2, OPENING, SESSION, replay_id, NOW - 58))
    check(Detector().inspect(packet, NOW), variant, Standing.PROVEN)


@EACH_TRANSPORT
@EACH_WRAPPED
@pytest.mark.parametrize("replay_id", [0, 256, 0x00010001, 0x01000000])
def test_an_implausible_packet_id_is_nothing(variant: str, wrap: Wrap, replay_id: int, over_tcp: bool) -> None:
    del variant
    packet = send(wrap(CLIENT_V2, OPENING, SESSION, replay_id, NOW), over_tcp)
    assert Detector().inspect(packet, NOW) is None


ALL_CLIENTS = [wrap(CLIENT_V2, OPENING, SESSION, 1, NOW) for _, wrap in WRAPPED]
ALL_CLIENTS += [ovpn_plain(CLIENT_V2, OPENING)]
EACH_CLIENT = pytest.mark.parametrize("message", ALL_CLIENTS, ids=[name for name, _ in WRAPPED] + ["plain"])


@EACH_TRANSPORT
@EACH_CLIENT
@pytest.mark.parametrize("change", [-1, 1])
def test_a_length_off_by_one_is_nothing(message: bytes, change: int, over_tcp: bool) -> None:
    changed = message[:-1] if change < 0 else message + b"\0"
    assert Detector().inspect(send(changed, over_tcp), NOW) is None


@EACH_CLIENT
@pytest.mark.parametrize("change", [-1, 1])
def test_a_tcp_prefix_off_by_one_is_nothing(message: bytes, change: int) -> None:
    prefix = (len(message) + change).to_bytes(2, "big")
    assert Detector().inspect(tcp(prefix + message), NOW) is None


@EACH_CLIENT
def test_a_reset_cut_over_segments_is_not_proven(message: bytes) -> None:
    detector = Detector()
    stream = framed(message)
    for start in range(0, len(stream), 9):
        assert detector.inspect(tcp(stream[start : start + 9]), NOW) is None


@EACH_CLIENT
def test_more_messages_may_follow_in_the_segment(message: bytes) -> None:
    more = framed(ovpn_plain(4, ovpn_body() + b"\x16\x03\x01"))
    assert standing(Detector().inspect(tcp(framed(message) + more), NOW)) is Standing.PROVEN


@EACH_TRANSPORT
@EACH_CLIENT
def test_a_zero_session_id_is_nothing(message: bytes, over_tcp: bool) -> None:
    packet = send(message[:1] + bytes(8) + message[9:], over_tcp)
    assert Detector().inspect(packet, NOW) is None


@EACH_TRANSPORT
@EACH_CLIENT
@pytest.mark.parametrize("key_id", range(1, 8))
def test_another_key_id_is_nothing(message: bytes, key_id: int, over_tcp: bool) -> None:
    packet = send(bytes((message[0] | key_id,)) + message[1:], over_tcp)
    assert Detector().inspect(packet, NOW) is None


@EACH_CLIENT
@pytest.mark.parametrize("opcode", [0, 1, 2, 3, 4, 5, 6, 9, 11, 12, 31])
def test_another_opcode_is_nothing(message: bytes, opcode: int) -> None:
    assert Detector().inspect(udp(bytes((opcode << 3,)) + message[1:]), NOW) is None


@EACH_TRANSPORT
@pytest.mark.parametrize("message", [ALL_CLIENTS[i] for i in (0, 1, 2, 3, 4, 5, 8)])
@pytest.mark.parametrize("back", range(1, 6))
def test_each_of_the_five_zero_bytes_counts(message: bytes, back: int, over_tcp: bool) -> None:
    changed = bytearray(message)
    changed[-back] = 1
    assert standing(Detector().inspect(send(bytes(changed), over_tcp), NOW)) is not Standing.PROVEN


@EACH_CLIENT
def test_a_snapped_reset_is_not_proven(message: bytes) -> None:
    assert Detector().inspect(udp(message[:-1], length=len(message)), NOW) is None


@EACH_CLIENT
def test_what_was_captured_must_be_the_whole_datagram(message: bytes) -> None:
    assert Detector().inspect(udp(message, length=len(message) + 40), NOW) is None


@EACH_CLIENT
def test_a_reset_without_its_last_byte_is_not_proven_over_tcp(message: bytes) -> None:
    assert Detector().inspect(tcp(framed(message)[:-1]), NOW) is None


@pytest.mark.parametrize("length", [290, 299, 1024])
def test_every_wrapped_key_length_fits(length: int) -> None:
    message = ovpn_tls_crypt(CLIENT_V3, OPENING, wrapped_key=ovpn_wrapped_key(length))
    check(Detector().inspect(udp(message), NOW), "tls-crypt-v2", Standing.PROVEN)


@EACH_TRANSPORT
@pytest.mark.parametrize("length", [289, 1025])
def test_other_wrapped_key_lengths_are_nothing(length: int, over_tcp: bool) -> None:
    message = ovpn_tls_crypt(CLIENT_V3, OPENING, wrapped_key=ovpn_wrapped_key(length))
    assert Detector().inspect(send(message, over_tcp), NOW) is None


@EACH_TRANSPORT
@pytest.mark.parametrize("change", [-1, 1, 256])
def test_a_wrapped_key_that_misstates_its_length_is_nothing(change: int, over_tcp: bool) -> None:
    key = ovpn_wrapped_key(299)[:-2] + (299 + change).to_bytes(2, "big")
    message = ovpn_tls_crypt(CLIENT_V3, OPENING, wrapped_key=key)
    assert Detector().inspect(send(message, over_tcp), NOW) is None


@pytest.mark.parametrize("size", [None, *DIGESTS.values()])
def test_every_fixed_byte_of_a_server_reset_counts(size: int | None) -> None:
    def build(opcode: int, body: bytes, session: bytes) -> bytes:
        return ovpn_plain(opcode, body, session) if size is None else ovpn_tls_auth(opcode, body, size, session)

    message = build(SERVER_V2, ANSWER, PEER_SESSION)
    body = len(message) - len(ANSWER)
    fixed = [0, *range(body, body + 5), *range(len(message) - 4, len(message))]
    for offset in fixed:
        detector = Detector()
        detector.inspect(udp(build(CLIENT_V2, OPENING, SESSION)), NOW)
        changed = bytearray(message)
        changed[offset] ^= 0x02
        packet = reply(udp(b""), bytes(changed))
        assert standing(detector.inspect(packet, NOW)) is not Standing.PROVEN, offset


@EACH_TRANSPORT
def test_peer_to_peer_server_first_waits_for_the_client(over_tcp: bool) -> None:
    detector = Detector()
    first = answer(ovpn_plain(SERVER_V2, OPENING, PEER_SESSION), over_tcp)
    check(detector.inspect(first, NOW), "p2p-tls", Standing.CANDIDATE)
    check(detector.inspect(first, NOW + 2), "p2p-tls", Standing.CANDIDATE)
    client = send(ovpn_plain(CLIENT_V2, OPENING), over_tcp)
    check(detector.inspect(client, NOW + 3), "p2p-tls", Standing.PROVEN)
    check(detector.inspect(first, NOW + 4), "p2p-tls", Standing.PROVEN)


def test_peer_to_peer_client_first() -> None:
    detector = Detector()
    check(detector.inspect(udp(ovpn_plain(CLIENT_V2, OPENING)), NOW), "tls-plain", Standing.PROVEN)
    server = reply(udp(b""), ovpn_plain(SERVER_V2, OPENING, PEER_SESSION))
    check(detector.inspect(server, NOW), "p2p-tls", Standing.PROVEN, from_initiator=False)


def test_peer_to_peer_openings_from_one_side_prove_nothing_of_the_server_s() -> None:
    detector = Detector()
    detector.inspect(udp(ovpn_plain(CLIENT_V2, OPENING)), NOW)
    server = udp(ovpn_plain(SERVER_V2, OPENING, PEER_SESSION))
    assert standing(detector.inspect(server, NOW)) is Standing.CANDIDATE


@EACH_TRANSPORT
@EACH_WRAPPED
def test_wrapped_peer_to_peer_server_first_is_proof_by_its_time(variant: str, wrap: Wrap, over_tcp: bool) -> None:
    del variant
    right = answer(wrap(SERVER_V2, OPENING, PEER_SESSION, 1, NOW), over_tcp)
    check(Detector().inspect(right, NOW), "p2p-tls", Standing.PROVEN)
    wrong = answer(wrap(SERVER_V2, OPENING, PEER_SESSION, 1, WRONG), over_tcp)
    check(Detector().inspect(wrong, NOW), "p2p-tls", Standing.CANDIDATE)


@EACH_TRANSPORT
def test_data_and_control_are_seen_on_a_proven_flow_only(over_tcp: bool) -> None:
    detector = Detector()
    messages = {
        "data": [ovpn_plain(6, b"x" * 60), ovpn_plain(9, b"x" * 60, key_id=1)],
        "control": [ovpn_plain(4, ovpn_body((0,), PEER_SESSION, 1) + b"tls")],
        "ack": [ovpn_plain(5, ovpn_body((0,), PEER_SESSION)[:-4])],
        "soft reset": [ovpn_plain(3, OPENING, key_id=1)],
    }
    for each in messages.values():
        for message in each:
            assert detector.inspect(send(message, over_tcp), NOW) is None
    detector.inspect(send(ovpn_plain(CLIENT_V2, OPENING), over_tcp), NOW)
    for name, each in messages.items():
        for message in each:
            for packet, from_initiator in ((send(message, over_tcp), True), (answer(message, over_tcp), False)):
                detection = detector.inspect(packet, NOW)
                assert detection is not None
                assert (detection.message, detection.standing) == (name, Standing.SEEN)
                assert (detection.handshake, detection.from_initiator) == (False, from_initiator)


def test_opcodes_1_and_2_stay_unseen_on_a_proven_flow() -> None:
    detector = Detector()
    detector.inspect(udp(ovpn_plain(CLIENT_V2, OPENING)), NOW)
    for opcode in (1, 2):
        assert detector.inspect(udp(ovpn_plain(opcode, b"x" * 60)), NOW) is None


def test_static_key_mode_stays_undetected() -> None:
    """It has no opcode: HMAC, IV and ciphertext fill the datagram, whatever its first byte and length."""
    detector = Detector()
    for layout in openvpn.LAYOUTS:
        for length in layout.lengths:
            message = bytes((layout.opcode,)) + b"\xa7" * (length - 1)
            assert detector.inspect(udp(message), NOW) is None


@EACH_TRANSPORT
@EACH_CLIENT
@pytest.mark.parametrize("sparse", [bytes.fromhex("1100000100000022"), b"12345678"], ids=["zeros", "text"])
def test_a_session_id_that_is_not_random_waits_for_the_answer(
    message: bytes, over_tcp: bool, sparse: bytes
) -> None:
    detector = Detector()
    reset = message[:1] + sparse + message[9:]
    assert standing(detector.inspect(send(reset, over_tcp), NOW)) is Standing.CANDIDATE
    if len(message) == 14:
        packet = answer(ovpn_plain(SERVER_V2, ovpn_body((0,), sparse), PEER_SESSION), over_tcp)
        assert standing(detector.inspect(packet, NOW)) is Standing.PROVEN
        assert standing(detector.inspect(send(reset, over_tcp), NOW)) is Standing.PROVEN

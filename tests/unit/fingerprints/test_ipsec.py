"""IPsec: each IKE exchange on each carrier, each header field changed, and what is only seen."""

from __future__ import annotations

import pytest

from enforcer.fingerprints.detection import Detection, Standing
from enforcer.fingerprints.detector import Detector
from enforcer.wire.packet import Packet, Protocol
from tests.unit.fingerprints.builders import (
    MARKER,
    NOW,
    PEER_SESSION,
    SESSION,
    filler,
    ike,
    ike_encrypted,
    ike_framed,
    ike_sa_init,
    ikev1_first,
    ikev1_later,
    payload,
    reply,
    sa_init_body,
    tcp,
    udp,
)

CLIENT = ("10.0.0.2", 40123)
ON_500 = ("198.51.100.7", 500)
ON_4500 = ("198.51.100.7", 4500)
ANYWHERE = ("198.51.100.7", 12345)

# A message, its variant, its name, and whether it is a handshake, for each exchange that is standard.
V2 = [
    (ike_sa_init(), "IKE_SA_INIT", True, True),
    (ike_sa_init(first=41, body=payload(33, filler(24)) + sa_init_body()), "IKE_SA_INIT", True, True),
    (ike_sa_init(flags=0x20, responder=PEER_SESSION), "IKE_SA_INIT", True, False),
    (ike_sa_init(flags=0x20, first=41, body=payload(0, filler(6))), "IKE_SA_INIT", True, False),
    (ike_encrypted(35, 0x08, 1), "IKE_AUTH", True, True),
    (ike_encrypted(35, 0x20, 1), "IKE_AUTH", True, False),
    (ike_encrypted(35, 0x08, 1, first=53), "IKE_AUTH", True, True),
    (ike_encrypted(36, 0x08, 2), "CREATE_CHILD_SA", False, True),
    (ike_encrypted(36, 0x00, 0), "CREATE_CHILD_SA", False, False),
    (ike_encrypted(37, 0x08, 2), "INFORMATIONAL", False, True),
    (ike_encrypted(37, 0x28, 0), "INFORMATIONAL", False, True),
    (ike(38, 0x08, 41, payload(40, filler(40)) + payload(0, filler(32))), "IKE_SESSION_RESUME", True, True),
    (ike_encrypted(39, 0x08, 1), "GSA_AUTH", False, True),
    (ike_encrypted(43, 0x08, 1), "IKE_INTERMEDIATE", True, True),
    (ike_encrypted(44, 0x08, 3), "IKE_FOLLOWUP_KE", False, True),
]
V1 = [
    (ikev1_first(2), "ikev1-main", "main mode", True),
    (ikev1_first(4), "ikev1-aggressive", "aggressive mode", True),
    (ikev1_later(2, 0, 4, 0), "ikev1-main", "main mode", True),
    (ikev1_later(2, 1, 5, 0), "ikev1-main", "main mode", True),
    (ikev1_later(2, 0, 132, 0), "ikev1-main", "main mode", True),
    (ikev1_later(4, 1, 8, 0), "ikev1-aggressive", "aggressive mode", True),
    (ikev1_later(5, 0, 11, 0), "ikev1", "informational", False),
    (ikev1_later(5, 1, 8, 77), "ikev1", "informational", False),
    (ikev1_later(6, 1, 8, 77), "ikev1", "transaction", False),
    (ikev1_later(32, 1, 8, 77), "ikev1", "quick mode", False),
    (ikev1_later(32, 3, 8, 77), "ikev1", "quick mode", False),
    (ikev1_later(33, 1, 8, 77), "ikev1", "new group", False),
]
ALL = [row[0] for row in V2] + [row[0] for row in V1]
FIRSTS = [ike_sa_init(), V2[1][0], ikev1_first(2), ikev1_first(4)]


def inspect(packet: Packet) -> Detection | None:
    return Detector().inspect(packet, NOW)


def standing(detection: Detection | None) -> Standing | None:
    return None if detection is None else detection.standing


def check_evidence(packet: Packet, detection: Detection) -> None:
    assert detection.evidence
    for evidence in detection.evidence:
        end = evidence.offset + len(evidence.octets)
        assert packet.payload[evidence.offset : end] == evidence.octets


@pytest.mark.parametrize(("message", "name", "handshake", "from_initiator"), V2)
def test_ikev2_on_each_carrier(message: bytes, name: str, handshake: bool, from_initiator: bool) -> None:
    carriers = [
        (udp(message, CLIENT, ON_500), "ikev2"),
        (udp(MARKER + message, CLIENT, ON_4500), "ikev2-natt"),
        (tcp(ike_framed(message), CLIENT, ON_4500), "ikev2-tcp"),
        (reply(udp(b"", CLIENT, ON_500), message), "ikev2"),
    ]
    for packet, variant in carriers:
        detection = inspect(packet)
        assert detection is not None
        assert (detection.family, detection.variant, detection.message) == ("ipsec", variant, name)
        assert detection.standing is Standing.PROVEN
        assert (detection.handshake, detection.from_initiator) == (handshake, from_initiator)
        check_evidence(packet, detection)


@pytest.mark.parametrize(("message", "variant", "name", "handshake"), V1)
def test_ikev1_on_each_carrier(message: bytes, variant: str, name: str, handshake: bool) -> None:
    carriers = [
        (udp(message, CLIENT, ON_500), variant),
        (udp(MARKER + message, CLIENT, ON_4500), f"{variant}-natt"),
    ]
    for packet, expected in carriers:
        detection = inspect(packet)
        assert detection is not None
        assert (detection.variant, detection.message) == (expected, name)
        assert (detection.standing, detection.handshake) == (Standing.PROVEN, handshake)
        check_evidence(packet, detection)


def test_ikev1_initiator_is_the_first_sender() -> None:
    detector = Detector()
    opening = udp(ikev1_first(2), CLIENT, ON_500)
    for packet, expected in (
        (opening, True),
        (reply(opening, ikev1_later(2, 0, 1, 0)), False),
        (udp(ikev1_later(2, 0, 4, 0), CLIENT, ON_500), True),
    ):
        detection = detector.inspect(packet, NOW)
        assert detection is not None
        assert detection.from_initiator is expected


def test_ikev1_answer_without_its_question_is_the_responder_s() -> None:
    detection = inspect(udp(ikev1_later(2, 0, 1, 0), ON_500, CLIENT))
    assert detection is not None
    assert not detection.from_initiator


@pytest.mark.parametrize("message", ALL)
@pytest.mark.parametrize("change", [-1, 1, 65536])
def test_a_length_field_that_differs_is_nothing(message: bytes, change: int) -> None:
    stated = (len(message) + change).to_bytes(4, "big")
    changed = message[:24] + stated + message[28:]
    assert inspect(udp(changed, CLIENT, ON_500)) is None
    assert inspect(udp(MARKER + changed, CLIENT, ON_4500)) is None
    assert inspect(tcp(ike_framed(changed), CLIENT, ON_4500)) is None


@pytest.mark.parametrize("message", ALL)
def test_a_datagram_longer_or_shorter_than_the_message_is_nothing(message: bytes) -> None:
    assert inspect(udp(message + b"\0", CLIENT, ON_500)) is None
    assert inspect(udp(message[:-1], CLIENT, ON_500)) is None
    framed = ike_framed(message)
    wrong = (len(framed) + 1).to_bytes(2, "big") + framed[2:]
    assert inspect(tcp(wrong, CLIENT, ON_4500)) is None


CHANGES = {
    "initiator SPI zero": lambda m: bytes(8) + m[8:],
    "version 1.1": lambda m: m[:17] + b"\x11" + m[18:],
    "version 3.0": lambda m: m[:17] + b"\x30" + m[18:],
    "exchange 0": lambda m: m[:18] + b"\x00" + m[19:],
    "exchange 40": lambda m: m[:18] + b"\x28" + m[19:],
    "exchange 240": lambda m: m[:18] + b"\xf0" + m[19:],
    "reserved flag": lambda m: m[:19] + bytes((m[19] | 0x40,)) + m[20:],
    "top flag": lambda m: m[:19] + bytes((m[19] | 0x80,)) + m[20:],
    "version flag": lambda m: m[:19] + bytes((m[19] | 0x10,)) + m[20:],
    "next payload 0": lambda m: m[:16] + b"\x00" + m[17:],
    "next payload 127": lambda m: m[:16] + b"\x7f" + m[17:],
}


@pytest.mark.parametrize("message", ALL)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_header_field_out_of_range_is_nothing(message: bytes, change: object) -> None:
    assert callable(change)
    changed = change(message)
    assert changed != message
    assert inspect(udp(changed, CLIENT, ON_500)) is None
    assert inspect(udp(MARKER + changed, CLIENT, ON_4500)) is None


@pytest.mark.parametrize(
    "message",
    [
        ike_sa_init(message_id=1),
        ike_sa_init(responder=PEER_SESSION),  # a request already knows the responder
        ike_sa_init(flags=0),
        ike_sa_init(flags=0x28),
        ike_sa_init(first=46),
        ike_sa_init(first=53),
        ike_sa_init(first=1),
        ike_encrypted(35, 0x08, 0),
        ike_encrypted(35, 0x00, 1),
        ike_encrypted(43, 0x08, 0),
        ike_encrypted(35, 0x08, 1, first=33),
        ike_encrypted(37, 0x08, 1, first=41),
        ike(35, 0x08, 46, payload(35, filler(200)), message_id=1),  # no responder SPI
        ike(37, 0x08, 46, payload(35, filler(200)), message_id=1),
        ike(2, 1, 1, payload(0, filler(60)), version=0x10),  # encrypted, and nobody answered yet
        ike(2, 0, 4, payload(0, filler(60)), version=0x10),  # not SA first
        ike(2, 0, 1, payload(0, filler(60)), version=0x10, message_id=5),
        ike(32, 1, 8, payload(0, filler(60)), version=0x10, message_id=5),  # no responder SPI
        ikev1_later(32, 0, 8, 77),
        ikev1_later(32, 1, 8, 0),
        ikev1_later(32, 1, 5, 77),
        ikev1_later(6, 0, 8, 77),
        ikev1_later(5, 1, 8, 0),
        ikev1_later(5, 1, 11, 9),
        ikev1_later(1, 0, 1, 0),
    ],
)
def test_fields_that_do_not_agree_are_nothing(message: bytes) -> None:
    assert inspect(udp(message, CLIENT, ON_500)) is None
    assert inspect(udp(MARKER + message, CLIENT, ON_4500)) is None


@pytest.mark.parametrize("message", ALL)
def test_the_marker_belongs_to_4500(message: bytes) -> None:
    first = message in FIRSTS
    without = inspect(udp(message, CLIENT, ON_4500))
    with_marker = inspect(udp(MARKER + message, CLIENT, ON_500))
    assert standing(without) is standing(with_marker) is (Standing.PROVEN if first else None)
    broken = b"\0\0\0\1" + message
    assert inspect(udp(broken, CLIENT, ON_4500)) is None


@pytest.mark.parametrize("message", ALL)
def test_a_snapped_header_is_enough_on_the_ports_and_less_is_not(message: bytes) -> None:
    assert standing(inspect(udp(message[:28], CLIENT, ON_500, len(message)))) is Standing.PROVEN
    assert inspect(udp(message[:27], CLIENT, ON_500, len(message))) is None
    natt = MARKER + message
    assert standing(inspect(udp(natt[:32], CLIENT, ON_4500, len(natt)))) is Standing.PROVEN
    assert inspect(udp(natt[:31], CLIENT, ON_4500, len(natt))) is None


@pytest.mark.parametrize("message", FIRSTS)
def test_a_first_message_is_proof_on_any_port(message: bytes) -> None:
    for data in (message, MARKER + message):
        detection = inspect(udp(data, CLIENT, ANYWHERE))
        assert detection is not None
        assert (detection.standing, detection.handshake, detection.from_initiator) == (Standing.PROVEN, True, True)


@pytest.mark.parametrize("message", [message for message in ALL if message not in FIRSTS])
def test_later_messages_on_another_port_are_seen_on_a_known_flow_only(message: bytes) -> None:
    detector = Detector()
    packet = udp(message, CLIENT, ANYWHERE)
    assert detector.inspect(packet, NOW) is None
    detector.inspect(udp(ike_sa_init(), CLIENT, ANYWHERE), NOW)
    detection = detector.inspect(packet, NOW)
    assert detection is not None
    assert (detection.standing, detection.handshake) == (Standing.SEEN, False)


SA = payload(34, filler(40))
BROKEN_CHAINS = [
    SA + payload(0, filler(20)) + b"\0",
    SA + payload(0, filler(20))[:-1],
    SA + b"\0\0\0\x03",
    SA + b"\0\0\0\x00",
    SA + payload(0, filler(20), reserved=0x01),
    SA + payload(0, b"") + payload(0, b""),
    payload(46, filler(40)) + payload(0, filler(20)),
    payload(53, filler(40)) + payload(0, filler(20)),
    payload(7, filler(40)) + payload(0, filler(20)),
    payload(127, filler(40)) + payload(0, filler(20)),
    payload(34, filler(40)),
    b"\x28\0\0\x01\0" + filler(252),  # a length of 1: the next header would overlap this one and fit
]


@pytest.mark.parametrize("body", BROKEN_CHAINS)
def test_a_chain_that_does_not_walk_to_the_end_is_nothing_on_another_port(body: bytes) -> None:
    message = ike_sa_init(body=body)
    assert inspect(udp(message, CLIENT, ANYWHERE)) is None
    assert inspect(udp(MARKER + message, CLIENT, ANYWHERE)) is None


def test_the_critical_bit_is_no_reserved_bit() -> None:
    message = ike_sa_init(body=payload(34, filler(40), reserved=0x80) + payload(0, filler(20)))
    assert standing(inspect(udp(message, CLIENT, ANYWHERE))) is Standing.PROVEN


def test_ikev1_s_reserved_byte_has_no_critical_bit() -> None:
    body = payload(13, filler(48), reserved=0x80) + payload(0, filler(16))
    assert inspect(udp(ike(2, 0, 1, body, version=0x10), CLIENT, ANYWHERE)) is None


@pytest.mark.parametrize("message", FIRSTS)
def test_a_snapped_first_message_is_nothing_on_another_port(message: bytes) -> None:
    assert inspect(udp(message[:-1], CLIENT, ANYWHERE, len(message))) is None


def test_a_chain_that_ends_where_the_capture_does_is_nothing() -> None:
    message = ike_sa_init(body=payload(0, filler(20)) + filler(12))
    assert inspect(udp(message[:-12], CLIENT, ANYWHERE, len(message))) is None


def test_mobike_starts_on_a_new_source_port() -> None:
    detection = inspect(udp(MARKER + ike_encrypted(37, 0x08, 5), ("203.0.113.9", 50000), ON_4500))
    assert detection is not None
    assert (detection.variant, detection.standing, detection.handshake) == ("ikev2-natt", Standing.PROVEN, False)


# RFC 9329


@pytest.mark.parametrize("server", [ON_4500, ANYWHERE])
def test_tcp_prefix_and_first_message_in_one_segment(server: tuple[str, int]) -> None:
    packet = tcp(b"IKETCP" + ike_framed(ike_sa_init()), CLIENT, server)
    detection = inspect(packet)
    assert detection is not None
    assert (detection.variant, detection.standing, detection.handshake) == ("ikev2-tcp", Standing.PROVEN, True)
    check_evidence(packet, detection)


@pytest.mark.parametrize("server", [ON_4500, ANYWHERE])
def test_tcp_prefix_in_its_own_segment_is_a_candidate(server: tuple[str, int]) -> None:
    detector = Detector()
    prefix = detector.inspect(tcp(b"IKETCP", CLIENT, server), NOW)
    assert prefix is not None
    assert (prefix.standing, prefix.handshake) == (Standing.CANDIDATE, False)
    first = detector.inspect(tcp(ike_framed(ike_sa_init()), CLIENT, server), NOW)
    assert standing(first) is Standing.PROVEN
    answer = reply(tcp(b"", CLIENT, server), ike_framed(ike_sa_init(flags=0x20, responder=PEER_SESSION)))
    proof = Standing.PROVEN if server is ON_4500 else Standing.SEEN
    assert standing(detector.inspect(answer, NOW)) is proof


def test_tcp_on_another_port_needs_the_prefix() -> None:
    assert inspect(tcp(ike_framed(ike_sa_init()), CLIENT, ANYWHERE)) is None


@pytest.mark.parametrize("start", [b"IKETCQ", b"iketcp", b" IKETC", b"IKETC"])
def test_tcp_with_another_prefix_is_nothing(start: bytes) -> None:
    assert inspect(tcp(start + ike_framed(ike_sa_init()), CLIENT, ON_4500)) is None


def test_text_that_begins_like_the_prefix_is_never_more_than_a_candidate() -> None:
    detector = Detector()
    for _ in range(3):
        packet = tcp(b"IKETCP is how the stream of RFC 9329 begins, and then a length", CLIENT, ANYWHERE)
        assert standing(detector.inspect(packet, NOW)) is Standing.CANDIDATE


# Seen only


def test_esp_in_udp_and_keepalives_are_seen_after_ike_only() -> None:
    detector = Detector()
    esp = udp(b"\xc0\xde\x00\x01\x00\x00\x00\x01" + filler(80), CLIENT, ON_4500)
    keepalive = udp(b"\xff", CLIENT, ON_4500)
    assert detector.inspect(esp, NOW) is None
    assert detector.inspect(keepalive, NOW) is None
    detector.inspect(udp(MARKER + ike_encrypted(35, 0x08, 1), CLIENT, ON_4500), NOW)
    for packet, name in ((esp, "ESP"), (keepalive, "NAT keepalive")):
        detection = detector.inspect(packet, NOW)
        assert detection is not None
        assert (detection.variant, detection.message) == ("esp-in-udp", name)
        assert (detection.standing, detection.handshake) == (Standing.SEEN, False)
    for other in (MARKER + filler(40), b"\xfe", b"\xff\xff", b""):
        assert detector.inspect(udp(other, CLIENT, ON_4500), NOW) is None


def test_there_is_no_esp_in_udp_on_port_500() -> None:
    detector = Detector()
    detector.inspect(udp(ike_sa_init(), CLIENT, ON_500), NOW)
    assert detector.inspect(udp(b"\xc0\xde\x00\x01\x00\x00\x00\x01" + filler(80), CLIENT, ON_500), NOW) is None


def native(protocol: Protocol, data: bytes, destination: bytes = b"\xc6\x33\x64\x07") -> Packet:
    return Packet(protocol, b"\x0a\0\0\2", destination, 0, 0, data, len(data))


AH_HEADER = bytes((6, 4, 0, 0)) + SESSION[:4] + b"\0\0\0\1" + filler(12) + filler(20)
ESP_HEADER = SESSION[:4] + b"\0\0\0\1" + filler(64)


@pytest.mark.parametrize(("protocol", "data"), [(Protocol.ESP, ESP_HEADER), (Protocol.AH, AH_HEADER)])
def test_native_esp_and_ah_are_seen(protocol: Protocol, data: bytes) -> None:
    detection = inspect(native(protocol, data))
    assert detection is not None
    assert (detection.family, detection.variant) == ("ipsec", protocol.label)
    assert (detection.standing, detection.handshake) == (Standing.SEEN, False)
    check_evidence(native(protocol, data), detection)


@pytest.mark.parametrize(("protocol", "data"), [(Protocol.ESP, ESP_HEADER), (Protocol.AH, AH_HEADER)])
def test_to_a_multicast_group_it_is_no_vpn(protocol: Protocol, data: bytes) -> None:
    for group in (b"\xe0\x00\x00\x12", b"\xef\xff\xff\xff", b"\xff\x02" + bytes(13) + b"\x05"):
        assert inspect(native(protocol, data, group)) is None
    for unicast in (b"\xdf\xff\xff\xff", b"\xf0\x00\x00\x01", b"\xfe\x80" + bytes(13) + b"\x05"):
        assert standing(inspect(native(protocol, data, unicast))) is Standing.SEEN


@pytest.mark.parametrize(
    ("protocol", "data"),
    [
        (Protocol.ESP, bytes(4) + ESP_HEADER[4:]),
        (Protocol.ESP, ESP_HEADER[:7]),
        (Protocol.ESP, b""),
        (Protocol.AH, AH_HEADER[:4] + bytes(4) + AH_HEADER[8:]),
        (Protocol.AH, AH_HEADER[:2] + b"\1" + AH_HEADER[3:]),
        (Protocol.AH, AH_HEADER[:3] + b"\1" + AH_HEADER[4:]),
        (Protocol.AH, b"\6\xff" + AH_HEADER[2:]),
        (Protocol.AH, b""),
    ],
)
def test_malformed_esp_and_ah_are_nothing(protocol: Protocol, data: bytes) -> None:
    assert inspect(native(protocol, data)) is None

"""One datagram at a time: what it tells, what it is answered, and what is met with silence."""

from __future__ import annotations

import hashlib
import hmac
import struct
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.number import Tagger, normalise
from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.codec import Codec, Flaw, Outcome, Reading
from enforcer.subscribers.radius.pseudonyms import Pseudonyms
from tests.lab import radius as lab

ARRIVED = 1_800_000_000.25
SENDER = "192.0.2.9"
CLIENT = Client("bras", (ip_network("192.0.2.9"),), lab.SECRET)
PSEUDONYMS = Pseudonyms(lab.KEY, "PK")
TAG = Tagger(lab.KEY).tag("+923001234567")
CODEC = Codec("Calling-Station-Id", PSEUDONYMS)


def read(datagram: bytes, codec: Codec = CODEC) -> Reading:
    return codec.read(datagram, CLIENT, SENDER, ARRIVED)


def event(*attributes: lab.Attribute) -> AccountingEvent:
    reading = read(lab.request(attributes))
    assert reading.outcome is Outcome.ACCEPTED
    assert reading.event is not None
    return reading.event


def without(kind: int, attributes: list[lab.Attribute]) -> list[lab.Attribute]:
    return [attribute for attribute in attributes if attribute[0] != kind]


def test_a_start_becomes_an_event_without_number_or_session_id() -> None:
    asked = lab.request(lab.session(), identifier=7)
    reading = read(asked)
    assert reading == Reading(
        Outcome.ACCEPTED,
        reading.answer,
        AccountingEvent(
            EventKind.START,
            "bras-1",
            PSEUDONYMS.session(b"s-1"),
            ARRIVED,
            (ip_network("100.64.1.20"),),
            TAG,
        ),
    )
    assert reading.answer is not None
    assert lab.is_answer(reading.answer, asked)
    assert len(reading.answer) == 20


@pytest.mark.parametrize(
    ("status", "kind"),
    [(lab.START, EventKind.START), (lab.INTERIM, EventKind.INTERIM), (lab.STOP, EventKind.STOP)],
)
def test_kinds_of_message_about_a_session(status: int, kind: EventKind) -> None:
    assert event(*lab.session(status)).kind is kind


@pytest.mark.parametrize(("status", "kind"), [(lab.ON, EventKind.ON), (lab.OFF, EventKind.OFF)])
def test_messages_about_a_whole_server_name_no_session(status: int, kind: EventKind) -> None:
    assert event(*lab.session(status)) == AccountingEvent(kind, "bras-1", "", ARRIVED)


def test_every_kind_of_address() -> None:
    told = event(
        *lab.session(),
        lab.prefix(lab.FRAMED_IPV6_PREFIX, "2001:db8:1:2::/64"),
        lab.prefix(lab.FRAMED_IPV6_PREFIX, "2001:db8:1:3::/64"),
        lab.prefix(lab.DELEGATED_IPV6_PREFIX, "2001:db8:100::/56"),
        (lab.FRAMED_IPV6_ADDRESS, bytes.fromhex("20010db8000900000000000000000001")),
    )
    assert told.addresses == tuple(
        ip_network(text)
        for text in (
            "100.64.1.20",
            "2001:db8:1:2::/64",
            "2001:db8:1:3::/64",
            "2001:db8:100::/56",
            "2001:db8:9::1",
        )
    )


def test_a_prefix_may_leave_out_its_trailing_zeros() -> None:
    """RFC 3162 §2.3: the Prefix field is up to 16 octets."""
    told = event(
        *without(lab.FRAMED_IP_ADDRESS, lab.session()),
        (lab.FRAMED_IPV6_PREFIX, bytes((0, 64)) + bytes.fromhex("20010db800010002")),
    )
    assert told.addresses == (ip_network("2001:db8:1:2::/64"),)


@pytest.mark.parametrize("address", ["255.255.255.255", "255.255.255.254"])
def test_a_choice_left_open_is_no_address(address: str) -> None:
    reading = read(lab.request(lab.session(address=address)))
    assert reading.event is not None
    assert reading.event.addresses == ()
    assert reading.flaws == ()


@pytest.mark.parametrize(
    "attribute",
    [
        (lab.FRAMED_IP_ADDRESS, bytes(4)),
        (lab.FRAMED_IP_ADDRESS, b"\x7f\0\0\1"),
        (lab.FRAMED_IP_ADDRESS, b"\x0a\0\0"),
        lab.prefix(lab.DELEGATED_IPV6_PREFIX, "::/0"),
        lab.prefix(lab.FRAMED_IPV6_PREFIX, "ff02::/64"),
        (lab.FRAMED_IPV6_PREFIX, bytes((0, 129)) + bytes(16)),
        (lab.FRAMED_IPV6_PREFIX, b"\0"),
        (lab.FRAMED_IPV6_ADDRESS, bytes.fromhex("20010db8")),
    ],
)
def test_what_no_subscriber_can_hold_is_left_out_and_counted(attribute: lab.Attribute) -> None:
    base = without(lab.FRAMED_IP_ADDRESS, lab.session())
    good = lab.prefix(lab.DELEGATED_IPV6_PREFIX, "2001:db8:100::/56")
    others = [good] if attribute[0] != good[0] else []
    reading = read(lab.request([*base, *others, attribute]))
    assert reading.event is not None
    assert reading.event.addresses == ((ip_network("2001:db8:100::/56"),) if others else ())
    assert reading.flaws == (Flaw.ADDRESS_UNUSABLE,)


@pytest.mark.parametrize(
    "number", [b"923001234567", b"+923001234567", b"03001234567", b"00923001234567", b"0300-1234567"]
)
def test_ways_to_write_a_number_have_one_tag(number: bytes) -> None:
    assert event(*lab.session(number=number)).tag == TAG


@pytest.mark.parametrize("number", [b"00-11-22-33-44-55", b"410011234567890", b"\xff\xfe", b"", b"anonymous"])
def test_what_is_no_number_is_no_tag(number: bytes) -> None:
    reading = read(lab.request(lab.session(number=number)))
    assert reading.event is not None
    assert reading.event.tag is None
    assert reading.flaws == (Flaw.NUMBER_UNUSABLE,)


def test_a_message_without_a_number() -> None:
    reading = read(lab.request(without(lab.CALLING_STATION_ID, lab.session())))
    assert reading.event is not None
    assert reading.event.tag is None
    assert reading.flaws == (Flaw.NUMBER_MISSING,)


def test_two_numbers_are_none() -> None:
    reading = read(lab.request([*lab.session(), (lab.CALLING_STATION_ID, b"923017654321")]))
    assert reading.event is not None
    assert reading.event.tag is None
    assert reading.flaws == (Flaw.NUMBER_UNUSABLE,)


@pytest.mark.parametrize("name", [b"923001234567", b"03001234567@ims.example.net"])
def test_the_number_may_be_in_the_user_name(name: bytes) -> None:
    attributes = [*lab.session(number=b"00-11-22-33-44-55"), (lab.USER_NAME, name)]
    reading = read(lab.request(attributes), Codec("User-Name", PSEUDONYMS))
    assert reading.event is not None
    assert reading.event.tag == TAG
    assert reading.flaws == ()


def test_the_event_happened_at_its_timestamp() -> None:
    attributes = [*lab.session(), lab.integer(lab.EVENT_TIMESTAMP, 1_799_999_000), lab.integer(lab.DELAY_TIME, 60)]
    assert event(*attributes).at == 1_799_999_000.0


def test_else_it_happened_its_delay_before_it_arrived() -> None:
    assert event(*lab.session(), lab.integer(lab.DELAY_TIME, 60)).at == ARRIVED - 60


def test_a_time_that_is_none() -> None:
    reading = read(lab.request([*lab.session(), (lab.EVENT_TIMESTAMP, b"\1\2\3")]))
    assert reading.event is not None
    assert reading.event.at == ARRIVED
    assert reading.flaws == (Flaw.TIME_UNUSABLE,)


NAS4 = lab.ipv4(lab.NAS_IP_ADDRESS, "198.51.100.1")
NAS6 = (lab.NAS_IPV6_ADDRESS, bytes.fromhex("20010db8000000000000000000000007"))


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ([(lab.NAS_IDENTIFIER, b"bras 1"), NAS4, NAS6], "bras 1"),
        ([NAS4, NAS6], "198.51.100.1"),
        ([NAS6], "2001:db8::7"),
        ([], SENDER),
        ([(lab.NAS_IDENTIFIER, "bräs".encode())], "bräs"),
        ([(lab.NAS_IDENTIFIER, b"a\xff\n")], r"a\\xff\n"),
        ([(lab.NAS_IPV6_ADDRESS, b"\x20\x01")], SENDER),
    ],
)
def test_what_the_access_server_is_called(attributes: list[lab.Attribute], name: str) -> None:
    assert event(*without(lab.NAS_IDENTIFIER, lab.session()), *attributes).nas == name


@pytest.mark.parametrize("lacking", [lab.STATUS_TYPE, lab.SESSION_ID])
def test_what_lacks_the_essential_is_answered_and_says_nothing(lacking: int) -> None:
    asked = lab.request(without(lacking, lab.session()))
    reading = read(asked)
    assert (reading.outcome, reading.event) == (Outcome.INCOMPLETE, None)
    assert reading.answer is not None
    assert lab.is_answer(reading.answer, asked)


@pytest.mark.parametrize("status", [0, 4, 9, 14, 15, 2**32 - 1])
def test_other_status_types_are_answered_and_say_nothing(status: int) -> None:
    reading = read(lab.request(lab.session(status)))
    assert (reading.outcome, reading.event) == (Outcome.OTHER_STATUS_TYPE, None)
    assert reading.answer is not None


def test_a_proxys_state_returns_in_order() -> None:
    states = [(lab.PROXY_STATE, b"one"), (lab.PROXY_STATE, b"two")]
    asked = lab.request([*lab.session(), *states])
    answer = read(asked).answer
    assert answer is not None
    assert lab.is_answer(answer, asked)
    assert answer[20:] == lab.encoded(states)


def test_a_secret_that_is_not_the_clients() -> None:
    assert read(lab.request(lab.session(), b"another secret")) == Reading(Outcome.BAD_AUTHENTICATOR)


def test_a_message_authenticator_is_verified_where_there_is_one() -> None:
    assert read(lab.request(lab.session(), signed=True)).outcome is Outcome.ACCEPTED
    body = lab.encoded([*lab.session(), (lab.MESSAGE_AUTHENTICATOR, bytes(16))])
    head = struct.pack("!BBH", 4, 0, 20 + len(body))
    forged = head + hashlib.md5(head + bytes(16) + body + lab.SECRET).digest() + body
    assert read(forged) == Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)


def test_status_server_is_answered_when_signed() -> None:
    """RFC 5997 §3: a random authenticator, so the Message-Authenticator is the proof."""
    body = bytes((lab.MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
    head = struct.pack("!BBH", 12, 3, 38) + bytes(range(16))
    asked = head + body[:2] + hmac.digest(lab.SECRET, head + body, "md5")
    reading = read(asked)
    assert reading.outcome is Outcome.STATUS_SERVER
    assert reading.answer is not None
    assert lab.is_answer(reading.answer, asked)
    assert read(head + body) == Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)
    assert read(struct.pack("!BBH", 12, 3, 20) + bytes(16)) == Reading(Outcome.BAD_MESSAGE_AUTHENTICATOR)


def test_other_packets_are_not_accounting() -> None:
    for code in {*range(256)} - {4, 12}:
        assert read(bytes((code,)) + lab.request(lab.session())[1:]) == Reading(Outcome.NOT_ACCOUNTING)


def test_octets_after_the_packet_are_padding() -> None:
    assert read(lab.request(lab.session()) + b"padding").outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x28", id="half an attribute"),
        pytest.param(b"\x28\x00", id="length 0"),
        pytest.param(b"\x28\x01", id="length 1"),
        pytest.param(b"\x28\x06\0\0\0", id="beyond the end"),
        pytest.param(b"\x01\x03a" * 201, id="too many"),
    ],
)
def test_attributes_that_do_not_fit_discard_all(body: bytes) -> None:
    """RFC 2866 §5: "the entire request MUST be silently discarded", authentic or not."""
    attributes = lab.encoded(lab.session()) if len(body) < 10 else b""
    head = struct.pack("!BBH", 4, 0, 20 + len(attributes + body))
    authenticator = hashlib.md5(head + bytes(16) + attributes + body + lab.SECRET).digest()
    assert read(head + authenticator + attributes + body) == Reading(Outcome.MALFORMED)


@pytest.mark.parametrize("length", [0, 19, 75, 4097, 65535])
def test_a_length_that_cannot_be(length: int) -> None:
    datagram = lab.request(lab.session())[:74]
    assert read(datagram[:2] + struct.pack("!H", length) + datagram[4:]) == Reading(Outcome.MALFORMED)


@pytest.mark.parametrize("length", range(20))
def test_less_than_a_header(length: int) -> None:
    assert read(lab.request(lab.session())[:length]) == Reading(Outcome.MALFORMED)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_changing_any_bit_makes_it_nobodys(data: st.DataObject) -> None:
    datagram = bytearray(lab.request(lab.session(), signed=True))
    position = data.draw(st.integers(0, len(datagram) - 1))
    datagram[position] ^= 1 << data.draw(st.integers(0, 7))
    assert read(bytes(datagram)).answer is None


_VALUES = st.binary(max_size=40)
_ATTRIBUTES = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 255), st.sampled_from([1, 4, 8, 31, 32, 40, 41, 44, 55, 95, 97, 123, 168])),
        st.one_of(_VALUES, st.sampled_from([bytes(4), b"\0\0\0\1", b"\0\0\0\7"])),
    ),
    max_size=25,
)


@given(_ATTRIBUTES)
@settings(max_examples=600, deadline=None)
def test_whatever_a_client_writes_is_read_and_answered(attributes: list[lab.Attribute]) -> None:
    if any(kind == lab.MESSAGE_AUTHENTICATOR for kind, _ in attributes):
        attributes = without(lab.MESSAGE_AUTHENTICATOR, attributes)
    asked = lab.request(attributes)
    reading = read(asked)
    assert reading.outcome in (Outcome.ACCEPTED, Outcome.INCOMPLETE, Outcome.OTHER_STATUS_TYPE)
    assert reading.answer is not None
    assert lab.is_answer(reading.answer, asked)
    if reading.event is not None:
        assert len(reading.event.addresses) == len(set(reading.event.addresses))
        assert bool(reading.event.session) == (reading.event.kind not in (EventKind.ON, EventKind.OFF))


@given(st.integers(3_000_000_000, 3_499_999_999))
@settings(max_examples=100, deadline=None)
def test_no_number_leaves_the_codec(national: int) -> None:
    text = f"+92{national}"
    try:
        normalise(text, "PK")
    except ValueError:
        return
    digits = str(national)
    attributes = [*lab.session(number=text.encode(), session_id=text.encode()), (lab.USER_NAME, text.encode())]
    assert digits not in repr(read(lab.request(attributes)))


def test_secrets_and_keys_are_not_shown() -> None:
    shown = repr((CLIENT, PSEUDONYMS, lab.settings(1813)))
    for hidden in (lab.SECRET, lab.KEY):
        assert repr(hidden)[2:-1] not in shown
        assert hidden.hex() not in shown

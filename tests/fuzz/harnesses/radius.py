"""Accounting datagrams: nothing is taken in, and nothing answered, without the client's secret.

The first byte says how the rest becomes a datagram: as it is; or as the attributes of a request under the client's
secret, under another, or under the client's with a Message-Authenticator.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_network

from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.codec import Codec, Outcome
from enforcer.subscribers.radius.pseudonyms import Pseudonyms
from tests.lab import radius as lab

LONGEST = 500
_CODEC = Codec("Calling-Station-Id", Pseudonyms(lab.KEY, "PK"))
_CLIENT = Client("lab", (ip_network("127.0.0.1"),), lab.SECRET)
_ARRIVED = 1_800_000_000.25
_RAW, _SIGNED, _FOREIGN, _AUTHENTICATED = range(4)


def seeds() -> dict[str, bytes]:
    more = (
        lab.integer(lab.EVENT_TIMESTAMP, 1_800_000_000),
        lab.prefix(lab.FRAMED_IPV6_PREFIX, "2001:db8::/64"),
        lab.prefix(lab.DELEGATED_IPV6_PREFIX, "2001:db8:1::/48"),
        lab.integer(lab.DELAY_TIME, 3),
        lab.ipv4(lab.NAS_IP_ADDRESS, "192.0.2.9"),
        (lab.PROXY_STATE, b"proxy"),
        (lab.USER_NAME, b"923001234567@realm"),
    )
    found: dict[str, bytes] = {}
    for status in (lab.START, lab.STOP, lab.INTERIM, lab.ON, lab.OFF, 9):
        body = lab.encoded(lab.session(status, b"s-1", b"923001234567", "100.64.1.20", b"bras-1", *more))
        for kind in (_SIGNED, _FOREIGN, _AUTHENTICATED):
            found[f"{status} {kind}"] = bytes((kind,)) + body
        found[f"{status} raw"] = bytes((_RAW,)) + lab.request(lab.session(status))
    probe = b"\x0c\x01" + (38).to_bytes(2, "big") + bytes(16) + bytes((lab.MESSAGE_AUTHENTICATOR, 18))
    proof = hmac.digest(lab.SECRET, probe + bytes(16), "md5")
    found["status server"] = bytes((_RAW,)) + probe + proof
    return found


def one(data: bytes) -> None:
    if not data:
        return
    kind, rest = data[0] % 4, data[1:]
    datagram = rest if kind == _RAW else _request(kind, rest)
    reading = _CODEC.read(datagram, _CLIENT, "127.0.0.1", _ARRIVED)
    if reading.answer is None:
        assert reading.event is None
        assert reading.outcome not in (Outcome.ACCEPTED, Outcome.STATUS_SERVER, Outcome.INCOMPLETE)
        return
    size = int.from_bytes(datagram[2:4], "big")
    asked = datagram[:size]
    assert _genuine(asked), "taken in without the secret"
    assert lab.is_answer(reading.answer, asked) or asked[0] == 12
    if reading.event is not None:
        assert reading.outcome is Outcome.ACCEPTED
        assert reading.event.tag is None or len(reading.event.tag) == 16
        assert len(reading.event.nas) <= 5 * 253
        assert reading.event.nas.isprintable()


def _request(kind: int, body: bytes) -> bytes:
    secret = b"another secret" if kind == _FOREIGN else lab.SECRET
    attributes = []
    while len(body) >= 2:
        size = max(body[1], 2)
        attributes.append((body[0], body[2:size][:253]))
        body = body[size:]
    return lab.request(attributes, secret, 7, kind == _AUTHENTICATED)


def _genuine(datagram: bytes) -> bool:
    """Whether whoever wrote it knew the secret: RFC 2866 §3, or RFC 2869 §5.14 for Status-Server (RFC 5997 §3)."""
    if datagram[0] == 4:
        whole = datagram[:4] + bytes(16) + datagram[20:] + lab.SECRET
        return hashlib.md5(whole).digest() == datagram[4:20]
    at = 20
    while at + 2 <= len(datagram) and datagram[at + 1] >= 2:
        if datagram[at] == lab.MESSAGE_AUTHENTICATOR and datagram[at + 1] == 18:
            blank = datagram[: at + 2] + bytes(16) + datagram[at + 18 :]
            return hmac.digest(lab.SECRET, blank, "md5") == datagram[at + 2 : at + 18]
        at += datagram[at + 1]
    return False

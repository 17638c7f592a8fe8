"""Small protocols over UDP: STUN, NTP, and a call's SRTP."""

from __future__ import annotations

import os
import struct
import time
from ipaddress import ip_address

from pylibsrtp import Error, Policy, Session

from tests.lab.innocent.setting import Setting
from tests.lab.traffic import Address, Exchange, Responder, ask, udp_pair

_STUN_COOKIE = 0x2112A442
_COUNT = 50


def stun(setting: Setting) -> Exchange:
    """Binding requests and answers (RFC 8489 §5, §14.2)."""

    def answer(request: bytes, sender: Address) -> bytes:
        address = ip_address(sender[0])
        mask = struct.pack("!I", _STUN_COOKIE) + request[8:20]
        masked = bytes(a ^ m for a, m in zip(address.packed, mask, strict=False))
        family = 1 if address.version == 4 else 2
        value = struct.pack("!BBH", 0, family, sender[1] ^ _STUN_COOKIE >> 16) + masked
        attribute = struct.pack("!HH", 0x0020, len(value)) + value
        return struct.pack("!HH", 0x0101, len(attribute)) + request[4:20] + attribute

    requests = [struct.pack("!HHI", 0x0001, 0, _STUN_COOKIE) + os.urandom(12) for _ in range(_COUNT)]
    client, listening = udp_pair(setting.client, setting.server, 3478, setting.version)
    with client, Responder(listening, answer):
        return ask("STUN", client, requests, lambda sent, got: got[:2] == b"\x01\x01" and got[8:20] == sent[8:20])


def ntp(setting: Setting) -> Exchange:
    """Client and server packets of NTP version 4 (RFC 5905 §7.3)."""

    def answer(request: bytes, _: Address) -> bytes:
        # Leap 0, version 4, mode 4 (server), stratum 2; the client's transmit time comes back as origin.
        now = _ntp_time()
        return struct.pack("!BBbb", 0x24, 2, request[2], -20) + bytes(12) + now + request[40:48] + now + now

    requests = [struct.pack("!BBbb", 0x23, 0, 6, -20) + bytes(36) + _ntp_time() for _ in range(_COUNT)]
    client, listening = udp_pair(setting.client, setting.server, 123, setting.version)
    with client, Responder(listening, answer):
        return ask("NTP", client, requests, lambda sent, got: len(got) == 48 and got[24:32] == sent[40:48])


def srtp(setting: Setting) -> Exchange:
    """Two seconds of a voice call (RFC 3550, RFC 3711): 160 bytes each 20 ms, sent back by the other side."""
    key = os.urandom(30)
    outgoing, incoming = _session(key, outbound=True), _session(key, outbound=False)
    returning, returned = _session(key, outbound=True), _session(key, outbound=False)

    def answer(packet: bytes, _: Address) -> bytes:
        plain = bytearray(incoming.unprotect(packet))
        plain[8:12] = struct.pack("!I", 2)
        return returning.protect(bytes(plain))

    def belongs(sent: bytes, got: bytes) -> bool:
        # The same sequence number, and authentic.
        try:
            return returned.unprotect(got)[2:4] == sent[2:4]
        except Error:
            return False

    packets = [
        outgoing.protect(struct.pack("!BBHII", 0x80, 0, number, number * 160, 1) + os.urandom(160))
        for number in range(1, 101)
    ]
    client, listening = udp_pair(setting.client, setting.server, 16384, setting.version)
    with client, Responder(listening, answer):
        return ask("SRTP", client, packets, belongs, interval=0.02)


def _session(key: bytes, outbound: bool) -> Session:
    kind = Policy.SSRC_ANY_OUTBOUND if outbound else Policy.SSRC_ANY_INBOUND
    return Session(Policy(key=key, ssrc_type=kind))


def _ntp_time() -> bytes:
    # Seconds since 1900 in 32.32 fixed point (RFC 5905 §6).
    return struct.pack("!Q", int((time.time() + 2208988800) * 2**32) & 2**64 - 1)

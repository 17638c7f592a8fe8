"""One example of every message whose handshake the sieve must hand over, by name, and where it travels."""

from __future__ import annotations

from typing import NamedTuple

from enforcer.wire.packet import Protocol
from tests.unit.fingerprints.builders import (
    MARKER,
    PEER_SESSION,
    SESSION,
    framed,
    ike_encrypted,
    ike_framed,
    ike_sa_init,
    ikev1_first,
    ikev1_later,
    ovpn_body,
    ovpn_plain,
    ovpn_tls_auth,
    ovpn_tls_crypt,
    ovpn_wrapped_key,
    wg_cookie,
    wg_initiation,
    wg_response,
)


class Sample(NamedTuple):
    """A payload, its transport and the port it is sent to."""

    name: str
    protocol: Protocol
    port: int
    payload: bytes


def _openvpn() -> dict[str, bytes]:
    opening, answer = ovpn_body(), ovpn_body((0,), SESSION)
    messages = {
        "client plain": ovpn_plain(7, opening),
        "server plain": ovpn_plain(8, answer, PEER_SESSION),
        "p2p plain": ovpn_plain(8, opening, PEER_SESSION),
        "client tls-crypt": ovpn_tls_crypt(7, opening, replay_id=0x0F000001),
        "server tls-crypt": ovpn_tls_crypt(8, answer, PEER_SESSION),
        "server tls-crypt resend": ovpn_tls_crypt(8, answer + bytes(6), PEER_SESSION),
        "p2p tls-crypt": ovpn_tls_crypt(8, opening, PEER_SESSION),
        "client tls-crypt-v2 shortest": ovpn_tls_crypt(10, opening, wrapped_key=ovpn_wrapped_key(290)),
        "client tls-crypt-v2 longest": ovpn_tls_crypt(10, opening, wrapped_key=ovpn_wrapped_key(1024)),
    }
    for size in (16, 20, 28, 32, 48, 64):
        messages[f"client tls-auth {size}"] = ovpn_tls_auth(7, opening, size, replay_id=3)
        messages[f"server tls-auth {size}"] = ovpn_tls_auth(8, answer, size, PEER_SESSION)
        messages[f"p2p tls-auth {size}"] = ovpn_tls_auth(8, opening, size, PEER_SESSION)
    return messages


def _ike() -> dict[str, bytes]:
    messages = {
        "sa_init": ike_sa_init(),
        "sa_init answer": ike_sa_init(flags=0x20, responder=PEER_SESSION),
        "main first": ikev1_first(2),
        "aggressive first": ikev1_first(4),
        "main later": ikev1_later(2, 1, 5, 0),
        "quick": ikev1_later(32, 1, 8, 77),
        "informational v1": ikev1_later(5, 0, 11, 0),
    }
    for exchange in (35, 36, 37, 39, 43, 44):
        messages[f"exchange {exchange}"] = ike_encrypted(exchange, 0x08, 1)
    return messages


FIRSTS = ("sa_init", "main first", "aggressive first")


def samples() -> list[Sample]:
    udp, tcp = Protocol.UDP, Protocol.TCP
    found = [
        Sample("wireguard initiation", udp, 51820, wg_initiation()),
        Sample("wireguard initiation under load", udp, 51820, wg_initiation(mac2=b"\x05" * 16)),
        Sample("wireguard response", udp, 51820, wg_response()),
        Sample("wireguard cookie reply", udp, 51820, wg_cookie()),
        Sample("ike tcp prefix", tcp, 8443, b"IKETCP"),
    ]
    for name, message in _openvpn().items():
        found.append(Sample(f"openvpn {name}", udp, 1194, message))
        found.append(Sample(f"openvpn {name} tcp", tcp, 443, framed(message) + framed(ovpn_plain(5, b"ack"))))
    for name, message in _ike().items():
        found.append(Sample(f"ike {name} 500", udp, 500, message))
        found.append(Sample(f"ike {name} 4500", udp, 4500, MARKER + message))
        found.append(Sample(f"ike {name} tcp", tcp, 4500, ike_framed(message)))
        if name in FIRSTS:
            found.append(Sample(f"ike {name} anywhere", udp, 12345, message))
            found.append(Sample(f"ike {name} marker anywhere", udp, 12345, MARKER + message))
            found.append(Sample(f"ike {name} tcp prefixed", tcp, 8443, b"IKETCP" + ike_framed(message)))
            found.append(Sample(f"ike {name} tcp anywhere", tcp, 8443, ike_framed(message)))
    return found

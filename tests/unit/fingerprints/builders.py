"""Messages of the three families, built from their definitions alone: nothing here imports a fingerprint.

Integers are big-endian except WireGuard's. Keys, tags and HMACs are filler bytes: nobody on the path can check
them.
"""

from __future__ import annotations

import struct

from enforcer.wire.packet import Packet, Protocol

NOW = 1_760_000_000.25
CLIENT = ("10.0.0.2", 40123)
SERVER = ("198.51.100.7", 1194)
SESSION = bytes.fromhex("1122334455667788")
PEER_SESSION = bytes.fromhex("99aabbccddeeff01")


def _address(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


def udp(
    payload: bytes,
    source: tuple[str, int] = CLIENT,
    destination: tuple[str, int] = SERVER,
    length: int | None = None,
) -> Packet:
    """A UDP packet; ``length`` is the payload's length on the wire when it was snapped."""
    return Packet(
        Protocol.UDP,
        _address(source[0]),
        _address(destination[0]),
        source[1],
        destination[1],
        payload,
        len(payload) if length is None else length,
    )


def tcp(payload: bytes, source: tuple[str, int] = CLIENT, destination: tuple[str, int] = SERVER) -> Packet:
    return udp(payload, source, destination)._replace(protocol=Protocol.TCP)


def reply(packet: Packet, payload: bytes) -> Packet:
    """The same flow, the other direction."""
    return packet._replace(
        source=packet.destination,
        destination=packet.source,
        source_port=packet.destination_port,
        destination_port=packet.source_port,
        payload=payload,
        payload_length=len(payload),
    )


def filler(count: int) -> bytes:
    return bytes((17 + 31 * i) % 251 + 1 for i in range(count))


# WireGuard: the paper's §5.4.2 (initiation), §5.4.3 (response), §5.4.7 (cookie reply), §5.4.6 (data)


def wg_initiation(sender: int = 0x01020304, mac2: bytes = bytes(16)) -> bytes:
    # type+reserved, sender, ephemeral 32, static 32+16, timestamp 12+16, mac1 16, mac2 16
    return struct.pack("<II", 1, sender) + filler(32) + filler(48) + filler(28) + filler(16) + mac2


def wg_response(receiver: int = 0x01020304, sender: int = 0x0A0B0C0D, mac2: bytes = bytes(16)) -> bytes:
    # type+reserved, sender, receiver, ephemeral 32, empty 0+16, mac1 16, mac2 16
    return struct.pack("<III", 2, sender, receiver) + filler(32) + filler(16) + filler(16) + mac2


def wg_cookie(receiver: int = 0x01020304) -> bytes:
    # type+reserved, receiver, nonce 24, cookie 16+16
    return struct.pack("<II", 3, receiver) + filler(24) + filler(32)


def wg_data(receiver: int = 0x0A0B0C0D, counter: int = 0, plain: int = 0) -> bytes:
    return struct.pack("<IIQ", 4, receiver, counter) + filler(plain + 16)


# OpenVPN: ssl_pkt.c (write_control_auth, tls_wrap_control, tls_reset_standalone), tls_crypt.h


def ovpn_body(acks: tuple[int, ...] = (), remote: bytes = b"", packet_id: int = 0) -> bytes:
    """The reliability layer's part: ack count, acked ids, remote session id if any, own packet id."""
    acked = bytes((len(acks),)) + b"".join(struct.pack(">I", ack) for ack in acks)
    return acked + (remote if acks else b"") + struct.pack(">I", packet_id)


def ovpn_plain(opcode: int, body: bytes, session: bytes = SESSION, key_id: int = 0) -> bytes:
    return bytes((opcode << 3 | key_id,)) + session + body


def ovpn_tls_auth(
    opcode: int,
    body: bytes,
    hmac: int,
    session: bytes = SESSION,
    replay_id: int = 1,
    net_time: float = NOW,
) -> bytes:
    """swap_hmac: opcode and session id first, then HMAC, packet id and net_time, then the rest."""
    head = bytes((opcode << 3,)) + session
    return head + filler(hmac) + struct.pack(">II", replay_id, int(net_time)) + body


def ovpn_tls_crypt(
    opcode: int,
    body: bytes,
    session: bytes = SESSION,
    replay_id: int = 1,
    net_time: float = NOW,
    wrapped_key: bytes = b"",
) -> bytes:
    """tls_crypt_wrap: opcode, session id, packet id, net_time, 32-byte tag, ciphertext of the body's length."""
    head = bytes((opcode << 3,)) + session + struct.pack(">II", replay_id, int(net_time))
    return head + filler(32) + filler(len(body)) + wrapped_key


def ovpn_wrapped_key(length: int = 299) -> bytes:
    """Wrapped client key: tag, encrypted key and metadata, then its own length (doc/tls-crypt-v2.txt)."""
    return filler(length - 2) + struct.pack(">H", length)


def framed(message: bytes) -> bytes:
    """OpenVPN over TCP: a 16-bit length, which does not count itself, before each message."""
    return struct.pack(">H", len(message)) + message


# IKE: RFC 7296 §3.1, §3.2; RFC 2408 §3.1, §3.2


def payload(kind_of_next: int, content: bytes, reserved: int = 0) -> bytes:
    return struct.pack(">BBH", kind_of_next, reserved, 4 + len(content)) + content


def ike(
    exchange: int,
    flags: int,
    first: int,
    body: bytes,
    version: int = 0x20,
    message_id: int = 0,
    initiator: bytes = SESSION,
    responder: bytes = bytes(8),
    length: int | None = None,
) -> bytes:
    stated = 28 + len(body) if length is None else length
    return (
        initiator + responder + struct.pack(">BBBBII", first, version, exchange, flags, message_id, stated) + body
    )


def sa_init_body() -> bytes:
    """SA (33), KE (34), nonce (40), notify (41)."""
    return payload(34, filler(40)) + payload(40, filler(68)) + payload(41, filler(32)) + payload(0, filler(4))


def ike_sa_init(**changes: int | bytes) -> bytes:
    return ike(**{"exchange": 34, "flags": 0x08, "first": 33, "body": sa_init_body(), **changes})  # type: ignore[arg-type]


def ike_encrypted(exchange: int, flags: int, message_id: int, first: int = 46) -> bytes:
    """One SK (or SKF) payload; its next payload names the first one inside."""
    return ike(exchange, flags, first, payload(35, filler(200)), 0x20, message_id, SESSION, PEER_SESSION)


def ikev1_first(exchange: int = 2) -> bytes:
    """SA (1), then two vendor ids (13)."""
    body = payload(13, filler(48)) + payload(13, filler(16)) + payload(0, filler(16))
    return ike(exchange, 0, 1, body, version=0x10)


def ikev1_later(exchange: int, flags: int, first: int, message_id: int) -> bytes:
    return ike(exchange, flags, first, payload(0, filler(60)), 0x10, message_id, SESSION, PEER_SESSION)


MARKER = bytes(4)


def ike_framed(message: bytes) -> bytes:
    """RFC 9329 §3: the length counts itself, the marker and the message."""
    return struct.pack(">H", 2 + 4 + len(message)) + MARKER + message

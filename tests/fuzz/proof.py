"""What may be proven, read from the protocols' descriptions a second time: nothing here imports a fingerprint.

Both readings must agree that a packet is proof, so a slip in either shows.
"""

from __future__ import annotations

from collections.abc import Sequence

_HMACS = (16, 20, 28, 32, 48, 64)
_NEAR = 120
_TEXT = frozenset(b"0123456789 +-./:")


def alone(transport: str, ports: Sequence[int], payload: bytes, length: int, now: float) -> str | None:
    """The family of a packet that is proof by itself, None when it is not.

    ``length`` is the payload's on the wire, ``ports`` both ends', ``now`` the packet's time in epoch seconds.
    """
    if transport == "udp":
        if len(payload) == length and _initiation(payload):
            return "wireguard"
        if len(payload) == length and _reset(payload, now):
            return "openvpn"
        return "ipsec" if _ike_datagram(ports, payload, length) else None
    if transport == "tcp":
        if len(payload) >= 2 and _reset(payload[2 : 2 + int.from_bytes(payload[:2], "big")], now, payload[:2]):
            return "openvpn"
        return "ipsec" if _ike_segment(ports, payload) else None
    return None


def _initiation(message: bytes) -> bool:
    """WireGuard paper §5.4.2, and no more than eight zero bytes where keys, ciphertexts and a MAC stand."""
    return (
        len(message) == 148
        and message[:4] == b"\1\0\0\0"
        and any(message[8:40])
        and not any(message[132:])
        and sum(byte == 0 for byte in message[8:132]) <= 8
    )


def _reset(message: bytes, now: float, prefix: bytes | None = None) -> bool:
    """OpenVPN ssl_pkt.c, tls_crypt.h: a hard reset without acknowledgement whose clock is right."""
    size = len(message)
    if prefix is not None and int.from_bytes(prefix, "big") != size:
        return False
    session = message[1:9]
    if len(session) < 8 or not any(session) or session.count(0) > 2 or set(session) <= _TEXT:
        return False
    opcode = message[0]
    if opcode == 0x38 and size == 14:
        return not any(message[9:])
    if opcode in (0x38, 0x40):
        auth = any(size == 22 + h and _clocked(message, 9 + h, now) and not any(message[17 + h :]) for h in _HMACS)
        return auth or (size == 54 and _clocked(message, 9, now))
    if opcode == 0x50 and 344 <= size <= 1078:
        return _clocked(message, 9, now) and int.from_bytes(message[-2:], "big") == size - 54
    return False


def _clocked(message: bytes, at: int, now: float) -> bool:
    middle, low = message[at + 1 : at + 3], message[at + 3]
    time = int.from_bytes(message[at + 4 : at + 8], "big")
    return not any(middle) and low != 0 and abs(time - now) <= _NEAR


def _ike_datagram(ports: Sequence[int], payload: bytes, length: int) -> bool:
    if 500 in ports and _ike(payload, length):
        return True
    marked = payload[:4] == bytes(4)
    if 4500 in ports and marked and _ike(payload[4:], length - 4):
        return True
    if len(payload) != length:
        return False
    return _first(payload) or (marked and _first(payload[4:]))


def _ike_segment(ports: Sequence[int], payload: bytes) -> bool:
    """RFC 9329: ``IKETCP`` or port 4500, then length, marker, message."""
    prefixed = payload[:6] == b"IKETCP"
    if not prefixed and 4500 not in ports:
        return False
    frame = payload[6:] if prefixed else payload
    return frame[2:6] == bytes(4) and _ike(frame[6:], int.from_bytes(frame[:2], "big") - 6)


def _ike(message: bytes, length: int) -> bool:
    """RFC 7296 §3.1, RFC 2408 §3.1: every field of the header as its version and exchange have it."""
    if len(message) < 28 or length < 32:
        return False
    initiator, responder = any(message[:8]), any(message[8:16])
    following, version, exchange, flags = message[16:20]
    number, stated = int.from_bytes(message[20:24], "big"), int.from_bytes(message[24:28], "big")
    if not initiator or stated != length:
        return False
    if version == 0x20:
        if flags not in (0, 8, 0x20, 0x28):
            return False
        if exchange in (34, 38):
            clear = 33 <= following <= 48 and following != 46
            return clear and number == 0 and ((flags == 8 and not responder) or flags == 0x20)
        if not responder or following not in (46, 53):
            return False
        if exchange in (35, 39, 43):
            return number > 0 and flags in (8, 0x20)
        return exchange in (36, 37, 44)
    if version == 0x10:
        if flags > 7 or not (1 <= following <= 20 or following >= 128):
            return False
        if exchange in (2, 4):
            return number == 0 and (responder or (flags == 0 and following == 1))
        if exchange == 5:
            return not flags & 1 or (following == 8 and responder and number > 0)
        return exchange in (6, 32, 33) and flags & 1 == 1 and following == 8 and responder and number > 0
    return False


def _first(message: bytes) -> bool:
    """A first message whose clear payloads lead exactly to its end."""
    if not _ike(message, len(message)) or any(message[8:16]):
        return False
    second = message[17] == 0x20
    if (message[18], message[19]) not in (((34, 8),) if second else ((2, 0), (4, 0))):
        return False
    at, following = 28, message[16]
    while following:
        legal = (33 <= following <= 48 and following != 46) if second else (following <= 20 or following >= 128)
        if not legal or at + 4 > len(message) or message[at + 1] & (0x7F if second else 0xFF):
            return False
        size = int.from_bytes(message[at + 2 : at + 4], "big")
        if size < 4:
            return False
        following, at = message[at], at + size
    return at == len(message)

"""How likely random bytes are taken for a handshake: from each shape, and from what its proof tests beyond.

All probabilities are of a payload of uniformly random bytes whose length, transport and port already fit: so they
bound what any traffic does whose bytes are independent of ours, encrypted traffic above all.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from enforcer.fingerprints import ike, openvpn, wireguard
from enforcer.fingerprints.catalogue import all_shapes
from enforcer.fingerprints.shape import Shape

NEAR_VALUES = 2 * int(openvpn.NEAR) + 1
"""Values of net_time, whole seconds, that are near any one moment: at most."""

NEAR = Fraction(NEAR_VALUES, 2**32)
_PACKET_ID = Fraction(255, 256)
_INDICES = 4
_ONE = Fraction(1)


class Bound(NamedTuple):
    """Of one shape: what the sieve hands over, what of it is proof, and when."""

    shape: Shape
    sieve: Fraction
    proof: Fraction
    beyond: str
    """What the proof tests beyond the shape."""
    alone: bool
    """Whether one packet is proof; else only as an answer to the other end's handshake on the same flow."""


def sieve(shape: Shape) -> Fraction:
    """How much of random payloads has the shape, lengths apart: its fixed bits, and the range of TCP's prefix."""
    bits = sum(
        (int.from_bytes(octets.mask) if octets.mask else (1 << 8 * len(octets.value)) - 1).bit_count()
        for octets in shape.octets
    )
    prefixes = sum(high - low + 1 for low, high in shape.prefix_lengths)
    return Fraction(1, 2**bits) * (Fraction(prefixes, 2**16) if prefixes else _ONE)


def bounds() -> list[Bound]:
    """One for each shape of the catalogue."""
    return [_bound(shape) for shape in all_shapes()]


def _bound(shape: Shape) -> Bound:
    if shape.name.startswith("wireguard"):
        return _wireguard(shape)
    if shape.name.startswith("openvpn"):
        return _openvpn(shape)
    return _ipsec(shape)


def _wireguard(shape: Shape) -> Bound:
    seen = sieve(shape)
    if shape.name == "wireguard-initiation":
        return Bound(shape, seen, seen / 2**128, "mac2 zero", True)
    # A cookie reply may answer an initiation or a response.
    kinds = 2 if shape.name == "wireguard-cookie-reply" else 1
    return Bound(shape, seen, seen * _INDICES * kinds / 2**32, "receiver index is one the other end sent", False)


def _openvpn(shape: Shape) -> Bound:
    layout = next(each for each in openvpn.LAYOUTS if shape.name.endswith(f"-{each.name}"))
    seen = proof = sieve(shape)
    beyond = []
    if layout.packet_id is not None:
        proof *= _PACKET_ID
        beyond.append("packet id not 0")
        if layout.remote is None:
            proof *= NEAR
            beyond.append(f"net_time within {int(openvpn.NEAR)} s")
    if layout.opcode == openvpn.CLIENT_RESET_V3:
        # The prefix's or datagram's length is given: of 2**16 values of the trailer, one agrees with it.
        proof /= 2**16
        beyond.append("trailer is the wrapped key's length")
    if layout.remote is not None:
        proof /= 2**64
        beyond.append("remote session id is the client's")
    alone = not layout.acked and layout.name != "p2p-reset-plain"
    if alone:
        beyond.append("session id looks random")
    return Bound(shape, seen, proof, ", ".join(beyond) or "the other end sent its reset", alone)


def _ipsec(shape: Shape) -> Bound:
    seen = sieve(shape)
    if not shape.octets or shape.octets[0].value == b"IKETCP":
        return Bound(shape, seen, Fraction(0), "never: the IKE message behind it is", False)
    marker = Fraction(1, 2**32) if shape.octets[0].meaning == "non-ESP marker" else _ONE
    version = ike.IKEV2 if "ikev2" in shape.name else ike.IKEV1
    if shape.ports:
        return Bound(shape, seen, marker * header(version), "every field in range, length is the message's", True)
    following = 15 if version == ike.IKEV2 else 1
    # Responder SPI, next payload, version, exchange, flags, message id, length; the chain of payloads on top.
    first = Fraction(following, 256) / 2 ** (64 + 8 + 8 + 8 + 32 + 32)
    if shape.protocol.label == "tcp":
        return Bound(shape, seen, marker * first, "length is the frame's; behind IKETCP only", False)
    return Bound(shape, seen, marker * first, "length is the message's, payloads lead to its end", True)


def header(
    version: int,
    no_responder: Fraction = Fraction(1, 2**64),
    message_zero: Fraction = Fraction(1, 2**32),
    version_fits: Fraction = Fraction(1, 256),
    length_fits: Fraction = Fraction(1, 2**32),
    exchanges: int = 256,
    flags: tuple[int, ...] = tuple(range(256)),
) -> Fraction:
    """How much of random IKE headers of one version has every field in range, counted over all of them.

    The probabilities of the wide fields, and the values of the narrow ones, may be others than of random bytes.
    """
    legal = ike._legal_v2 if version == ike.IKEV2 else ike._legal_v1
    total = Fraction(0)
    for opens, chance_opens in ((True, no_responder), (False, 1 - no_responder)):
        for number, chance_number in ((0, message_zero), (1, 1 - message_zero)):
            count = sum(
                legal(exchange, flag, following, number, opens)
                for exchange in ike.EXCHANGES[version]
                for flag in flags
                for following in range(256)
            )
            total += chance_opens * chance_number * count
    return total * version_fits * length_fits / (exchanges * len(flags) * 256)


def session_looks_random() -> float:
    """How many random session ids look so: few zeros, and not all of them characters of numbers."""
    few = sum(math.comb(8, zeros) * 255 ** (8 - zeros) for zeros in range(openvpn.SESSION_ZEROS + 1)) / 256**8
    return float(few - (len(openvpn._NUMERALS) / 256) ** 8)


def few_zeros() -> float:
    """How many random WireGuard initiations have no more zero bytes than allowed."""
    chances = [math.comb(124, zeros) * 255 ** (124 - zeros) for zeros in range(wireguard.CIPHERTEXT_ZEROS + 1)]
    return float(Fraction(sum(chances), 256**124))


def table() -> str:
    """The bounds as Markdown: exponents of 2, rounded up."""
    rows = ["| shape | has the shape | is proven | when | beyond the shape |", "|---|---|---|---|---|"]
    for bound in bounds():
        when = "alone" if bound.alone else "as an answer"
        rows.append(
            f"| {bound.shape.name} | {_power(bound.sieve)} | {_power(bound.proof)} | {when} | {bound.beyond} |"
        )
    return "\n".join(rows) + "\n"


def _power(chance: Fraction) -> str:
    if not chance:
        return "0"
    exponent = math.log2(chance.numerator) - math.log2(chance.denominator)
    return f"2^{math.ceil(exponent * 10) / 10:g}"

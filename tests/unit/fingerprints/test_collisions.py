"""The bounds of ``collisions`` hold: counted out where a field has few values, simulated where it has many.

``python -m tests.unit.fingerprints.test_collisions`` writes their table into docs/adversity-parsers.md.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from enforcer.fingerprints import ike, openvpn
from enforcer.fingerprints.detection import Standing
from enforcer.fingerprints.detector import Detector
from enforcer.fingerprints.shape import Shape
from enforcer.wire.packet import Protocol
from tests.unit.fingerprints import collisions
from tests.unit.fingerprints.builders import NOW, filler, udp
from tests.unit.fingerprints.collisions import bounds
from tests.unit.fingerprints.samples import samples

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adversity-parsers.md"
BEGIN, END = "<!-- bounds: made by tests/unit/fingerprints/test_collisions.py -->\n", "<!-- end of bounds -->\n"
TRIALS = 8_000
SIGMAS = 4.5
"""A right bound fails one simulation in 150,000: these are seeded, so it does always or never."""

BY_NAME = {bound.shape.name: bound for bound in bounds()}
WINDOW = 1000


def proven(payload: bytes, shape: Shape) -> bool:
    port = min(shape.ports, default=9999)
    packet = udp(payload, destination=("198.51.100.7", port))._replace(protocol=shape.protocol)
    detection = Detector(1).inspect(packet, NOW)
    return detection is not None and detection.standing is Standing.PROVEN


def random_of(shape: Shape, length: int, source: random.Random) -> bytearray:
    """Random bytes of that length but for the bits that the shape fixes."""
    payload = bytearray(source.randbytes(length))
    for octets in shape.octets:
        mask = octets.mask or b"\xff" * len(octets.value)
        for at, (value, bits) in enumerate(zip(octets.value, mask, strict=True), octets.offset):
            payload[at] = payload[at] & ~bits & 0xFF | value
    if shape.prefix_lengths:
        payload[:2] = struct.pack(">H", length - 2)
    return payload


def simulate(shape: Shape, make: Callable[[random.Random], bytes], expected: float) -> float:
    """The share that was proven, which must be near what was expected."""
    source = random.Random(shape.name)
    hits = sum(proven(make(source), shape) for _ in range(TRIALS))
    error = math.sqrt(max(expected * (1 - expected), 1 / TRIALS) / TRIALS)
    share = hits / TRIALS
    assert abs(share - expected) <= SIGMAS * error, (
        f"{shape.name}: {share} of random payloads, expected {expected}"
    )
    return share


def test_every_bound_is_of_a_shape_and_below_its_sieve() -> None:
    for bound in BY_NAME.values():
        assert bound.proof <= bound.sieve, bound.shape.name
        assert bound.proof <= Fraction(1, 2**48), bound.shape.name


def test_wireguard_initiations() -> None:
    bound = BY_NAME["wireguard-initiation"]

    def make(source: random.Random) -> bytes:
        payload = random_of(bound.shape, 148, source)
        payload[132:] = bytes(16)
        return bytes(payload)

    simulate(bound.shape, make, collisions.few_zeros())


@pytest.mark.parametrize(
    "name", [b.shape.name for b in BY_NAME.values() if b.alone and b.shape.name.startswith("openvpn")]
)
def test_openvpn_resets(name: str) -> None:
    """With net_time somewhere in a window of 2,000 s, and the wrapped key's length off by less than 8."""
    bound = BY_NAME[name]
    shape = bound.shape
    layout = next(each for each in openvpn.LAYOUTS if name.endswith(f"-{each.name}"))
    at = 2 if shape.protocol is Protocol.TCP else 0
    expected = collisions.session_looks_random()
    if layout.packet_id is not None:
        near = sum(abs(int(NOW) + off - NOW) <= openvpn.NEAR for off in range(-WINDOW, WINDOW))
        expected *= near / (2 * WINDOW) * 255 / 256
        assert near <= collisions.NEAR_VALUES
    if layout.opcode == openvpn.CLIENT_RESET_V3:
        expected /= 16

    def make(source: random.Random) -> bytes:
        length = source.randint(*layout.lengths)
        payload = random_of(shape, at + length, source)
        if layout.packet_id is not None:
            off = source.randrange(-WINDOW, WINDOW)
            start = at + layout.packet_id + 4
            payload[start : start + 4] = struct.pack(">I", int(NOW) + off)
        if layout.opcode == openvpn.CLIENT_RESET_V3:
            payload[-2:] = struct.pack(">H", length - 54 + source.randrange(-8, 8))
        return bytes(payload)

    simulate(shape, make, expected)


def test_net_time_counted_out() -> None:
    """Of all 2**32 values only those of the window can be near: the edges and what lies far, one by one."""
    sample = next(each for each in samples() if each.name == "openvpn client tls-crypt")
    shape = BY_NAME["openvpn-udp-client-reset-tls-crypt"].shape
    values = [int(NOW) + off for off in range(-2000, 2000)] + [1 << bit for bit in range(32)] + [0, 2**32 - 1]
    near = {
        value for value in values if proven(sample.payload[:13] + struct.pack(">I", value) + filler(37), shape)
    }
    assert near == set(range(math.ceil(NOW - openvpn.NEAR), math.floor(NOW + openvpn.NEAR) + 1))
    assert len(near) <= collisions.NEAR_VALUES


def test_the_wrapped_keys_length_counted_out() -> None:
    sample = next(each for each in samples() if each.name == "openvpn client tls-crypt-v2 shortest")
    shape = BY_NAME["openvpn-udp-client-reset-tls-crypt-v2"].shape
    agreeing = [n for n in range(2**16) if proven(sample.payload[:-2] + struct.pack(">H", n), shape)]
    assert agreeing == [len(sample.payload) - 54]


@pytest.mark.parametrize("name", [b.shape.name for b in BY_NAME.values() if b.shape.ports])
def test_ike_headers_on_their_ports(name: str) -> None:
    """With the shape's bits and the length right, and the wide fields zero half the time."""
    shape = BY_NAME[name].shape
    version = ike.IKEV2 if "ikev2" in name else ike.IKEV1
    defined = 0x28 if version == ike.IKEV2 else 0x07
    flags = tuple(flag for flag in range(256) if not flag & ~defined)
    half, one = Fraction(1, 2), Fraction(1)
    expected = collisions.header(version, half, half, one, one, exchanges=64, flags=flags)
    at = 6 if shape.protocol is Protocol.TCP else 4 if 4500 in shape.ports else 0

    def make(source: random.Random) -> bytes:
        payload = random_of(shape, at + 60, source)
        payload[at + 24 : at + 28] = struct.pack(">I", 60)
        if at == 6:
            payload[:2] = struct.pack(">H", 66)
        if source.random() < 0.5:
            payload[at + 8 : at + 16] = bytes(8)
        if source.random() < 0.5:
            payload[at + 20 : at + 24] = bytes(4)
        return bytes(payload)

    simulate(shape, make, float(expected))


def test_random_payloads_with_every_bit_of_a_shape() -> None:
    """Nothing else made right: only the plain reset has no more than that, and a session id."""
    for bound in BY_NAME.values():
        shape, source = bound.shape, random.Random(bound.shape.name)
        if shape.name.endswith("client-reset-plain"):
            continue
        ranges = shape.lengths or tuple((low + 2, high + 2) for low, high in shape.prefix_lengths) or ((60, 200),)
        for _ in range(300):
            low, high = source.choice(ranges)
            payload = bytes(random_of(shape, source.randint(low, min(high, 400)), source))
            assert not proven(payload, shape), f"{shape.name}: {payload.hex()}"


def test_the_table_is_up_to_date() -> None:
    said = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert said == collisions.table(), "write it anew: python -m tests.unit.fingerprints.test_collisions"


if __name__ == "__main__":
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(head + BEGIN + collisions.table() + END + rest.partition(END)[2], encoding="utf-8")

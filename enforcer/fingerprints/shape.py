"""The declarative Shape: one definition for the user-space test, the kernel sieve and the docs' table.

A shape says what the kernel can test too: the transport, the payload's length on the wire, and masked bytes
at fixed offsets. It is a superset of the proof of its message (sieve ⊇ proof).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from enforcer.fingerprints.detection import Family
from enforcer.wire.packet import Packet, Protocol


@dataclass(frozen=True, slots=True)
class Octets:
    """``len(value)`` bytes at ``offset`` of the payload, equal to ``value`` under ``mask``.

    ``offset`` counts from the start of the UDP payload, or of the TCP segment's payload.
    """

    offset: int
    value: bytes
    mask: bytes = b""
    meaning: str = ""

    def __post_init__(self) -> None:
        if not self.value or len(self.value) > 16:
            raise ValueError("1 to 16 bytes: nft loads at most 128 bits of payload at once")
        if self.mask and len(self.mask) != len(self.value):
            raise ValueError("mask and value differ in length")
        if self.mask and any(v & ~m & 0xFF for v, m in zip(self.value, self.mask, strict=True)):
            raise ValueError("value has bits outside its mask: it can never match")

    def matches(self, payload: bytes) -> bool:
        """Whether the captured payload holds these bytes."""
        window = payload[self.offset : self.offset + len(self.value)]
        if not self.mask:
            return window == self.value
        if len(window) != len(self.value):
            return False
        return all(b & m == v for b, m, v in zip(window, self.mask, self.value, strict=True))


@dataclass(frozen=True, slots=True)
class Shape:
    """One message of one family as the kernel can recognise it.

    ``lengths`` are inclusive ranges of the payload's length on the wire, in bytes: of the UDP payload; for
    TCP of the segment's payload, where they are seldom useful because further messages may follow. ``ports``,
    when given, must hold for either end. ``prefix_lengths``, for TCP, are inclusive ranges of the big-endian
    16-bit number the segment starts with (the framing of OpenVPN and RFC 9329).
    """

    name: str
    family: Family
    protocol: Protocol
    octets: tuple[Octets, ...]
    lengths: tuple[tuple[int, int], ...] = ()
    prefix_lengths: tuple[tuple[int, int], ...] = ()
    ports: frozenset[int] = field(default_factory=frozenset)
    source: str = ""

    def matches(self, packet: Packet) -> bool:
        """Whether the packet has this shape; exactly what the nft expression tests in the kernel."""
        if packet.protocol != self.protocol:
            return False
        length = packet.payload_length
        if self.lengths and not any(low <= length <= high for low, high in self.lengths):
            return False
        if self.ports and not (packet.source_port in self.ports or packet.destination_port in self.ports):
            return False
        payload = packet.payload
        if self.prefix_lengths:
            if len(payload) < 2:
                return False
            prefix = payload[0] << 8 | payload[1]
            if not any(low <= prefix <= high for low, high in self.prefix_lengths):
                return False
        return all(octets.matches(payload) for octets in self.octets)

    def nft(self) -> tuple[str, ...]:
        """The nft match expressions of this shape, one per rule (ports need one rule for each direction).

        Lengths are tested with ``udp length`` (header's 8 bytes included); the payload's base is ``@th`` plus
        64 bits for UDP and ``@ih`` for TCP, whose header has no fixed length (nft(8), RAW PAYLOAD EXPRESSION).
        """
        parts: list[str] = []
        if self.protocol is Protocol.UDP:
            base, shift = "@th", 64
            if self.lengths:
                parts.append("udp length " + _ranges([(low + 8, high + 8) for low, high in self.lengths]))
        else:
            base, shift = "@ih", 0
            if self.lengths:
                raise ValueError(f"{self.name}: nft cannot test the length of a TCP segment's payload")
            if self.prefix_lengths:
                parts.append("@ih,0,16 " + _ranges(self.prefix_lengths))
        for octets in self.octets:
            bits = len(octets.value) * 8
            expression = f"{base},{shift + octets.offset * 8},{bits}"
            if octets.mask:
                expression += f" & 0x{octets.mask.hex()} =="
            parts.append(f"{expression} 0x{octets.value.hex()}")
        transport = self.protocol.label
        match = " ".join(parts)
        if not self.ports:
            return (f"meta l4proto {transport} {match}",)
        ports = _ranges([(port, port) for port in sorted(self.ports)])
        return tuple(f"{transport} {side} {ports} {match}" for side in ("sport", "dport"))


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ranges]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"

"""From a packet to the few shapes it could have, in a handful of kernel expressions.

Every forwarded packet comes through here, and nearly none is a handshake: tried one after the other, dozens of
shapes would cost each packet more than the rest of its way. So shapes are grouped by what tells them apart at
once (an exact length, a port, a first run of fixed bytes), and the kernel looks the group up. What a group's chain
tests is each shape whole: the grouping decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from enforcer.fingerprints.shape import Octets, Shape
from enforcer.wire.packet import Protocol

NARROW = 1024
"""Widest range of lengths, in bytes, that tells anything apart."""

Chains = dict[str, list[str]]


def dispatch(
    protocol: Protocol, shapes: Iterable[Shape], target: Callable[[Shape], str]
) -> tuple[list[str], Chains]:
    """The rules that find a packet's groups, and the groups' chains by name; ``target`` is a shape's verdict."""
    by_length: dict[tuple[int, int], list[Shape]] = {}
    by_ports: dict[frozenset[int], list[Shape]] = {}
    by_start: dict[tuple[int, bytes], list[Shape]] = {}
    for shape in shapes:
        ranges = shape.lengths if protocol is Protocol.UDP else shape.prefix_lengths
        if shape.ports:
            by_ports.setdefault(shape.ports, []).append(shape)
        elif ranges and all(high - low < NARROW for low, high in ranges):
            for each in ranges:
                by_length.setdefault(each, []).append(shape)
        else:
            by_start.setdefault(_fixed_start(shape.octets[0]), []).append(shape)
    label = protocol.label
    chains: Chains = {}
    rules: list[str] = []
    if by_length:
        header = 8 if protocol is Protocol.UDP else 0
        key = "udp length" if protocol is Protocol.UDP else "@ih,0,16"
        targets = []
        for (low, high), group in sorted(by_length.items()):
            name = f"{label}_length_{low}"
            chains[name] = list(_rules(group, target))
            lengths = str(low + header) if low == high else f"{low + header}-{high + header}"
            targets.append(f"{lengths} : jump {name}")
        rules.append(f"{key} vmap {{ {', '.join(targets)} }}")
    for ports, group in sorted(by_ports.items(), key=lambda item: sorted(item[0])):
        numbers = sorted(ports)
        name = f"{label}_port_{numbers[0]}"
        chains[name] = list(_rules(group, target))
        some = ", ".join(map(str, numbers))
        rules.extend(f"{label} {side} {{ {some} }} jump {name}" for side in ("sport", "dport"))
    base, shift = ("@th", 64) if protocol is Protocol.UDP else ("@ih", 0)
    for (offset, value), group in sorted(by_start.items()):
        name = f"{label}_start_{offset}_{value.hex()}"
        chains[name] = list(_rules(group, target))
        rules.append(f"{base},{shift + offset * 8},{len(value) * 8} 0x{value.hex()} jump {name}")
    return rules, chains


def _rules(shapes: Iterable[Shape], target: Callable[[Shape], str]) -> Iterator[str]:
    for shape in shapes:
        for match in shape.nft():
            yield f'{match} goto {target(shape)} comment "{shape.name}"'


def _fixed_start(octets: Octets) -> tuple[int, bytes]:
    """Where the first bytes stand that must be just these, at most four of them."""
    mask = octets.mask or b"\xff" * len(octets.value)
    fixed = 0
    while fixed < min(4, len(mask)) and mask[fixed] == 0xFF:
        fixed += 1
    if not fixed:
        raise ValueError("a shape that starts with a masked byte cannot be grouped by it")
    return octets.offset, octets.value[:fixed]

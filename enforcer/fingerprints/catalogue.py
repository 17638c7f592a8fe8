"""All shapes of the three families together, and the table of them for the documentation."""

from __future__ import annotations

from enforcer.fingerprints import ipsec, openvpn, wireguard
from enforcer.fingerprints.shape import Octets, Shape


def all_shapes() -> tuple[Shape, ...]:
    """Every shape: what the kernel sieve must hand over for no provable handshake to be missed."""
    return wireguard.SHAPES + openvpn.SHAPES + ipsec.SHAPES


def markdown_table() -> str:
    """The shapes as a Markdown table. Lengths in bytes; ``@n`` counts from the start of the payload."""
    rows = ["| shape | transport | length | ports | bytes | source |", "|---|---|---|---|---|---|"]
    for shape in all_shapes():
        ranges = shape.lengths or shape.prefix_lengths
        length = ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in ranges)
        if shape.prefix_lengths:
            length += " (16-bit prefix)"
        cells = (
            shape.name,
            shape.protocol.label,
            length or "any",
            ", ".join(map(str, sorted(shape.ports))) or "any",
            "; ".join(_octets(octets) for octets in shape.octets),
            shape.source,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _octets(octets: Octets) -> str:
    mask = f" under mask `{octets.mask.hex()}`" if octets.mask else ""
    meaning = f" ({octets.meaning})" if octets.meaning else ""
    return f"@{octets.offset} `{octets.value.hex()}`{mask}{meaning}"

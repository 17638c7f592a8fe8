"""Where IP starts in the frames of a batch, for the common link types (``wire/link.py`` knows them all)."""

from __future__ import annotations

import numpy as np

from enforcer.bulk.words import Bytes, Flags, Indices, at_every_byte
from enforcer.wire import ethertype, link

_RAW = frozenset({12, 14, 101, 228, 229})
_LOOPBACK = frozenset({0, 108})
# Link type -> where its EtherType stands, and the header's length.
_ETHERTYPES = {1: (12, 14), 113: (14, 16), 276: (0, 20)}
_TAGS = 4
"""VLAN tags looked behind; a frame with more is left to ``wire/link.py``."""
_PPPOE_SESSION = b"\x11\x00"


READ = frozenset({*_RAW, *_LOOPBACK, *_ETHERTYPES})
"""The link types that are read in bulk."""


def ip_offsets(link_type: int, octets: Bytes, starts: Indices, captured: Indices) -> tuple[Indices, Flags]:
    """Where an IP header may start in each frame, counted from the frame, and for which frames that is known.

    ``starts`` are the frames' offsets in ``octets``, ``captured`` their lengths in bytes.
    """
    if link_type in _RAW:
        return np.zeros_like(starts), np.ones(len(starts), np.bool_)
    if link_type in _LOOPBACK:
        word = at_every_byte(octets, "<u4")[starts]
        families = np.array(sorted(link.FAMILIES), np.uint32)
        known = np.isin(word, families) | np.isin(word, families.byteswap())
        return np.full_like(starts, 4), known & (captured >= 4)
    where = _ETHERTYPES.get(link_type)
    if where is None:
        return np.zeros_like(starts), np.zeros(len(starts), np.bool_)
    position, header = where
    return _behind_ethertype(octets, starts, captured, position, header)


def _behind_ethertype(
    octets: Bytes, starts: Indices, captured: Indices, position: int, header: int
) -> tuple[Indices, Flags]:
    half_words = at_every_byte(octets, ">u2")
    kinds = half_words[starts + position]
    offsets = np.full_like(starts, header)
    whole = captured >= header
    known = whole & ((kinds == ethertype.IPV4) | (kinds == ethertype.IPV6))
    if known.all():
        return offsets, known
    rest = np.flatnonzero(whole & ~known)
    for _ in range(_TAGS):
        rest = rest[np.isin(kinds[rest], sorted(ethertype.VLAN)) & (captured[rest] >= offsets[rest] + 4)]
        if not rest.size:
            break
        kinds[rest] = half_words[starts[rest] + offsets[rest] + 2]
        offsets[rest] += 4
        ip = (kinds[rest] == ethertype.IPV4) | (kinds[rest] == ethertype.IPV6)
        known[rest[ip]] = True
        rest = rest[~ip]
    rest = np.flatnonzero(whole & ~known & (kinds == ethertype.PPPOE_SESSION) & (captured >= offsets + 8))
    if rest.size:
        at = starts[rest] + offsets[rest]
        head = half_words[at] == int.from_bytes(_PPPOE_SESSION, "big")
        protocol = half_words[at + 6]
        offsets[rest] += 8
        known[rest] = head & ((protocol == ethertype.PPP_IPV4) | (protocol == ethertype.PPP_IPV6))
    return offsets, known

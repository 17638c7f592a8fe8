"""The IP and transport headers of a batch at once: the same packets as ``wire.link.decode`` would make.

Only what is whole and plain is read here: IPv4 and IPv6 without extension headers, unfragmented, with UDP, TCP or
ESP. All else is left to ``wire``, frame by frame, so that there is one place that says why a frame is no packet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enforcer.bulk.link import READ, ip_offsets
from enforcer.bulk.words import Bytes, Flags, Indices, at_every_byte, big_endian_16, number, rows_at
from enforcer.wire.batch import Batch

_ROW = 40
"""Bytes read of each IP header: all of IPv6's, IPv4's without its options."""


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of a batch, an item for each frame. Where ``read`` is false the others mean nothing.

    ``protocol`` is the IP protocol number; ``addresses`` are rows of 40 bytes from the IP header on, ``version6``
    says of which version; ``ports`` has source and destination port in one little-endian word, each as sent.
    ``payload`` is where the transport's payload starts in ``octets``, ``length`` its length on the wire and
    ``captured`` how much of that is there, in bytes.
    """

    octets: Bytes
    read: Flags
    version6: Flags
    protocol: Bytes
    addresses: Bytes
    ports: Indices
    payload: Indices
    length: Indices
    captured: Indices


def read_headers(batch: Batch) -> Headers:
    """The headers of a batch's frames."""
    layout = batch.layout
    octets = np.frombuffer(batch.buffer, np.uint8)
    places = np.array(batch.places, np.int64)
    words = at_every_byte(octets, layout.order + "u4")
    captured = words[places].astype(np.int64)
    starts = places + layout.to_data
    offsets, known = _ip_offsets(batch, octets, starts, captured)
    at = starts + offsets
    left = captured - offsets
    rows = rows_at(octets, at, _ROW)

    version = rows[:, 0] >> 4
    version4 = known & (version == 4) & (left >= 20)
    version6 = known & (version == 6) & (left >= 40)
    header = (rows[:, 0] & 0x0F).astype(np.int64) << 2
    total = big_endian_16(rows, 2)
    fragment = (rows[:, 6] & 0x3F) | rows[:, 7]
    read = version4 & (header >= 20) & (total >= header) & (left >= header) & (fragment == 0)
    length = total - header
    protocol = rows[:, 9]
    if version6.any():
        length6 = big_endian_16(rows, 4)
        read |= version6 & (length6 != 0)
        header = np.where(version6, 40, header)
        length = np.where(version6, length6, length)
        protocol = np.where(version6, rows[:, 6], protocol)

    at += np.where(read, header, 0)
    left -= header
    transport = rows_at(octets, at, 16)
    ports = number(transport, 0, "<u4").astype(np.int64)
    udp, tcp, esp = protocol == 17, protocol == 6, protocol == 50
    datagram = big_endian_16(transport, 4)
    udp &= (left >= 8) & (datagram >= 8) & (datagram <= length)
    offset = (transport[:, 12] >> 4).astype(np.int64) << 2
    tcp &= (left >= 20) & (offset >= 20) & (offset <= length)
    esp &= length >= 8
    read &= udp | tcp | esp
    # What follows the transport's header: for UDP by its own length, for the others by IP's.
    header = np.where(udp, 8, np.where(tcp, offset, 0))
    length = np.where(udp, datagram, length)
    ports[esp] = 0
    return Headers(
        octets,
        read,
        version6,
        protocol,
        rows,
        ports,
        at + np.where(read, header, 0),
        length - header,
        np.maximum(np.minimum(length, left) - header, 0),
    )


def _ip_offsets(batch: Batch, octets: Bytes, starts: Indices, captured: Indices) -> tuple[Indices, Flags]:
    interfaces = batch.layout.interfaces
    types = {interface.link_type for interface in interfaces}
    if len(types) == 1:
        return ip_offsets(types.pop(), octets, starts, captured)
    index = at_every_byte(octets, batch.layout.order + "u4")[starts - (batch.layout.to_data + 12)]
    link_types = np.array([interface.link_type for interface in interfaces])[index]
    offsets = np.zeros_like(starts)
    known = np.zeros(len(starts), np.bool_)
    # A capture may have an interface of every link type there is.
    for link_type in types & READ:
        rows = np.flatnonzero(link_types == link_type)
        offsets[rows], known[rows] = ip_offsets(link_type, octets, starts[rows], captured[rows])
    return offsets, known

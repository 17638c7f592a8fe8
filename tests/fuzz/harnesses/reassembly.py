"""IP packets of a few hosts one after another, fragments among them, against a reassembly without any economy.

One byte says how many bytes of IP packet follow; so on to the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from enforcer.wire.ip import parse, parse_reassembled
from enforcer.wire.packet import Fragment, NotParsed, Packet
from enforcer.wire.reassembly import LONGEST_DATAGRAM, Reassembler
from tests.fuzz.frames import fragments, transport

LONGEST = 900
SMALL = 2


def seeds() -> dict[str, bytes]:
    body = transport(17, 40123, 500, bytes(range(100)))
    found: dict[str, bytes] = {}
    for version in (4, 6):
        pieces = fragments(version, 17, body, 40)
        found[f"in order {version}"] = _framed(pieces)
        found[f"backwards {version}"] = _framed(pieces[::-1])
        found[f"twice {version}"] = _framed([pieces[0], *pieces])
        found[f"overlapping {version}"] = _framed([pieces[0], *fragments(version, 17, body, 24)[1:]])
        two = [piece for n in (1, 2, 3) for piece in fragments(version, 17, body, 56, n)]
        found[f"several {version}"] = _framed(two[::2] + two[1::2])
    return found


def _framed(packets: list[bytes]) -> bytes:
    return b"".join(bytes((len(packet),)) + packet for packet in packets)


def one(data: bytes) -> None:
    large, small = Reassembler(4096, 30.0), Reassembler(SMALL, 30.0)
    model: dict[tuple[bytes, bytes, int, int], list[Fragment]] = {}
    heard: dict[tuple[bytes, bytes, int, int], list[Fragment]] = {}
    for packet in _packets(data):
        fragment = parse(packet, len(packet))
        if not isinstance(fragment, Fragment):
            continue
        protocol = fragment.protocol if len(fragment.source) == 4 else 0
        key = (fragment.source, fragment.destination, fragment.identification, protocol)
        known = model.setdefault(key, [])
        known.append(fragment)
        result = large.add(fragment, 0.0)
        expected = _joined(known)
        if expected is None:
            assert result is None or isinstance(result, NotParsed), "joined what has a hole or an overlap"
        else:
            # A set that broke a rule before it was whole stays given up.
            assert result == expected or isinstance(result, NotParsed)
        other = small.add(fragment, 0.0)
        assert len(small) <= SMALL
        # What was dropped to make room may have held a contradiction, so only the latest fragments count.
        every = heard.setdefault(key, [])
        every.append(fragment)
        latest = (_joined(every[first:]) for first in range(len(every)))
        assert not isinstance(other, Packet) or other in latest, "joined what never came together"
        if isinstance(result, Packet) or (expected is not None and result == expected):
            del model[key]
    small.add(_LATE, 1000.0)
    assert len(small) <= 1, "what is over stays"


_LATE = Fragment(bytes(4), bytes(4), 1, 17, 8, True, bytes(8), 8)


def _packets(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def _joined(fragments: list[Fragment]) -> Packet | NotParsed | None:
    """What all fragments make of their datagram: None while it has a hole, or two tell of the same byte."""
    ends = {fragment.offset + fragment.data_length for fragment in fragments if not fragment.more}
    if len(ends) != 1:
        return None
    (end,) = ends
    whole: dict[int, int] = {}
    protocol = 0
    for fragment in {
        (each.offset, each.data, each.more, each.protocol * (not each.offset)): each for each in fragments
    }.values():
        for at, byte in enumerate(fragment.data, fragment.offset):
            if at in whole:
                return None
            whole[at] = byte
        if fragment.offset == 0:
            protocol = fragment.protocol
    if len(whole) != end or max(whole, default=-1) != end - 1 or end > LONGEST_DATAGRAM:
        return None
    first = fragments[0]
    data = bytes(whole[at] for at in range(end))
    return parse_reassembled(protocol, first.source, first.destination, data)

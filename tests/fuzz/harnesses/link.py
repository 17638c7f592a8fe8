"""Link layers and IP: a frame of any link type.

Two bytes say the link type (of the table's when the first is below it, else any), one how much longer the frame
was on the wire, one where it is cut for comparison; then the frame.
"""

from __future__ import annotations

from enforcer.wire.link import decode
from enforcer.wire.packet import Fragment, NotParsed, Packet
from tests.fuzz.frames import ip_packet, links
from tests.unit.fingerprints.samples import samples

LONGEST = 400
LINK_TYPES = (0, 1, 6, 9, 10, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 192, 228, 229, 239, 276)


def seeds() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for sample in samples()[:6]:
        for version in (4, 6):
            packet = ip_packet(version, int(sample.protocol), 40123, sample.port, sample.payload[:160])
            for name, link_type, frame in links(packet, version):
                head = bytes((LINK_TYPES.index(link_type), 0, 0, len(frame) // 2))
                found[f"{name} {version} {sample.name}"] = head + frame
    return found


def one(data: bytes) -> None:
    if len(data) < 4:
        return
    link_type = LINK_TYPES[data[0]] if data[0] < len(LINK_TYPES) else data[0] << 8 | data[1]
    frame = data[4:]
    wire = len(frame) + data[2]
    whole = decode(link_type, frame, wire)
    if isinstance(whole, NotParsed):
        return
    assert link_type in LINK_TYPES
    _within(whole, frame)
    cut = frame[: data[3] % (len(frame) + 1)]
    part = decode(link_type, cut, wire)
    if isinstance(part, Packet) and isinstance(whole, Packet):
        assert part._replace(payload=b"") == whole._replace(payload=b""), "the cut shows other headers"
        assert whole.payload.startswith(part.payload)
    elif isinstance(part, Fragment) and isinstance(whole, Fragment):
        assert part._replace(data=b"") == whole._replace(data=b""), "the cut shows other headers"
        assert whole.data.startswith(part.data)
    else:
        assert isinstance(part, NotParsed), "a cut frame is another kind of thing"


def _within(found: Packet | Fragment, frame: bytes) -> None:
    shown, length = (
        (found.payload, found.payload_length) if isinstance(found, Packet) else (found.data, found.data_length)
    )
    assert shown in frame, "bytes that the frame does not have"
    assert 0 <= len(shown) <= length
    assert length <= 0xFFFF + 40 + 256 * 8 * 3, "longer than IP can say"
    assert len(found.source) == len(found.destination)

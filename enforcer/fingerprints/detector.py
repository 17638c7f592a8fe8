"""Connects the packets of a flow: what the families' files cannot say of one packet alone.

The detector holds one bounded table of flows, because some messages are proof only as the answer to another.
At its bound the flow that has been quiet longest is forgotten, a candidate before a proven one while candidates
have more than their share. Forgetting is safe: a candidate that is forgotten is not confirmed, and what is not
proven is accepted.

A flow names its destination, so none is kept for longer than it is of use: whoever runs a detector live calls
``expire``.
"""

from __future__ import annotations

from collections import OrderedDict

from enforcer.fingerprints import ipsec, openvpn, wireguard
from enforcer.fingerprints.detection import Detection
from enforcer.fingerprints.ike import Header
from enforcer.wire.packet import Flow, Packet, Protocol, flow_of

CANDIDATE_SECONDS = 90.0
"""How long an unproven flow waits for its peer after its last handshake message.

The peer answers a transmission within a round trip, and they come at most 32 s apart: WireGuard resends every
5 s and gives up after 90 s (paper §6.1, §6.4), OpenVPN doubles from 2 s and gives up after 60 s
(``--hand-window``).
"""

PROVEN_SECONDS = 600.0
"""How long a proven flow is remembered after its last packet.

Longer than the 5 minutes for which a NAT should keep a UDP mapping (RFC 4787 REQ-5); later the 5-tuple may
belong to something else.
"""

_Conversation = wireguard.Conversation | openvpn.Conversation | ipsec.Conversation


class Detector:
    """Recognises the three families, packet by packet. Sans-IO; the caller passes the time.

    ``capacity`` bounds the flows remembered. Raises ValueError if it is not positive.
    """

    def __init__(self, capacity: int = 65536) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1 flow")
        self._capacity = capacity
        # Apart, and each in the order in which its flows were heard: so what is over stands first.
        self._candidates: OrderedDict[Flow, _Conversation] = OrderedDict()
        self._proven: OrderedDict[Flow, _Conversation] = OrderedDict()

    def __len__(self) -> int:
        """Flows remembered now."""
        return len(self._candidates) + len(self._proven)

    @property
    def candidates(self) -> int:
        """Those of them that wait for the peer's answer."""
        return len(self._candidates)

    def expire(self, now: float, limit: int) -> None:
        """Forget flows whose time is over at ``now``, epoch seconds: at most ``limit`` of each kind."""
        for flows, seconds in ((self._candidates, CANDIDATE_SECONDS), (self._proven, PROVEN_SECONDS)):
            for _ in range(limit):
                if not flows or now - next(iter(flows.values())).heard <= seconds:
                    break
                flows.popitem(last=False)

    def inspect(self, packet: Packet, now: float) -> Detection | None:
        """What the packet is, given its flow's earlier packets; None if it is none of the three families.

        ``now`` is the packet's own time, in seconds since the epoch (UTC).
        """
        protocol = packet.protocol
        payload = packet.payload
        if protocol is Protocol.UDP:
            if not payload:
                return None
            first = payload[0]
            if first in _WIREGUARD_FIRST:
                message = wireguard.read(packet)
                if message is not None:
                    return self._wireguard(message, packet, now)
            elif first in _OPENVPN_FIRST:
                reset = openvpn.read_udp(packet, now)
                if reset is not None:
                    return self._openvpn(reset, packet, now)
            header = ipsec.read_udp(packet)
            if header is not None:
                return self._ipsec(header, packet, now)
        elif protocol is Protocol.TCP:
            if len(payload) < 6:
                return None
            if payload[2] in _OPENVPN_FIRST:
                reset = openvpn.read_tcp(packet, now)
                if reset is not None:
                    return self._openvpn(reset, packet, now)
            else:
                segment = ipsec.read_tcp(packet)
                if segment is not None:
                    return self._stream(segment, packet, now)
        else:
            return ipsec.native(packet)
        return self._data(packet, now) if self._proven else None

    def _wireguard(self, message: wireguard.Message, packet: Packet, now: float) -> Detection | None:
        flow = flow_of(packet)
        found = self._find(flow, now)
        conversation = found if isinstance(found, wireguard.Conversation) else wireguard.Conversation()
        detection = conversation.advance(message, _forward(packet, flow))
        if detection is not None:
            self._remember(flow, conversation, now)
        return detection

    def _openvpn(self, reset: openvpn.Reset, packet: Packet, now: float) -> Detection:
        flow = flow_of(packet)
        found = self._find(flow, now)
        conversation = found if isinstance(found, openvpn.Conversation) else openvpn.Conversation()
        detection = conversation.advance(reset, _forward(packet, flow))
        if conversation is found or not reset.layout.acked:
            self._remember(flow, conversation, now)
        return detection

    def _ipsec(self, header: Header, packet: Packet, now: float) -> Detection:
        flow = flow_of(packet)
        found = self._find(flow, now)
        conversation = found if isinstance(found, ipsec.Conversation) else ipsec.Conversation()
        detection = conversation.advance(header, packet, _forward(packet, flow))
        self._remember(flow, conversation, now)
        return detection

    def _stream(self, segment: ipsec.Segment, packet: Packet, now: float) -> Detection | None:
        flow = flow_of(packet)
        found = self._find(flow, now)
        conversation = found if isinstance(found, ipsec.Conversation) else ipsec.Conversation()
        detection = conversation.advance_stream(segment, packet, _forward(packet, flow))
        if detection is not None:
            self._remember(flow, conversation, now)
        return detection

    def _data(self, packet: Packet, now: float) -> Detection | None:
        flow = flow_of(packet)
        # A flow that waits for its proof stays as it is whatever passes without a shape: replay skips that.
        conversation = self._find(flow, now) if flow in self._proven else None
        if conversation is None:
            return None
        detection = conversation.data(packet, _forward(packet, flow))
        if detection is not None:
            self._remember(flow, conversation, now)
        return detection

    def _find(self, flow: Flow, now: float) -> _Conversation | None:
        for flows, seconds in ((self._proven, PROVEN_SECONDS), (self._candidates, CANDIDATE_SECONDS)):
            conversation = flows.get(flow)
            if conversation is not None:
                if now - conversation.heard <= seconds:
                    return conversation
                del flows[flow]
        return None

    def _remember(self, flow: Flow, conversation: _Conversation, now: float) -> None:
        conversation.heard = now
        self._candidates.pop(flow, None)
        self._proven.pop(flow, None)
        (self._proven if conversation.proven else self._candidates)[flow] = conversation
        if len(self) > self._capacity:
            # Many proven flows must not keep out each candidate that comes, nor candidates the proven.
            crowded = len(self._candidates) > max(1, self._capacity // 4)
            (self._candidates if crowded else self._proven).popitem(last=False)


_WIREGUARD_FIRST = frozenset({1, 2, 3})
_OPENVPN_FIRST = frozenset({openvpn.CLIENT_RESET, openvpn.SERVER_RESET, openvpn.CLIENT_RESET_V3})


def _forward(packet: Packet, flow: Flow) -> bool:
    return packet.source == flow[1] and packet.source_port == flow[2]

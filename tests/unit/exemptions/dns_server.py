"""A DNS server on loopback that answers from a table; for what the table says of no name, NXDOMAIN."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENT = "silent"
SOA_TTL = 120

Zone = Mapping[str, tuple[tuple[str, str], ...] | str]
"""From a name to its records, (type, text) each; SILENT for one never answered, an RCODE's name for a failure."""


class DnsServer:
    """Serves one zone with one TTL. ``asked`` lists (name, type) in order."""

    def __init__(self, zone: Zone, ttl: int = 300) -> None:
        self.zone = zone
        self.ttl = ttl
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, sender = self._socket.recvfrom(4096)
            if not wire:
                return
            answer = self._answer(dns.message.from_wire(wire))
            if answer is not None:
                self._socket.sendto(answer.to_wire(max_size=65535), sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        records = self.zone.get(name, "NXDOMAIN")
        if records == SILENT:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        texts = [] if isinstance(records, str) else [text for this, text in records if this == kind]
        if isinstance(records, str):
            answer.set_rcode(dns.rcode.from_text(records))
        if texts:
            answer.answer.append(dns.rrset.from_text_list(question.name, self.ttl, "IN", kind, texts))
        else:
            soa = f"ns.invalid. root.invalid. 1 7200 900 86400 {SOA_TTL}"
            answer.authority.append(dns.rrset.from_text("pub.3gppnetwork.org.", 3600, "IN", "SOA", soa))
        return answer

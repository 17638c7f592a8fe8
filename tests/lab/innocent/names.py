"""DNS over UDP and TCP against dnsmasq, message ids and sizes that resemble VPN handshakes among them."""

from __future__ import annotations

import socket
import struct
import time

import dns.flags
import dns.message

from tests.lab.innocent.setting import Setting
from tests.lab.processes import Process
from tests.lab.traffic import Exchange, ask

# First bytes of the handshakes: WireGuard's types (little-endian), OpenVPN's opcodes with key id 0.
_IDS = (0x0100, 0x0200, 0x0300, 0x0400, 0x3800, 0x3838, 0x4000, 0x5000, 0x1234, 0xFFFF)
# Lengths of the handshakes: WireGuard 148, 92, 64; OpenVPN tls-auth 42 and 54, tls-crypt 54 and 66.
_LENGTHS = (42, 54, 64, 66, 86, 92, 148)
_PORT = 53


def dns_udp(setting: Setting) -> Exchange:
    """Every id with every length, with and without the "recursion desired" flag, as single datagrams."""
    family = socket.AF_INET6 if setting.version == 6 else socket.AF_INET
    with _dnsmasq(setting), setting.client.socket(family, socket.SOCK_DGRAM) as client:
        client.connect((setting.address, _PORT))
        return ask("DNS over UDP", client, _queries(), _answers)


def dns_tcp(setting: Setting) -> Exchange:
    """The same queries over TCP (RFC 7766): each behind its 16-bit length, on a connection of its own."""
    family = socket.AF_INET6 if setting.version == 6 else socket.AF_INET
    queries = _queries()
    round_trips: list[float] = []
    with _dnsmasq(setting):
        for query in queries:
            with setting.client.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(1.0)
                began = time.perf_counter()
                try:
                    client.connect((setting.address, _PORT))
                    client.sendall(struct.pack("!H", len(query)) + query)
                    answered = _answers(query, client.recv(65535)[2:])
                except OSError:
                    continue
                if answered:
                    round_trips.append((time.perf_counter() - began) * 1000)
    return Exchange("DNS over TCP", len(queries), len(queries) - len(round_trips), tuple(round_trips))


def _dnsmasq(setting: Setting) -> Process:
    process = setting.server.popen(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
            *("--pid-file=", "--user=root", "--bind-interfaces", f"--listen-address={setting.address}"),
            *("--address=/lab/192.0.2.1", "--log-facility=-"),
        ],
        "dnsmasq",
    )
    process.require("started, version", 5)
    return process


def _queries() -> list[bytes]:
    return [
        _query(identification, length, recursion)
        for identification in _IDS
        for length in _LENGTHS
        for recursion in (True, False)
    ]


def _query(identification: int, length: int, recursion: bool) -> bytes:
    # Header 12, type and class 4; the name's labels, each behind its length, and the root's zero fill the rest.
    room = length - 16 - 1 - len(b"\x03lab")
    labels = []
    while room > 0:
        size = min(room - 1, 63)
        if room - 1 - size == 1:
            size -= 1
        labels.append("x" * size)
        room -= size + 1
    name = ".".join([*labels, "lab"])
    query = dns.message.make_query(name, "A", id=identification)
    query.flags = dns.flags.Flag(dns.flags.RD if recursion else 0)
    wire = query.to_wire()
    assert len(wire) == length
    return wire


def _answers(query: bytes, datagram: bytes) -> bool:
    # The same id, and the answer's flag set (RFC 1035 §4.1.1).
    return datagram[:2] == query[:2] and len(datagram) > 2 and bool(datagram[2] & 0x80)

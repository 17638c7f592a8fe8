"""Accounting packets written from the RFCs alone, radclient, and a listener to send them to."""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import subprocess
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Network, ip_network

from enforcer.subscribers.events import AccountingEvent
from enforcer.subscribers.radius.clients import Client
from enforcer.subscribers.radius.process import RadiusProcess
from enforcer.subscribers.radius.settings import Settings
from tests.lab.processes import LabError, wait_until

SECRET = b"a secret of the lab's own"
KEY = bytes(range(32))

Attribute = tuple[int, bytes]

# Type numbers, each from the RFC that defines it.
USER_NAME, NAS_IP_ADDRESS, FRAMED_IP_ADDRESS = 1, 4, 8  # RFC 2865 §5.1, §5.4, §5.8
CALLING_STATION_ID, NAS_IDENTIFIER, PROXY_STATE = 31, 32, 33  # RFC 2865 §5.31, §5.32, §5.33
STATUS_TYPE, DELAY_TIME, SESSION_ID = 40, 41, 44  # RFC 2866 §5.1, §5.2, §5.5
EVENT_TIMESTAMP, MESSAGE_AUTHENTICATOR = 55, 80  # RFC 2869 §5.3, §5.14
NAS_IPV6_ADDRESS, FRAMED_IPV6_PREFIX = 95, 97  # RFC 3162 §2.1, §2.3
DELEGATED_IPV6_PREFIX, FRAMED_IPV6_ADDRESS = 123, 168  # RFC 4818 §3, RFC 6911 §3.1
START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8  # RFC 2866 §5.1


def integer(kind: int, value: int) -> Attribute:
    """An attribute of type integer or date."""
    return kind, struct.pack("!I", value)


def ipv4(kind: int, address: str) -> Attribute:
    """An attribute of type address."""
    return kind, IPv4Address(address).packed


def prefix(kind: int, text: str) -> Attribute:
    """An IPv6 prefix (RFC 3162 §2.3): a reserved octet, the length, the address."""
    network = IPv6Network(text)
    return kind, bytes((0, network.prefixlen)) + network.network_address.packed


def session(
    status: int = START,
    session_id: bytes = b"s-1",
    number: bytes = b"923001234567",
    address: str = "100.64.1.20",
    nas: bytes = b"bras-1",
    *more: Attribute,
) -> list[Attribute]:
    """The attributes of an ordinary message about a session."""
    return [
        integer(STATUS_TYPE, status),
        (SESSION_ID, session_id),
        (CALLING_STATION_ID, number),
        ipv4(FRAMED_IP_ADDRESS, address),
        (NAS_IDENTIFIER, nas),
        *more,
    ]


def encoded(attributes: Iterable[Attribute]) -> bytes:
    """Type, length and value of each."""
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)


def request(
    attributes: Iterable[Attribute], secret: bytes = SECRET, identifier: int = 0, signed: bool = False
) -> bytes:
    """An Accounting-Request (RFC 2866 §3), ``signed`` with a Message-Authenticator (RFC 2869 §5.14) too."""
    body = encoded(attributes)
    if signed:
        body += bytes((MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
    head = struct.pack("!BBH", 4, identifier, 20 + len(body))
    if signed:
        body = body[:-16] + hmac.digest(secret, head + bytes(16) + body, "md5")
    return head + hashlib.md5(head + bytes(16) + body + secret).digest() + body


def is_answer(answer: bytes, asked: bytes, secret: bytes = SECRET) -> bool:
    """Whether it is the Accounting-Response to a request: code, identifier, authenticator (RFC 2866 §4.2)."""
    expected = hashlib.md5(answer[:4] + asked[4:20] + answer[20:] + secret).digest()
    return (answer[0], answer[1]) == (5, asked[1]) and expected == answer[4:20]


def settings(
    port: int, networks: Iterable[str] = ("127.0.0.1",), secret: bytes = SECRET, host: str = "127.0.0.1"
) -> Settings:
    """Settings of a listener with one client, ``lab``."""
    client = Client("lab", tuple(ip_network(network) for network in networks), secret)
    return Settings((client,), "PK", KEY, ((host, port),))


def free_port() -> int:
    """A UDP port of the loopback interface that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    """Collects what a listener's process hands over."""

    def __init__(self, process: RadiusProcess) -> None:
        self.process = process
        self.events: list[AccountingEvent] = []

    def poll(self) -> None:
        """Take what waits now."""
        while some := self.process.receive():
            self.events += some

    def wait(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:
        """Poll until the condition holds. Raises LabError after ``timeout`` seconds."""

        def met() -> bool:
            self.poll()
            return condition()

        if not wait_until(met, timeout, 0.02):
            raise LabError(f"not within {timeout} s: {len(self.events)} events, {dict(self.process.counts)}")

    def wait_for(self, count: int, timeout: float = 5.0) -> list[AccountingEvent]:
        """Wait for a number of events in all."""
        self.wait(lambda: len(self.events) >= count, timeout)
        return self.events

    def wait_for_count(self, what: str, count: int, client: str = "lab") -> None:
        """Wait for a count. Raises LabError when it is not reached or is another."""
        self.wait(lambda: self.process.counts.get((client, what), 0) >= count)
        if self.process.counts[client, what] != count:
            raise LabError(f"expected {count} of {what}: {dict(self.process.counts)}")


def radclient(
    target: str, attributes: str, secret: bytes = SECRET, command: str = "acct", *options: str
) -> subprocess.CompletedProcess[str]:
    """Send with FreeRADIUS's radclient; ``attributes`` as it writes them, packets apart by empty lines."""
    return subprocess.run(
        ["radclient", *(options or ("-r", "1", "-t", "2")), target, command, secret.decode()],
        input=attributes,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

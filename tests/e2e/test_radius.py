"""An operator's real FreeRADIUS, our copy in it: gateways up, mute, down, back; never a cost to the operator."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from enforcer.subscribers.radius.codec import Outcome
from enforcer.subscribers.radius.process import RadiusProcess
from tests.lab import radius as lab
from tests.lab.freeradius import OPERATOR_SECRET, SECRET, FreeRadius

SENT = {  # what config/freeradius/mods-config/attr_filter/enforcer lets through, and the proxy's own mark
    lab.STATUS_TYPE, lab.SESSION_ID, lab.DELAY_TIME, lab.EVENT_TIMESTAMP, lab.USER_NAME, lab.CALLING_STATION_ID,
    lab.NAS_IDENTIFIER, lab.NAS_IP_ADDRESS, lab.NAS_IPV6_ADDRESS, lab.FRAMED_IP_ADDRESS, lab.FRAMED_IPV6_PREFIX,
    lab.FRAMED_IPV6_ADDRESS, lab.DELEGATED_IPV6_PREFIX, lab.PROXY_STATE,
}  # fmt: skip
PROMPT = 0.5
"""Seconds within which the operator's FreeRADIUS answers its access servers, gateways or not."""


@pytest.fixture
def gateways() -> Iterator[Gateways]:
    with ExitStack() as stack:
        yield Gateways(stack)


class Gateways:
    """Starts gateways' listeners that end with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def start(self, port: int) -> lab.Receiver:
        process = RadiusProcess(lab.settings(port, secret=SECRET))
        self._stack.callback(process.close)
        return lab.Receiver(process)


def account(freeradius: FreeRadius, first: int, count: int, more: str = "") -> None:
    """One Start after the other, as access servers send them; each must be answered promptly."""
    for number in range(first, first + count):
        began = time.monotonic()
        done = lab.radclient(
            f"127.0.0.1:{freeradius.port}",
            f'Acct-Status-Type = Start, Acct-Session-Id = "{number}", Calling-Station-Id = "923001234567", '
            f'NAS-Identifier = "bras-1", Framed-IP-Address = 100.64.2.{number}, Class = 0x00ff{more}\n',
            OPERATOR_SECRET,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert time.monotonic() - began < PROMPT


def holders(receiver: lab.Receiver) -> list[str]:
    return [str(network) for event in receiver.events for network in event.addresses]


def addresses(first: int, count: int) -> list[str]:
    return [f"100.64.2.{number}/32" for number in range(first, first + count)]


def attribute_types(packet: bytes) -> set[int]:
    position, types = 20, set()
    while position < len(packet):
        types.add(packet[position])
        position += packet[position + 1]
    return types


def test_gateways_up_mute_down_and_coming_back(tmp_path: Path, gateways: Gateways) -> None:
    ports = [lab.free_port() for _ in range(3)]
    up = gateways.start(ports[0])
    mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mute.bind(("127.0.0.1", ports[1]))
    mute.settimeout(5)
    freeradius = FreeRadius(tmp_path, lab.free_port(), ports)
    with freeradius.start():
        began = time.time()
        account(freeradius, 1, 10)
        up.wait_for(10, 3)
        assert holders(up) == addresses(1, 10)
        ended = time.time()
        assert attribute_types(mute.recv(4096)) <= SENT

        # What no gateway can use holds nothing up: one message without a session, one without an address.
        port = f"127.0.0.1:{freeradius.port}"
        for useless in ("Acct-Status-Type = Start\n", 'Acct-Status-Type = Stop, Acct-Session-Id = "x"\n'):
            assert lab.radclient(port, useless, OPERATOR_SECRET).returncode == 0
        account(freeradius, 11, 1)
        up.wait(lambda: holders(up) == addresses(1, 11), 5)
        up.wait_for_count(Outcome.INCOMPLETE, 1)

        mute.close()
        back = [gateways.start(port) for port in ports[1:]]
        for receiver in back:
            receiver.wait(lambda r=receiver: len(holders(r)) == 11, 25)  # type: ignore[misc]
            assert holders(receiver) == addresses(1, 11)
            for event in receiver.events[:10]:
                assert began - 1 <= event.at <= ended, "not when it happened, but when it was sent"
    assert freeradius.recorded() == 13
    left = [path for path in freeradius.spool.rglob("*") if path.is_file()]
    assert left == []


def test_a_queue_outlives_the_operators_server(tmp_path: Path, gateways: Gateways) -> None:
    port = lab.free_port()
    freeradius = FreeRadius(tmp_path, lab.free_port(), [port])
    with freeradius.start() as process:
        account(freeradius, 1, 5)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(5)
    receiver = gateways.start(port)
    with freeradius.start():
        receiver.wait(lambda: len(set(holders(receiver))) == 5, 10)
        assert list(dict.fromkeys(holders(receiver))) == addresses(1, 5)


def test_a_full_queue_costs_the_operator_nothing(tmp_path: Path, gateways: Gateways) -> None:
    port = lab.free_port()
    freeradius = FreeRadius(tmp_path, lab.free_port(), [port], queue_bytes=16384)
    padding = ', Reply-Message = "' + "x" * 200 + '"'
    with freeradius.start():
        account(freeradius, 1, 60, padding)
        assert freeradius.recorded() == 60
        receiver = gateways.start(port)
        receiver.wait(lambda: len(holders(receiver)) >= 20, 20)
        # The file ends within a record: its reader takes that for the end, and makes room.
        account(freeradius, 100, 3)
        receiver.wait(lambda: bool(set(addresses(100, 3)) & set(holders(receiver))), 20)
    fitted = [address for address in holders(receiver) if address in addresses(1, 60)]
    assert fitted == addresses(1, len(fitted))
    assert len(fitted) < 60


def test_a_queue_that_is_not_there_costs_the_operator_nothing(tmp_path: Path) -> None:
    freeradius = FreeRadius(tmp_path, lab.free_port(), [lab.free_port()])
    freeradius.spool.joinpath("gw1").rmdir()
    freeradius.spool.rmdir()
    freeradius.spool.touch()
    with freeradius.start() as process:
        account(freeradius, 1, 3)
        assert freeradius.recorded() == 3
        assert "enforcer_gw1" in process.log().partition("Ready to process requests")[2]

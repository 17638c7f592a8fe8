"""Each crash and stall a few times under traffic that notices nothing. Many: `python -m tests.soak.crashes`."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from netfilterqueue import Packet as QueuedPacket

from enforcer.config import Config
from enforcer.gateway import nf_tables
from enforcer.gateway.backend import Installation, detect
from enforcer.gateway.nfqueue import Queue
from tests.lab.network import Lab
from tests.lab.processes import wait_until
from tests.lab.traffic import udp_pair
from tests.soak.bystanders import Bystanders, handshake
from tests.soak.crashes import ROWS, Subject, resolver_dead, stopped, strike

TIMES = {"reload": 30, "restart": 3}
"""Each of the others once."""

WAITED = ("kill", "ruleset flushed")
"""Rows in which the kernel drops what waits for a verdict at that instant: its reader died, or its hook went."""

AT_THAT_INSTANT = 5
"""Handshakes, of a hundred a second, that may wait at one instant. Their senders try again."""


@pytest.fixture(scope="module")
def subject(lab: Lab) -> Iterator[Subject]:
    with Subject(lab) as made:
        yield made
        made.end()


@pytest.fixture(scope="module")
def bystanders(lab: Lab, subject: Subject) -> Iterator[Bystanders]:
    assert subject.gateway.process.running
    with Bystanders(lab) as made:
        yield made


@pytest.mark.parametrize("row", ROWS)
def test_nobody_notices_and_all_is_well_afterwards(subject: Subject, bystanders: Bystanders, row: str) -> None:
    before = bystanders.queued.so_far().lost
    strike(subject, row, TIMES.get(row, 1))
    assert not any(each.so_far().lost for each in bystanders.streams)
    allowed = AT_THAT_INSTANT if row.startswith(WAITED) else 0
    assert bystanders.queued.so_far().lost <= before + allowed


def test_a_stopped_daemon_goes_on_where_it_was(subject: Subject, bystanders: Bystanders) -> None:
    stopped(subject, 3)
    subject.is_well()
    assert not any(each.so_far().lost for each in bystanders.streams)


def test_a_reload_that_changes_the_table_loses_none_that_waits(subject: Subject, bystanders: Bystanders) -> None:
    # What came too late counts as lost a second after it was sent.
    time.sleep(1.2)
    before = bystanders.queued.so_far().lost
    for mode in ("monitor", "enforce") * 5:
        subject.gateway.setup.mode = mode
        subject.gateway.reload()
    subject.is_well()
    time.sleep(1.2)
    assert bystanders.queued.so_far().lost == before


def test_in_all_of_it_nothing_was_lost(bystanders: Bystanders) -> None:
    print("\n" + "\n".join(map(str, bystanders.unharmed())))


def test_a_dead_resolver_changes_nothing() -> None:
    with Lab() as lab:
        resolver_dead(lab)


def test_what_waits_while_the_table_becomes_another_gets_its_verdict() -> None:
    enforce = Config.model_validate({"mode": "enforce", "enforce": ["wireguard", "openvpn"]})
    shorter = Config.model_validate({**enforce.model_dump(), "gateway": {"remember_rejected": 5}})

    def work(home: socket.socket) -> None:
        installation = Installation(detect(enforce))
        queue = Queue(enforce.gateway.queue, enforce.gateway.queue_length, QueuedPacket.accept)
        installation.install(enforce, "")
        for number in range(50):
            home.send(handshake(number))
        assert wait_until(lambda: nf_tables.counters()["wireguard_queued"][0] == 50, 5)
        for each in (Config(), enforce, shorter, enforce):
            installation.replace(each, "")
        queue.drain()
        installation.remove()
        queue.close()

    with Lab() as lab:
        home, server = udp_pair(lab.subscriber("home"), lab.internet, lab.next_port())
        with home, server:
            lab.gateway.within(lambda: work(home))
            server.settimeout(1)
            for number in range(50):
                assert server.recv(2048) == handshake(number)

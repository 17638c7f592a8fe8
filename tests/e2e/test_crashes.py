"""Each crash and stall a few times under traffic that notices nothing. Many: `python -m tests.soak.crashes`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.network import Lab
from tests.soak.bystanders import Bystanders
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


def test_a_reload_that_changes_the_table_loses_hardly_what_waits(subject: Subject, bystanders: Bystanders) -> None:
    # What came too late counts as lost a second after it was sent.
    time.sleep(1.2)
    before = bystanders.queued.so_far().lost
    for mode in ("monitor", "enforce") * 5:
        subject.gateway.setup.mode = mode
        subject.gateway.reload()
    subject.is_well()
    # About one in ten such reloads, where hooks are replaced, still loses the one that came that very moment.
    assert bystanders.queued.so_far().lost <= before + 2


def test_in_all_of_it_nothing_was_lost(bystanders: Bystanders) -> None:
    print("\n" + "\n".join(map(str, bystanders.unharmed())))


def test_a_dead_resolver_changes_nothing() -> None:
    with Lab() as lab:
        resolver_dead(lab)

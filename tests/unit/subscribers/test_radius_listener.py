"""The listener's loop over real sockets: what is handed over is answered, and nothing else."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from enforcer.subscribers.events import AccountingEvent, EventKind
from enforcer.subscribers.radius.channel import counts_messages, events_message, read_message
from enforcer.subscribers.radius.clients import UNKNOWN, Client, ClientTable
from enforcer.subscribers.radius.codec import Codec, Flaw, Outcome, Reading
from enforcer.subscribers.radius.listener import BATCH, Listener
from enforcer.subscribers.radius.pseudonyms import Pseudonyms
from enforcer.subscribers.radius.sockets import bind
from tests.lab import radius as lab


class Bench:
    """A listener on loopback, its two ends in the test's hands."""

    def __init__(self, host: str = "127.0.0.1", network: str = "127.0.0.1") -> None:
        self.listening = bind(host, 0)
        self.port: int = self.listening.getsockname()[1]
        self.daemon, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = theirs
        for end in (self.daemon, theirs):
            end.setblocking(False)
        self.nas = socket.socket(self.listening.family, socket.SOCK_DGRAM)
        self.nas.bind(("127.0.0.1" if "." in network else "::1", 0))
        self.nas.setblocking(False)
        clients = ClientTable([Client("lab", (ip_network(network),), lab.SECRET)])
        codec = Codec("Calling-Station-Id", Pseudonyms(lab.KEY, "PK"))
        self.listener = Listener([self.listening], clients, codec, theirs)

    def send(self, *datagrams: bytes, to: str = "127.0.0.1") -> None:
        for datagram in datagrams:
            self.nas.sendto(datagram, (to, self.port))

    def serve(self) -> None:
        self.listener.serve(self.listening)

    def answers(self) -> list[bytes]:
        received = []
        while True:
            try:
                received.append(self.nas.recv(4096))
            except BlockingIOError:
                return received

    def events(self) -> list[AccountingEvent]:
        events = []
        while True:
            try:
                events += read_message(self.daemon.recv(1 << 20))[0]
            except BlockingIOError:
                return events

    def counts(self) -> dict[str, int]:
        return {str(what): count for (_, what), count in self.listener.counts.items()}

    def clog(self) -> None:
        """Fill the way to the daemon, as when it does not read."""
        with pytest.raises(BlockingIOError):  # noqa: PT012 (the loop is what fills it)
            for _ in range(10_000):
                self.channel.send(b"[%1000s]" % b"")

    def close(self) -> None:
        for made in (self.listening, self.daemon, self.channel, self.nas):
            made.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_an_event_is_handed_over_and_answered(bench: Bench) -> None:
    asked = lab.request(lab.session())
    bench.send(asked)
    bench.serve()
    assert [event.kind for event in bench.events()] == [EventKind.START]
    (answer,) = bench.answers()
    assert lab.is_answer(answer, asked)
    assert bench.counts() == {Outcome.ACCEPTED: 1}


@pytest.mark.parametrize("together", [True, False])
def test_a_duplicate_is_answered_again_and_counts_once(bench: Bench, together: bool) -> None:
    asked = lab.request(lab.session())
    bench.send(asked)
    if not together:
        bench.serve()
    bench.send(asked)
    bench.serve()
    assert len(bench.events()) == 1
    first, second = bench.answers()
    assert first == second
    assert bench.counts() == {Outcome.ACCEPTED: 1, Outcome.DUPLICATE: 1}


def test_an_identifier_used_again_is_no_duplicate(bench: Bench) -> None:
    bench.send(lab.request(lab.session()), lab.request(lab.session(lab.STOP)))
    bench.serve()
    assert [event.kind for event in bench.events()] == [EventKind.START, EventKind.STOP]
    assert len(bench.answers()) == 2


def test_what_cannot_be_handed_over_is_not_answered_and_works_when_sent_again(bench: Bench) -> None:
    asked = lab.request(lab.session())
    bench.clog()
    bench.send(asked, asked)
    bench.serve()
    assert bench.answers() == []
    assert bench.counts()[Outcome.OVERLOADED] == 1
    bench.events()
    bench.send(asked)
    bench.serve()
    assert len(bench.events()) == 1
    assert len(bench.answers()) == 1
    assert bench.counts()[Outcome.ACCEPTED] == 1


def test_strangers_and_forgers_meet_silence(bench: Bench) -> None:
    stranger = Bench(network="192.0.2.1")
    for datagram in (lab.request(lab.session()), b"", b"\x04"):
        stranger.send(datagram)
    stranger.serve()
    assert (stranger.events(), stranger.answers()) == ([], [])
    assert stranger.listener.counts == {(UNKNOWN, Outcome.UNKNOWN_CLIENT): 3}
    stranger.close()
    bench.send(lab.request(lab.session(), b"guessed"), b"", b"\x04", b"\x01" * 20)
    bench.serve()
    assert (bench.events(), bench.answers()) == ([], [])
    assert bench.counts() == {Outcome.BAD_AUTHENTICATOR: 1, Outcome.MALFORMED: 2, Outcome.NOT_ACCOUNTING: 1}


def test_flaws_are_counted(bench: Bench) -> None:
    bench.send(lab.request(lab.session(number=b"anonymous")))
    bench.serve()
    assert bench.counts() == {Outcome.ACCEPTED: 1, Flaw.NUMBER_UNUSABLE: 1}


@pytest.mark.parametrize(("host", "to", "network"), [("0.0.0.0", "127.0.0.3", "127.0.0.1"), ("::", "::1", "::1")])
def test_the_answer_comes_from_the_address_that_was_asked(host: str, to: str, network: str) -> None:
    bench = Bench(host, network)
    bench.send(lab.request(lab.session()), to=to)
    bench.serve()
    assert bench.nas.recvfrom(4096)[1][:2] == (to, bench.port)
    bench.close()


def test_one_turn_takes_a_bounded_batch(bench: Bench) -> None:
    bench.send(*(lab.request(lab.session(session_id=b"%d" % n), identifier=n) for n in range(BATCH + 5)))
    bench.serve()
    assert len(bench.events()) == BATCH
    bench.serve()
    assert len(bench.events()) == 5


def test_a_defect_drops_one_datagram_and_its_text_stays_unsaid(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Reading:
        raise RuntimeError("+923001234567")

    with monkeypatch.context() as patched:
        patched.setattr(Codec, "read", fail)
        with caplog.at_level(logging.INFO):
            bench.send(lab.request(lab.session()), lab.request(lab.session(), identifier=1))
            bench.serve()
    assert bench.counts() == {Outcome.FAILED: 2}
    assert bench.answers() == []
    assert len(caplog.messages) == 1
    assert "RuntimeError at " in caplog.text
    assert "3001234567" not in caplog.text
    bench.send(lab.request(lab.session()))
    bench.serve()
    assert len(bench.events()) == 1


def test_counts_are_reported_once_and_kept_while_they_cannot_be(bench: Bench) -> None:
    bench.listener.counts["lab", Outcome.ACCEPTED] = 3
    bench.clog()
    bench.listener.report()
    assert bench.counts() == {Outcome.ACCEPTED: 3}
    bench.events()
    bench.listener.report()
    assert read_message(bench.daemon.recv(4096)) == ([], {("lab", "accepted"): 3})
    bench.listener.report()
    with pytest.raises(BlockingIOError):
        bench.daemon.recv(4096)


def test_messages_keep_events_whole() -> None:
    networks = tuple(map(ip_network, ("0.0.0.1", "255.255.255.252/30", "::1", "2001:db8::/32")))
    events = [
        AccountingEvent(EventKind.START, 'bras "ä"', "0f", 1.25, networks, bytes(range(16))),
        AccountingEvent(EventKind.OFF, "bras", "", -1e9),
    ]
    assert read_message(events_message(events)) == (events, {})


def test_counts_of_many_clients_take_several_messages() -> None:
    counts = {(f"client-{n}", "accepted"): n for n in range(4500)}
    messages = list(counts_messages(counts))
    assert [len(json.loads(message)["counts"]) for _, message in messages] == [2000, 2000, 500]
    total: dict[tuple[str, str], int] = {}
    for _, message in messages:
        total.update(read_message(message)[1])
    assert total == counts

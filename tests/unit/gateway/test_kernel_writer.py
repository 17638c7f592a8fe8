"""The one writer of the kernel: one transaction for what comes together, and a full one after a refusal."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from itertools import cycle

import pytest

from enforcer.config import Config
from enforcer.gateway import invariant, kernel, netlink, nf_tables, nft
from enforcer.gateway.backend import Installation
from enforcer.gateway.elements import OURS, TABLE_NAME
from enforcer.gateway.invariant import Suspects
from enforcer.gateway.kernel import Change, Everything, Exempt, KernelWriter, Registered
from enforcer.gateway.nf_tables import Rules
from enforcer.gateway.ruleset import COUNTED, Backend
from enforcer.registry.model import Network
from enforcer.registry.networks import Networks

A, B, C = (ip_network(f"192.0.2.{n}") for n in (1, 2, 3))
ENFORCE = Config.model_validate({"mode": "enforce", "enforce": ["wireguard"]})


class Nft:
    """Takes what is loaded; refuses while told to. What another program wrote is counted in ``others``."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.refusing = False
        self.unlike_ours = False
        self.counted = 0
        self.gone = "nothing"
        self.others = 0
        self.rules: bytes | None = b"as loaded"
        self.suspects: list[Suspects] = []
        self.held: set[Network] = set()
        self.compared = 0

    def load(self, text: str) -> None:
        if self.unlike_ours and text.startswith("flush table"):
            raise nft.CommandError("no such chain")
        if self.refusing or f"delete element inet enforcer registered4 {{ {self.gone} }}" in text:
            raise nft.CommandError("no")
        # The kernel does not count a transaction of which nothing is left to do: what is emptied is empty.
        self.counted += any(not line.startswith("flush set ") for line in text.splitlines())
        if text:
            self.loaded.append(text.removesuffix(COUNTED))

    def generation(self) -> int:
        return self.others + self.counted

    def compare(self, members: Mapping[str, Networks]) -> list[Suspects]:
        assert members
        self.compared += 1
        return self.suspects

    def holds(self, name: str, address: bytes) -> bool:
        assert name == "registered4"
        return ip_network(address) in self.held

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert condition()

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + 5
        while len(self.loaded) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.loaded) == count, self.loaded


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Nft:
    made = Nft()
    monkeypatch.setattr(nft, "load", made.load)
    monkeypatch.setattr(nft, "check", lambda text: None)  # noqa: ARG005
    monkeypatch.setattr(nf_tables, "generation", made.generation)
    monkeypatch.setattr(nf_tables, "rules", lambda: Rules(made.rules, made.generation()))
    monkeypatch.setattr(nf_tables, "holds", made.holds)
    monkeypatch.setattr(invariant, "suspects", made.compare)
    monkeypatch.setattr(kernel, "RETRY", 0.2)
    monkeypatch.setattr(kernel, "LOOK", 0.2)
    return made


@pytest.fixture
def writer(fake: Nft) -> Iterator[KernelWriter]:
    made = KernelWriter(Installation(Backend.NATIVE))
    made.start(ENFORCE, {A}, set())
    fake.wait(1)
    yield made
    fake.refusing = False
    made.quiet()
    assert fake.loaded[-1] == "flush chain inet enforcer early\n"
    made.remove()
    assert fake.loaded[-1].endswith("delete table inet enforcer\n")


def test_changes_that_come_together_are_one_transaction(fake: Nft, writer: KernelWriter) -> None:
    writer.post(Change(add=frozenset({B})))
    writer.post(Change(add=frozenset({C}), remove=frozenset({A}), forget=True))
    fake.wait(2)
    assert fake.loaded[1].splitlines() == [
        "add element inet enforcer registered4 { 192.0.2.2 }",
        "delete element inet enforcer registered4 { 192.0.2.1 }",
        "add element inet enforcer registered4 { 192.0.2.3 }",
        "flush set inet enforcer wireguard_rejected4",
        "flush set inet enforcer wireguard_rejected6",
    ]


def test_a_fault_ends_neither_the_writing_nor_whoever_waits_for_it(
    fake: Nft, writer: KernelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ValueError("no code foresaw it")

    with monkeypatch.context() as broken:
        broken.setattr(nft, "load", fault)
        broken.setattr(nf_tables, "generation", fault)
        everything = Everything(ENFORCE, {A, B}, frozenset(), table=False)
        writer.post(everything)
        with pytest.raises(nft.CommandError, match="ValueError"):
            everything.done.result(5)
        writer.post(Change(add=frozenset({C})))
        fake.until(lambda: writer.failures >= 3)
    fake.wait(2)
    lines = fake.loaded[1].splitlines()
    assert lines[0].startswith("flush set ")
    assert "add element inet enforcer registered4 { 192.0.2.1, 192.0.2.3 }" in lines


def test_what_changes_nothing_is_not_written(fake: Nft, writer: KernelWriter) -> None:
    writer.post(Change(add=frozenset({A}), remove=frozenset({B})))
    writer.post(Exempt(frozenset()))
    time.sleep(0.2)
    fake.wait(1)


def test_after_a_refusal_everything_is_written_anew_and_nothing_is_lost(fake: Nft, writer: KernelWriter) -> None:
    fake.refusing = True
    writer.post(Change(add=frozenset({B})))
    deadline = time.monotonic() + 5
    while not writer.failures and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.post(Exempt(frozenset({C})))
    time.sleep(0.1)
    fake.refusing = False
    fake.wait(2)
    lines = fake.loaded[1].splitlines()
    assert lines[0].startswith("flush set ")
    assert any(
        line.startswith("add element inet enforcer registered4 { ") and "192.0.2.2" in line for line in lines
    )
    assert "add element inet enforcer exempt4 { 192.0.2.3 }" in lines


def test_a_refused_reload_leaves_the_sets_as_they_were(fake: Nft, writer: KernelWriter) -> None:
    fake.refusing = True
    everything = Everything(ENFORCE, frozenset({B}), frozenset(), table=False)
    writer.post(everything)
    with pytest.raises(nft.CommandError):
        everything.done.result(5)
    fake.refusing = False
    again = Everything(ENFORCE, frozenset({A, B}), frozenset(), table=False)
    writer.post(again)
    again.done.result(5)
    assert fake.loaded[1].splitlines()[0] == "add element inet enforcer registered4 { 192.0.2.2 }"


def test_a_reload_of_the_table_brings_its_contents(fake: Nft, writer: KernelWriter) -> None:
    everything = Everything(Config(), frozenset({B}), frozenset({C}), table=True)
    writer.post(everything)
    everything.done.result(5)
    text = fake.loaded[1]
    # With the hooks of a table that goes, what waits for a verdict would go.
    assert text.startswith("flush table inet enforcer\n")
    assert "delete table" not in text
    assert "flush set inet enforcer registered4\n" in text
    assert "add element inet enforcer registered4 { 192.0.2.2 }" in text
    assert "add element inet enforcer exempt4 { 192.0.2.3 }" in text


def test_a_table_that_another_program_changed_is_replaced_as_a_whole(fake: Nft, writer: KernelWriter) -> None:
    fake.unlike_ours = True
    everything = Everything(Config(), frozenset({B}), frozenset(), table=True)
    writer.post(everything)
    everything.done.result(5)
    assert fake.loaded[1].startswith("add table inet enforcer\ndelete table inet enforcer\n")
    assert "add element inet enforcer registered4 { 192.0.2.2 }" in fake.loaded[1]


def refused(fake: Nft, writer: KernelWriter, change: Change | Registered) -> None:
    """Have the kernel refuse a change."""
    failures = writer.failures
    fake.refusing = True
    writer.post(change)
    deadline = time.monotonic() + 5
    while writer.failures == failures and time.monotonic() < deadline:
        time.sleep(0.01)
    fake.refusing = False
    assert writer.failures == failures + 1


def test_a_reload_after_a_refused_change_starts_from_nothing(
    fake: Nft, writer: KernelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel has A only, while the sets here say A and B: the difference to A and B would be nothing.
    monkeypatch.setattr(kernel, "RETRY", 60.0)
    refused(fake, writer, Change(add=frozenset({B})))
    everything = Everything(ENFORCE, frozenset({A, B}), frozenset(), table=False)
    writer.post(everything)
    everything.done.result(5)
    assert "flush set inet enforcer registered4" in fake.loaded[-1]
    assert "192.0.2.2" in fake.loaded[-1]


def test_what_the_clock_changed_is_tried_again_when_refused(fake: Nft, writer: KernelWriter) -> None:
    refused(fake, writer, Registered(frozenset({B, C})))
    fake.wait(2)
    assert "192.0.2.1 " not in fake.loaded[1]
    assert "192.0.2.2" in fake.loaded[1]
    assert "flush set inet enforcer wireguard_rejected4" in fake.loaded[1]


def test_a_tool_that_cannot_be_started_does_not_end_the_writer(
    fake: Nft, writer: KernelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*arguments: object, **options: object) -> None:  # noqa: ARG001
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as broken:
        broken.setattr(subprocess, "run", no_memory)
        with pytest.raises(nft.CommandError, match="nft cannot be started: Cannot allocate memory"):
            nft.run(["nft", "list", "tables"])
    refused(fake, writer, Change(add=frozenset({B})))
    fake.wait(2)


def test_a_table_that_another_program_flushed_is_put_back(fake: Nft, writer: KernelWriter) -> None:
    fake.rules, fake.others = None, 1
    # Sessions that come and go all the time must not keep it from being noticed.
    deadline = time.monotonic() + 5
    changes = cycle([Change(add=frozenset({B})), Change(remove=frozenset({B}))])
    while not any("192.0.2.1" in text for text in fake.loaded[1:]) and time.monotonic() < deadline:
        writer.post(next(changes))
        time.sleep(0.02)
    restored = next(text for text in fake.loaded[1:] if "192.0.2.1" in text)
    assert restored.startswith("add table inet enforcer\ndelete table inet enforcer\ntable inet enforcer {")


def test_rules_that_another_program_wrote_beside_are_not_taken_for_ours(
    fake: Nft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(text: str) -> None:
        fake.load(text)
        if len(fake.loaded) == 1:
            fake.others, fake.rules = 1, b"flushed by another"
        else:
            fake.rules = b"as loaded"

    monkeypatch.setattr(nft, "load", load)
    installation = Installation(Backend.NATIVE)
    installation.install(ENFORCE, "")
    assert [text.splitlines()[0] for text in fake.loaded] == [
        "add table inet enforcer",
        "flush table inet enforcer",
    ]
    assert installation.complete()
    fake.rules = b"flushed by another"
    assert not installation.complete()


def test_what_is_written_to_meanwhile_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    generations = iter([1, 2, 2, 3, 3, 3])
    reads = iter([[b"half"], [], [b"a part"], [], [b"whole"], []])
    monkeypatch.setattr(nf_tables, "generation", lambda: next(generations))
    monkeypatch.setattr(nf_tables, "_asked", lambda *_: map(_of_our_table, next(reads)))
    assert nf_tables.rules() == Rules(hashlib.sha256(_of_our_table(b"whole")[netlink.BODY :]).digest(), 3)
    monkeypatch.setattr(nf_tables, "generation", iter(range(100)).__next__)
    monkeypatch.setattr(nf_tables, "_asked", lambda *_: ())
    with pytest.raises(nft.CommandError, match="other programs"):
        nf_tables.counters()


def _of_our_table(name: bytes) -> bytes:
    return bytes(netlink.BODY) + netlink.attribute(TABLE_NAME, OURS) + netlink.attribute(3, name)


@pytest.mark.parametrize("printed", ["", "{}", "not JSON"])
def test_an_answer_that_is_not_understood_does_not_end_the_writer(
    printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nft, "run", lambda arguments: printed)  # noqa: ARG005
    monkeypatch.setattr(nf_tables, "rules", lambda: Rules(None, 1))
    with pytest.raises(nft.CommandError, match="not understood"):
        Installation(Backend.PAIRED).complete()


def test_a_tool_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft, "LONGEST", 0.1)
    with pytest.raises(nft.CommandError, match="sleep 5: not done within 0 s"):
        nft.run(["sleep", "5"])


def test_nothing_is_read_while_only_the_daemon_writes(fake: Nft, writer: KernelWriter) -> None:
    fake.until(lambda: fake.compared == 1)
    for change in (Change(add=frozenset({B})), Change(remove=frozenset({B})), Change(forget=True)):
        writer.post(change)
        time.sleep(0.3)
    assert fake.compared == 1
    fake.others += 1
    fake.until(lambda: fake.compared == 2)


def test_what_another_program_changed_is_put_right(fake: Nft, writer: KernelWriter) -> None:
    fake.suspects = [Suspects("registered4", Networks.of({A, B}), Networks.of({A}), Networks.of({B, C}))]
    fake.held = {C}
    # B is registered by now, and A is not there: only what still differs is written.
    writer.post(Change(add=frozenset({B})))
    fake.others += 1
    fake.until(lambda: writer.repairs["elements"] >= 2)
    fake.suspects = []
    assert fake.loaded[2].splitlines() == [
        "delete element inet enforcer registered4 { 192.0.2.3 }",
        "add element inet enforcer registered4 { 192.0.2.1 }",
    ]


def test_suspects_that_turn_out_to_be_right_are_no_repair(fake: Nft, writer: KernelWriter) -> None:
    fake.until(lambda: fake.compared == 1)
    fake.suspects = [Suspects("registered4", Networks.of({A}), Networks.of({A}), Networks.of({B}))]
    fake.held = {A}
    fake.others += 1
    fake.until(lambda: fake.compared == 2)
    time.sleep(0.3)
    assert (len(fake.loaded), writer.repairs["elements"], fake.compared) == (1, 0, 2)


def test_a_set_with_very_much_wrong_is_written_anew(fake: Nft, writer: KernelWriter) -> None:
    fake.suspects = [Suspects("registered4", Networks.of({A}), Networks.of({A}), Networks({}), whole=True)]
    fake.others += 1
    fake.until(lambda: writer.repairs["elements"] >= 1)
    fake.suspects = []
    assert fake.loaded[1].splitlines() == [
        "flush set inet enforcer registered4",
        "add element inet enforcer registered4 { 192.0.2.1 }",
    ]


def test_a_kernel_that_cannot_be_read_is_told_once(
    fake: Nft, writer: KernelWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(members: object) -> list[Suspects]:  # noqa: ARG001
        fake.compared += 1
        raise nft.CommandError("no buffer space")

    fake.until(lambda: fake.compared == 1)
    monkeypatch.setattr(invariant, "suspects", refuse)
    fake.others += 1
    fake.until(lambda: fake.compared == 4)
    assert caplog.text.count("the kernel's sets cannot be read: no buffer space") == 1
    assert len(fake.loaded) == 1
    assert writer.failures == 0


def test_a_reload_that_removes_what_another_program_removed_is_not_refused(
    fake: Nft, writer: KernelWriter
) -> None:
    fake.gone = "192.0.2.1"
    everything = Everything(ENFORCE, frozenset({B}), frozenset(), table=False)
    writer.post(everything)
    everything.done.result(5)
    assert "flush set inet enforcer registered4" in fake.loaded[1]
    assert "192.0.2.2" in fake.loaded[1]

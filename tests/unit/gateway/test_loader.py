"""Reloads: what is told of the difference, and what may not replace the list in force."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from queue import SimpleQueue

import pytest

from enforcer.config import Config
from enforcer.config_file import load
from enforcer.fingerprints.detection import Family
from enforcer.gateway.loader import Loaded, Loader, Refused, Result
from enforcer.lists import keep_memory, load_lists
from enforcer.registry.lookup import Registry
from enforcer.registry.model import Revocation
from enforcer.registry.standing import Difference, listed
from tests.unit.policy.worlds import DAY, NOW, TAG, registration

GRACE = 30 * DAY


def entry(number: int, **changes: object) -> object:
    return registration(id=f"R-{number}", network=ip_network(f"192.0.2.{number}"), **changes)


def registry(*entries: object) -> Registry:
    return Registry(entries, NOW)  # type: ignore[arg-type]


def test_the_difference_is_told_by_what_it_means_for_people() -> None:
    before = registry(entry(1), entry(2), entry(3), entry(4, valid_from=NOW + DAY))
    after = registry(
        entry(1, vanished_at=NOW),
        entry(2, revocation=Revocation("r", NOW - DAY, NOW, "l:1")),
        entry(3),
        entry(4, valid_from=NOW - DAY),
        entry(5),
    )
    assert Difference(before, after).changes(NOW, GRACE) == {
        "added": ["R-4", "R-5"],
        "ended": ["R-2"],
        "in_grace": ["R-1"],
    }
    assert Difference(after, after).changes(NOW, GRACE) == {"added": [], "ended": [], "in_grace": []}


def test_what_the_kernel_may_decide_alone_and_until_when() -> None:
    number = registration(network=None, tag=TAG, former_tags=(bytes(16),), valid_to=NOW + DAY)
    conditional = entry(2, peers=(ip_network("203.0.113.1"),))
    limited = registration(id="R-9", network=None, tag=b"L" * 16, protocols=frozenset({Family.OPENVPN}))
    found = listed(registry(entry(1, valid_to=None), conditional, number, limited), NOW, GRACE)
    assert list(found.networks) == [ip_network("192.0.2.1")]
    assert (found.at, found.valid_until) == (NOW, NOW + DAY)
    asked = [TAG, bytes(16), b"L" * 16, b"x" * 16]
    assert [tag in found.tags for tag in asked] == [True, True, False, False]
    assert [tag in found.holders for tag in asked] == [True, True, True, False]


class Running:
    """A loader on files of a folder, its results at hand."""

    def __init__(self, folder: Path, ids: Sequence[int], settings: str = "") -> None:
        self.path = folder / "enforcer.yaml"
        self.list = folder / "list.csv"
        self.write(ids, settings)
        self.config: Config = load(self.path)
        self.lists = load_lists(self.config, False, NOW, self.path)
        self._results: SimpleQueue[Result] = SimpleQueue()
        self.loader = Loader(self.path, False, self._results.put)

    def write(self, ids: Sequence[int], settings: str = "") -> None:
        self.path.write_text("registry: {files: [list.csv], max_shrink: 20}\n" + settings)
        rows = (f"R-{n},company,198.51.{n >> 8}.{n & 255}" for n in ids)
        self.list.write_text("\n".join(["id,holder,address", *rows]) + "\n")

    def reload(self) -> Result:
        self.loader.reload(self.config, self.lists, "test")
        self.loader.wait()
        return self._results.get(timeout=5)


def test_a_fault_after_the_lists_were_read_is_answered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise MemoryError

    running = Running(tmp_path, range(1, 101))
    monkeypatch.setattr(Difference, "changes", fault)
    assert isinstance(running.reload(), Refused)


def test_a_reload_that_grows_and_one_that_loses_a_few(tmp_path: Path) -> None:
    running = Running(tmp_path, range(1, 101))
    running.write(range(15, 121))
    result = running.reload()
    assert isinstance(result, Loaded)
    assert len(result.changes["added"]) == 20
    assert len(result.changes["in_grace"]) == 14
    assert len(result.listed.networks) == 120


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (range(22, 101), "21 of 100 entries are gone, more than registry.max_shrink (20 percent)"),
        (range(0), "no entry"),
    ],
)
def test_a_list_that_lost_too_much_or_all_is_refused(tmp_path: Path, ids: Sequence[int], said: str) -> None:
    running = Running(tmp_path, range(1, 101))
    running.write(ids)
    result = running.reload()
    assert isinstance(result, Refused)
    assert said in result.error


def test_a_short_list_may_change_by_a_few_whatever_their_share(tmp_path: Path) -> None:
    running = Running(tmp_path, range(1, 12))
    running.write([11])
    assert isinstance(running.reload(), Loaded)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("gateway: {queue: 9}\n", "gateway.queue changes only with a restart"),
        ("metrics: {listen: null}\n", "metrics.listen changes only with a restart"),
        ("sessions: {ttl: 1h}\n", "sessions.ttl changes only with a restart"),
        ("mode: nonsense\n", "mode: 'nonsense'"),
    ],
)
def test_what_cannot_change_while_running(tmp_path: Path, settings: str, said: str) -> None:
    running = Running(tmp_path, [1])
    running.write([1], settings)
    result = running.reload()
    assert isinstance(result, Refused)
    assert said in result.error


def test_a_bad_row_refuses_the_whole(tmp_path: Path) -> None:
    running = Running(tmp_path, [1])
    running.list.write_text("id,holder,address\nR-1,company,198.51.100.1\nR-2,company,nowhere\n")
    result = running.reload()
    assert isinstance(result, Refused)
    assert "list.csv:3:" in result.error


def test_a_reload_that_fails_in_an_unforeseen_way_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced_meanwhile(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    running = Running(tmp_path, [1])
    monkeypatch.setattr("enforcer.gateway.loader.load_lists", replaced_meanwhile)
    result = running.reload()
    assert isinstance(result, Refused)
    assert "cannot be loaded: FileNotFoundError" in result.error


def test_what_a_row_said_is_forgotten_with_it(tmp_path: Path) -> None:
    path, rows, memory = tmp_path / "enforcer.yaml", tmp_path / "list.csv", tmp_path / "memory"
    path.write_text("registry: {files: [list.csv], memory: memory}\n")
    header, other = "id,holder,address,peers,note", "R-2,company,192.0.2.2,203.0.113.8,the warehouse"
    rows.write_text(f"{header}\nR-1,company,192.0.2.1,203.0.113.9,the branch\n{other}\n")
    config = load(path)
    before = load_lists(config, False, NOW, path)
    rows.write_text(f"{header}\nR-1,company,192.0.2.1,,\n{other}\n")
    after = load_lists(config, False, NOW, path, before)
    assert [(entry.note, len(entry.peers)) for entry in after.registry] == [("", 0), ("the warehouse", 1)]
    assert keep_memory(config, after.registry) is None
    kept = memory.read_bytes()
    assert [text in kept for text in (b"warehouse", b"203.0.113.8", b"branch", b"203.0.113.9")] == [
        True, True, False, False,
    ]  # fmt: skip
    # And the next load goes on from what is left.
    assert list(load_lists(config, False, NOW, path, after).registry) == list(after.registry)

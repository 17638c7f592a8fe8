"""What is known on disk: whole or not at all, and no file stops the gateway."""

from __future__ import annotations

import json
import os
import stat
import threading
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.exemptions import Known
from enforcer.gateway import exempt_memory
from enforcer.gateway.exempt_memory import Saver, restore, save

NOW = 1_790_000_000.0
KNOWN = {
    "epdg.example": Known(
        NOW - 5, {ip_address("203.0.113.1").packed: NOW - 5, ip_address("2001:db8::1").packed: 1.5}
    ),
    "none.example": Known(NOW - 9, {}),
    "partly.example": Known(None, {ip_address("203.0.113.2").packed: NOW}),
}


def test_what_is_saved_comes_back_and_is_the_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "exempt.json"
    path.write_text("older")
    save(path, KNOWN)
    remembered = restore(path, NOW)
    assert remembered.known == KNOWN
    assert remembered.notices == ()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


addresses = st.dictionaries(
    st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.floats(0, NOW), max_size=4
)
names = st.dictionaries(
    st.text(max_size=30), st.builds(Known, st.none() | st.floats(0, NOW), addresses), max_size=5
)


@given(known=names)
def test_anything_saved_comes_back(tmp_path_factory: pytest.TempPathFactory, known: dict[str, Known]) -> None:
    path = tmp_path_factory.mktemp("memory") / "exempt.json"
    save(path, known)
    assert restore(path, NOW).known == known


def test_no_file_is_how_it_begins(tmp_path: Path) -> None:
    assert restore(tmp_path / "exempt.json", NOW) == exempt_memory.Remembered()


def content(**changes: object) -> str:
    return json.dumps({"schema": 1, "names": {"a.example": [NOW, {"203.0.113.1": NOW}]}, **changes})


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "not json",
            "[]",
            "null",
            content()[:-5],
            content(schema=2),
            content(schema=None),
            content(names=[]),
        ),
        content(names={"a.example": [NOW]}),
        content(names={"a.example": [NOW, []]}),
        content(names={"a.example": [NOW, {"203.0.113.256": NOW}]}),
        content(names={"a.example": [NOW, {"203.0.113.1": "yesterday"}]}),
        content(names={"a.example": [True, {}]}),
        '{"schema": 1, "names": {"a.example": [NaN, {}]}}',
        '{"schema": 1, "names": ' + "[" * 100_000,
    ],
)
def test_a_file_not_understood_is_set_aside_and_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "exempt.json"
    path.write_text(text)
    remembered = restore(path, NOW)
    assert remembered.known == {}
    aside = tmp_path / f"exempt.json.corrupt-{int(NOW)}"
    assert aside.read_text() == text
    assert not path.exists()
    [notice] = remembered.notices
    assert str(path) in str(notice)
    assert str(aside) in str(notice)
    assert "IPsec is not enforced until they are" in str(notice)


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_gateway(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("memory") / "exempt.json"
    path.write_bytes(data)
    assert len(restore(path, NOW).notices) == 1


def test_a_file_larger_than_ours_can_be_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "exempt.json"
    with path.open("wb") as file:
        file.truncate(exempt_memory.MAX_BYTES + 1)
    assert "larger than" in str(restore(path, NOW).notices[0])


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in str(restore(tmp_path, NOW).notices[0])


def test_times_ahead_of_the_clock_count_as_now(tmp_path: Path) -> None:
    path = tmp_path / "exempt.json"
    save(path, {"a.example": Known(NOW + 1e6, {bytes(4): NOW + 1e6})})
    assert restore(path, NOW).known == {"a.example": Known(NOW, {bytes(4): NOW})}


def test_the_saver_writes_the_newest_and_finishes_at_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, disk = tmp_path / "exempt.json", threading.Event()
    written: list[object] = []

    def slow(to: Path, known: dict[str, Known]) -> None:
        disk.wait(5)
        written.append(known)
        save(to, known)

    monkeypatch.setattr(exempt_memory, "save", slow)
    saver = Saver(path)
    for number in range(100):
        saver.put({f"{number}.example": Known(NOW)})
    disk.set()
    saver.close(5)
    assert restore(path, NOW).known == {"99.example": Known(NOW)}
    assert len(written) <= 2


def test_a_disk_that_refuses_is_told_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state"
    path = folder / "exempt.json"
    saver = Saver(path)
    saver.put(KNOWN)
    while "cannot be written" not in caplog.text:
        os.sched_yield()
    folder.mkdir()
    saver.put(KNOWN)
    saver.close(5)
    assert restore(path, NOW).known == KNOWN

"""A changed list is noticed once it has come to rest, however it was written."""

from __future__ import annotations

from pathlib import Path

from enforcer.gateway.watch import Watch


def test_a_file_written_in_pieces_is_noticed_when_it_rests_and_once(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a")
    watch = Watch([path])
    assert not watch.changed()
    path.write_text("ab")
    assert not watch.changed()
    path.write_text("abc")
    assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()


def test_a_file_moved_into_place_is_noticed_and_one_that_is_away_is_waited_for(tmp_path: Path) -> None:
    path, other = tmp_path / "list.csv", tmp_path / "new.csv"
    path.write_text("same size")
    watch = Watch([path])
    path.unlink()
    assert not watch.changed()
    assert not watch.changed()
    other.write_text("size same")
    other.rename(path)
    assert not watch.changed()
    assert watch.changed()


def test_any_of_several_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("1")
    watch = Watch(paths)
    paths[1].write_text("22")
    assert not watch.changed()
    assert watch.changed()
    assert not Watch([]).changed()

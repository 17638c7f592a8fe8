"""A list file through its loader, in all the ways in which the daemon loads one."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

from enforcer.registry.known import Known
from enforcer.registry.load import LoadResult, load
from enforcer.subscribers.number import Tagger

_FOLDER = Path(mkdtemp(prefix="enforcer-fuzz-", dir="/dev/shm"))
_TIMEZONE = ZoneInfo("Asia/Karachi")
_TAGGER = Tagger(bytes(range(32)))


def check(data: bytes, name: str) -> LoadResult:
    """What the list says, loaded leniently; AssertionError when a loader's promise is broken."""
    path = _FOLDER / name
    path.write_bytes(data)
    strict, lenient = _load(path, False), _load(path, True)
    assert strict.refused == bool(strict.problems)
    assert list(map(str, strict.problems)) == list(map(str, lenient.problems))
    # YAML's parser finds the end of a last line without a line feed on the line behind it.
    lines = data.count(b"\n") + data.count(b"\r") + 2
    for problem in strict.problems:
        assert problem.file == str(path)
        assert problem.line is not None or problem.fatal, f"no line: {problem}"
        assert problem.line is None or 1 <= problem.line <= lines, f"no such line: {problem}"
        assert str(problem).isprintable(), "a message that could write on a terminal"
    for notice in strict.notices:
        assert notice.line is not None
        assert 1 <= notice.line <= lines
    for result in (strict, lenient):
        assert bool(result.registrations) != result.refused
        ids = [entry.id for entry in result.registrations]
        assert len(set(ids)) == len(ids)
        for entry in result.registrations:
            assert (entry.network is None) != (entry.tag is None)
            if entry.network is not None:
                assert entry.network.prefixlen >= (8 if entry.network.version == 4 else 16), entry.network
                assert not entry.network.is_multicast
                assert not entry.network.is_loopback
    if not lenient.refused:
        _same(_load(path, True, lenient.known), lenient)
    return lenient


def again(data: bytes, name: str, known: Known | None) -> None:
    """AssertionError when a list that follows another says something else than if it were the first."""
    path = _FOLDER / name
    path.write_bytes(data)
    _same(_load(path, True, known), _load(path, True))


def _load(path: Path, lenient: bool, known: Known | None = None) -> LoadResult:
    return load([path], "PK", _TIMEZONE, _TAGGER, lenient, known)


def _same(one: LoadResult, other: LoadResult) -> None:
    assert one.refused == other.refused
    assert list(one.registrations) == list(other.registrations)
    assert list(map(str, one.problems)) == list(map(str, other.problems))
    assert list(map(str, one.notices)) == list(map(str, other.notices))

"""A new key for the tags: who was registered stays so, whichever key their session's tag was made with."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from enforcer.registry.load import load
from enforcer.registry.lookup import Registry
from enforcer.registry.memory import remember
from enforcer.registry.memory_file import restore, save
from enforcer.subscribers.number import Tagger, normalise

OLD, NEW = b"o" * 32, b"n" * 32
NUMBER = "+923001234567"


def listed(tmp_path: Path, tagger: Tagger) -> Registry:
    path = tmp_path / "list.csv"
    path.write_text(f"id,holder,number\nF-1,freelancer,{NUMBER}\n")
    result = load([path], "PK", UTC, tagger, lenient=False)
    assert not result.problems
    return Registry(result.registrations, 0.0)


def test_tags_of_both_keys_find_the_entry(tmp_path: Path) -> None:
    e164 = normalise(NUMBER, "PK")
    registry = listed(tmp_path, Tagger(NEW, (OLD,)))
    for key in (NEW, OLD):
        assert [entry.id for entry in registry.match_tag(Tagger(key).tag(e164))] == ["F-1"]
    assert registry.match_tag(Tagger(b"x" * 32).tag(e164)) == []
    assert len(registry) == 1


def test_the_old_tags_entry_has_not_vanished(tmp_path: Path) -> None:
    before = listed(tmp_path, Tagger(OLD)).registrations
    after = listed(tmp_path, Tagger(NEW, (OLD,))).registrations
    assert remember(before, after, now=0.0, grace=1.0) == after
    memory = tmp_path / "memory.json"
    save(memory, after)
    assert restore(memory, 0.0).registrations == after

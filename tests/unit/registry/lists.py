"""Lists written by the tests of this folder, and read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from enforcer.problems import Problem
from enforcer.registry.load import LoadResult, load
from enforcer.subscribers.number import Tagger

KARACHI = ZoneInfo("Asia/Karachi")
TAGGER = Tagger(bytes(range(32)))
HEADER = (
    "id,holder,address,number,valid_from,valid_to,protocols,peers,note,revokes,reason,notice_date,effective_date"
)
FREELANCER = {"id": "F-1", "holder": "freelancer", "number": "0300 1234567"}
REVOKES = {"revokes": "C-1", "reason": "fraud", "notice_date": "2026-01-01", "effective_date": "2026-02-01"}
YAML_ROW = "- {id: C-1, holder: company, address: 198.51.100.7}\n"
GOOD = {"id": "C-1", "holder": "company", "address": "198.51.100.7"}

Write = Callable[..., Path]


def row(**fields: str) -> str:
    cells = {**fields}
    text = [cells.pop(name, "") for name in HEADER.split(",")]
    assert not cells
    return ",".join(f'"{cell}"' if "," in cell or '"' in cell else cell for cell in text)


def csv(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


def read(*paths: Path, lenient: bool = False, tagger: Tagger | None = TAGGER) -> LoadResult:
    return load(paths, "PK", KARACHI, tagger, lenient)


def only(result: LoadResult) -> Problem:
    assert [str(problem) for problem in result.problems] == [str(result.problems[0])]
    assert result.refused
    assert result.registrations == []
    return result.problems[0]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

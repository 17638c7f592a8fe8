"""Every name that the pages write as code exists: settings, reasons, metrics, tests, files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from docs.links import pages
from docs.reference import keys
from enforcer.config import Config
from enforcer.observe import catalogue
from enforcer.observe.definition import Definition
from enforcer.policy import HeldBack, Reason

SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")

OF_OTHERS = frozenset({"br_netfilter", "nf_conntrack", "nf_flowtable", "nft_queue", "nft_flow_offload"})
"""The kernel's names."""

FOLDERS = ("enforcer", "tests", "docs", "config", "systemd", "debian", "pcaps", ".ci")


def inline(path: Path) -> Iterator[tuple[int, str]]:
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        for child in token.children or ():
            if child.type == "code_inline":
                yield (token.map or [0])[0] + 1, child.content


@cache
def metrics() -> frozenset[str]:
    defined = [value for value in vars(catalogue).values() if isinstance(value, Definition)]
    return frozenset(one.name + suffix for one in defined for suffix in SUFFIXES)


@cache
def settings() -> frozenset[str]:
    return frozenset(key.replace("[]", "") for key in keys())


@cache
def beside(repository: Path) -> frozenset[str]:
    """Names in the files for FreeRADIUS, which begin as the metrics do."""
    found = [path.read_text() for path in (repository / "config" / "freeradius").rglob("*") if path.is_file()]
    return frozenset(re.findall(r"\benforcer_\w+", "\n".join(found)))


@cache
def words_of_the_code(repository: Path) -> frozenset[str]:
    """Every name that stands in the program, its configuration files or its schemas."""
    found: set[str] = set()
    for pattern in ("enforcer/**/*.py", "config/**/*", "systemd/*", "docs/*.json"):
        for path in repository.glob(pattern):
            if path.is_file():
                found.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return frozenset(found)


@cache
def rooms(repository: Path) -> tuple[str, ...]:
    return tuple(path.name for path in (repository / "enforcer").iterdir() if path.is_dir())


@cache
def files(repository: Path) -> tuple[str, ...]:
    found = [path for folder in FOLDERS for path in (repository / folder).rglob("*")]
    return tuple(f"/{path.relative_to(repository)}" for path in found) + tuple(
        f"/{path.name}" for path in repository.iterdir()
    )


@cache
def defined_tests(repository: Path) -> frozenset[str]:
    found: set[str] = set()
    for path in (repository / "tests").rglob("test_*.py"):
        found.update(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    return frozenset(found)


def trouble(repository: Path, word: str) -> str | None:
    """Why a word that a page writes as code is wrong; None when it is known, or of no kind that can be checked."""
    if re.fullmatch(r"test_\w+", word):
        return None if word in defined_tests(repository) else "no such test"
    if re.fullmatch(r"[\w./-]+\.py", word) or word.partition("/")[0] in (*FOLDERS, *rooms(repository)):
        path = "/" + word.rstrip("/")
        return None if any(one.endswith(path) for one in files(repository)) else "no such file or folder"
    if re.fullmatch(r"enforcer_\w+", word):
        return None if word in metrics() or word in beside(repository) else "no such metric"
    dotted = re.fullmatch(r"([a-z]+)(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+", word)
    if dotted and dotted[1] in Config.model_fields and not word.endswith((".csv", ".json", ".yaml", ".sqlite")):
        return None if word.replace("[]", "") in settings() else "no such setting"
    if re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", word):
        known = word in words_of_the_code(repository) or word in OF_OTHERS
        return None if known else "no such name in the code"
    return None


def test_every_name_exists(repository: Path) -> None:
    found = [
        (page, line, word)
        for page in pages(repository)
        if page.name != "CHANGELOG.md"
        for line, word in inline(page)
    ]
    assert len(found) > 300
    assert [
        f"{page.name}:{line}: {word}: {why}" for page, line, word in found if (why := trouble(repository, word))
    ] == []


@pytest.mark.parametrize(
    "word",
    [
        "test_nobody_ever", "tests/e2e/test_nobody.py", "gateway/nobody.py", "enforcer_people_total",
        "registry.graces", "radius.clients[].name_of", "mapping_lost",
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_is_noticed(repository: Path, word: str) -> None:
    assert trouble(repository, word) is not None


@pytest.mark.parametrize("kind", [Reason, HeldBack])
def test_every_reason_is_explained_somewhere(repository: Path, kind: type[StrEnum]) -> None:
    said = {word for page in pages(repository) for _, word in inline(page)}
    assert {str(member) for member in kind} - said == set()


def test_every_metric_in_a_sample_exists(repository: Path) -> None:
    for page in pages(repository):
        for word in re.findall(r"\benforcer_[a-z_]+\b", page.read_text(encoding="utf-8")):
            assert word in metrics() or word in beside(repository), f"{page.name}: {word}"

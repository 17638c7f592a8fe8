"""The pages build without a warning, and a reader's browser fetches nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

FETCHING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    # As `make docs` does: every warning is an error, and every reference must lead somewhere.
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", "html", str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("docs")
    done = build(repository / "docs", target)
    assert done.returncode == 0, done.stderr
    return target


class Fetched(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in ("canonical", "next", "prev", "index", "search", "author"):
            return
        attribute = "href" if tag == "link" else FETCHING.get(tag)
        if attribute is not None and values.get(attribute):
            self.found.append(values[attribute] or "")


def fetched(folder: Path) -> Iterator[str]:
    """What a browser fetches for the pages in a folder, as written there."""
    for page in folder.rglob("*.html"):
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        yield from reader.found
    for sheet in folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        yield from re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')\s;]+)", text)


def elsewhere(targets: Iterator[str]) -> list[str]:
    return [target for target in targets if re.match(r"(?:[a-z]+:)?//", target)]


def test_nothing_is_fetched_from_elsewhere(built: Path) -> None:
    assert elsewhere(fetched(built)) == []


def test_search_works_without_a_server(built: Path) -> None:
    index = (built / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(")
    assert "wireguard" in index
    assert "search.html" in (built / "index.html").read_text(encoding="utf-8")


def test_every_page_is_there(built: Path, repository: Path) -> None:
    for page in (repository / "docs").glob("*.md"):
        assert (built / f"{page.stem}.html").is_file()


def test_a_link_that_leads_nowhere_fails_the_build(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text((repository / "docs" / "conf.py").read_text().replace('["static"]', "[]"))
    (tmp_path / "index.md").write_text("# Index\n\n[there](other.md#not-there) and [here](gone.md)\n")
    (tmp_path / "other.md").write_text("---\norphan: true\n---\n# Other\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "not-there" in done.stderr
    assert "gone" in done.stderr


def test_what_comes_from_elsewhere_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<script src="https://cdn.example/x.js"></script><img src="//a.example/b">'
    )
    (tmp_path / "page.css").write_text("@import 'https://fonts.example/css';")
    assert len(elsewhere(fetched(tmp_path))) == 3

"""Links of the pages, the README and the changelog lead to files and headings that are there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs.links import Link, anchors, links, pages


def trouble(repository: Path, link: Link) -> str | None:
    """What is wrong with a link; None when it leads somewhere."""
    if link.external:
        parts = urlsplit(link.target)
        if parts.scheme != "https" or not re.fullmatch(r"[a-z0-9.-]+\.[a-z]{2,}", parts.netloc):
            return "expected an https link to a named host"
        return None
    path, _, anchor = link.target.partition("#")
    page = repository / link.page
    target = (page.parent / unquote(path)).resolve() if path else page
    if not target.is_relative_to(repository):
        return "leads out of the repository"
    if not target.exists():
        return "no such file"
    if anchor and anchor not in anchors(target):
        return "no such heading"
    return None


def test_every_link_leads_somewhere(repository: Path) -> None:
    found = [link for page in pages(repository) for link in links(repository, page)]
    assert len(found) > 50
    assert [
        f"{link.page}:{link.line}: {link.target}: {why}" for link in found if (why := trouble(repository, link))
    ] == []


def test_a_link_that_leads_nowhere_is_noticed(repository: Path) -> None:
    for target in (
        "gone.md",
        "index.md#gone",
        "#gone",
        "../../elsewhere",
        "http://example.org/",
        "https://nowhere/",
        "ftp://example.org/",
    ):
        assert trouble(repository, Link("docs/index.md", 1, target)) is not None
    assert trouble(repository, Link("docs/index.md", 1, "limits.md#never-built")) is None

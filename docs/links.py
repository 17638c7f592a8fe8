"""The links of the pages: what they lead to, and the list of those that lead out of this repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

LISTING = "sources.md"

_HEAD = """# Sources

<!-- Made from the pages: python -m docs.reference -->

Every link that leads out of this documentation, with the pages in which it stands. They are held to be well formed
and encrypted; whether they still lead where they did is not tested, for the tests run without the Internet. Links
within the documentation, and to files of the repository, are followed by a test each time.

Protocols are cited by document and section where a fact is used: in the code beside the constant, in
[the table of shapes](shapes.md) beside the bytes.

"""


@dataclass(frozen=True)
class Link:
    """A link or image in a page; ``page`` is relative to the repository, ``line`` is 1-based."""

    page: str
    line: int
    target: str

    @property
    def external(self) -> bool:
        """Whether it leads out of the repository."""
        return bool(urlsplit(self.target).scheme)


def pages(repository: Path) -> list[Path]:
    """Every page a reader is led to: the documentation, and what stands at the repository's root."""
    return [repository / "README.md", repository / "CHANGELOG.md", *sorted((repository / "docs").glob("*.md"))]


def links(repository: Path, path: Path) -> Iterator[Link]:
    """The links of a Markdown page, bare ``<https://…>`` included."""
    page = str(path.relative_to(repository))
    for block in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        line = block.map[0] + 1 if block.map else 0
        for token in block.children or ():
            target = _target(token)
            if target is not None:
                yield Link(page, line, target)


def anchors(path: Path) -> set[str]:
    """The anchors of a page: its headings, as a forge makes them."""
    found: set[str] = set()
    tokens = MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8"))
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in tokens[at + 1].children or ())
            found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


def sources(repository: Path) -> str:
    """The page that lists every external link."""
    found: dict[str, set[str]] = {}
    for path in pages(repository):
        if path.name != LISTING:
            for link in links(repository, path):
                if link.external:
                    found.setdefault(link.target, set()).add(link.page)
    rows = [
        f"| <{target}> | {', '.join(f'`{page}`' for page in sorted(of))} |" for target, of in sorted(found.items())
    ]
    table = "\n".join(["| link | pages |", "|---|---|", *rows])
    return _HEAD + (table if rows else "There are none now.") + "\n"


def _target(token: Token) -> str | None:
    attribute = {"link_open": "href", "image": "src"}.get(token.type)
    value = None if attribute is None else token.attrs.get(attribute)
    return value if isinstance(value, str) else None

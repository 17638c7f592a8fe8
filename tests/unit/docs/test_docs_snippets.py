"""What a reader would copy works: command lines parse, configurations validate, lists load."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
import yaml
from markdown_it import MarkdownIt

from docs.links import pages
from enforcer.cli import main
from enforcer.config_file import ConfigError, parse
from enforcer.registry.load import load
from enforcer.subscribers.number import Tagger

OTHER_FILE = re.compile(r"# \S+\.ya?ml\b")
"""A sample of another file than the configuration begins with its name."""


def fences(path: Path) -> Iterator[tuple[int, str, str]]:
    """The line, the language and the text of every fenced block."""
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            yield token.map[0] + 1, token.info.strip(), token.content


def command_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every command line of enforcer's: in shell blocks, and in running text."""
    for line, language, text in fences(path):
        if language in ("sh", "console"):
            for offset, each in enumerate(text.splitlines()):
                for part in re.split(r"&&|\|\|?|;", each.removeprefix("$ ")):
                    found = re.match(r"\s*(?:sudo )?(?:\S*/)?(enforcer(?: .*)?)$", part.rstrip())
                    if found:
                        yield line + offset + 1, found[1]
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        for child in token.children or ():
            if child.type == "code_inline" and child.content.startswith("enforcer "):
                yield (token.map or [0])[0] + 1, child.content


def usage_error(line: str) -> str | None:
    """What the command line's parser has against it; None when it takes it."""
    words = shlex.split(line, comments=True)[1:]
    try:
        if not words or words[0].startswith("-"):
            main.make_context("enforcer", words)
            return None
        name, command, rest = main.resolve_command(click.Context(main), words)
        # A command's bare name, in running text, is its name.
        if command is not None and rest:
            command.make_context(name, rest)
    except click.exceptions.Exit:
        return None
    except click.ClickException as error:
        return error.format_message()
    return None


def test_every_command_line_parses(repository: Path) -> None:
    found = [(page, line, text) for page in pages(repository) for line, text in command_lines(page)]
    assert len(found) > 30
    assert [f"{page.name}:{line}: {text}: {why}" for page, line, text in found if (why := usage_error(text))] == []


@pytest.mark.parametrize(
    "line", ["enforcer spy", "enforcer check --everybody", "enforcer explain --at", "enforcer -x"]
)
def test_a_command_line_that_does_not_parse_is_noticed(line: str) -> None:
    assert usage_error(line) is not None


def problems(text: str) -> list[str]:
    if OTHER_FILE.match(text):
        yaml.safe_load(text)
        return []
    try:
        parse(text, Path("/etc/enforcer/enforcer.yaml"))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_every_configuration_validates(repository: Path) -> None:
    found = [
        (page, line, text)
        for page in pages(repository)
        for line, language, text in fences(page)
        if language == "yaml"
    ]
    assert len(found) > 20
    assert [f"{page.name}:{line}: {why}" for page, line, text in found for why in problems(text)] == []


def test_a_configuration_that_does_not_validate_is_noticed() -> None:
    assert problems("mode: enforced\n")
    assert problems("registry:\n  grace: 1d\n")


def test_every_list_loads(repository: Path, tmp_path: Path) -> None:
    samples = [text for page in pages(repository) for _, _, text in fences(page) if text.startswith("id,holder,")]
    assert samples
    for text in samples:
        sample = tmp_path / "sample.csv"
        sample.write_text(text)
        result = load([sample], "PK", ZoneInfo("Asia/Karachi"), Tagger(bytes(range(32))), lenient=False)
        assert result.problems == []

"""Makes the manual pages.

enforcer(8) and a page for each command come from their own help, by help2man(1); enforcer.yaml(5) from the
configuration reference, by lowdown(1).
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from enforcer import __version__
from enforcer.cli import main

WIDTH = 500
"""Columns: no line of the help is broken, no summary cut short."""


def contexts(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """The command and every one below it."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            one = command.get_command(context, below)
            assert one is not None  # it is listed
            yield from contexts(one, below, context)


def write(context: click.Context, others: list[str], folder: Path) -> None:
    """Write a command's page; ``others`` are the pages it refers to."""
    name = context.command_path.replace(" ", "-")
    page = folder / f"{name}.8"
    # help2man describes what a program prints when asked for help. Prose, a line to a paragraph here, comes
    # without its indentation: help2man has its own; tables and examples keep theirs.
    program = folder / name
    text = "\n\n".join(
        part.removeprefix("  ") if "\n" not in part else part for part in context.get_help().split("\n\n")
    )
    program.write_text(f"#!/bin/sh\ncat <<'HELP'\n{text}\nHELP\n")
    program.chmod(0o755)
    references = folder / "references"
    references.write_text("[SEE ALSO]\n" + ",\n".join(f"\\fB{other}\\fP" for other in others) + "\n")
    subprocess.run(
        [
            *("help2man", "--no-info", "--section=8", f"--name={context.command.get_short_help_str(WIDTH)}"),
            *(f"--version-string={__version__}", f"--source=enforcer {__version__}"),
            *(f"--include={references}", f"--output={page}", str(program)),
        ],
        check=True,
    )
    program.unlink()
    references.unlink()


def write_configuration(folder: Path) -> None:
    """Write enforcer.yaml(5)."""
    _, _, reference = Path("docs/configuration.md").read_text().partition("\n")
    name = "# NAME\n\nenforcer.yaml - configuration of enforcer(8)\n\n# DESCRIPTION\n"
    page = folder / "enforcer.yaml.5"
    metadata = [f"-M{key}" for key in ("title=enforcer.yaml", "section=5", f"source=enforcer {__version__}")]
    subprocess.run(
        ["lowdown", "-s", "-Tman", *metadata, "-o", str(page)], input=name + reference, text=True, check=True
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    pages = list(contexts(main, "enforcer"))
    names = [f"{context.command_path.replace(' ', '-')}(8)" for context in pages]
    for position, one in enumerate(pages):
        write(one, [*(name for name in names if name != names[position]), "enforcer.yaml(5)"], target)
    write_configuration(target)

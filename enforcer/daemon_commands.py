"""The commands that ask the running daemon: status, reload."""

from __future__ import annotations

from pathlib import Path

import click

from enforcer.commands import ask_daemon, load_config
from enforcer.options import config_option


@click.command()
@config_option(required=True)
def status(config_path: Path | None) -> None:
    """Say how the running gateway stands: mode, families, list, sessions, accounting."""
    for label, sentence in ask_daemon(load_config(config_path, required=True), {"what": "status"})["lines"]:
        click.echo(f"{label:14} {sentence}")


@click.command()
@config_option(required=True)
def reload(config_path: Path | None) -> None:
    """Have the running gateway load its configuration and lists anew, and wait until they are in force.

    Exits with 1, with every reason, when they are refused: then everything stays as it was.
    """
    for label, sentence in ask_daemon(load_config(config_path, required=True), {"what": "reload"})["lines"]:
        click.echo(f"{label}: {sentence}")

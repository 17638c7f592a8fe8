"""What the commands share: loading, with its errors, and asking the daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from enforcer.config import Config
from enforcer.config_file import ConfigError, load
from enforcer.gateway import nft
from enforcer.gateway.control import ControlError, ask
from enforcer.gateway.exempt_keeper import remembered
from enforcer.lists import ListError, Lists, load_lists
from enforcer.mobile_networks import TableError
from enforcer.options import DEFAULT_CONFIG, INPUT, MACHINE, fail
from enforcer.policy import Policy
from enforcer.shadow.coverage import Recorded
from enforcer.shadow.store import Store, StoreError


def ask_daemon(config: Config, request: dict[str, Any]) -> dict[str, Any]:
    """What the running daemon answers; ends the command with every reason when it cannot be asked."""
    if config.control.socket is None:
        fail(INPUT, ["control.socket is not set: the running daemon cannot be asked"])
    try:
        return ask(config.control.socket, request)
    except ControlError as error:
        fail(INPUT, str(error).splitlines())


def policy_of(config_path: Path | None, lenient: bool) -> Policy:
    """The policy that the files of a configuration make, notices told on standard error."""
    config = load_config(config_path, required=False)
    with input_errors():
        lists = load_lists(config, lenient, time.time(), config_path or DEFAULT_CONFIG)
    tell(lists)
    with input_errors():
        exemptions = remembered(config.exempt, config.exempt.memory, time.time(), aside=False)
    return Policy(config, lists.registry, lists.sessions, exemptions, shadow=recorded(config))


def recorded(config: Config) -> Recorded:
    """The shadow time on disk; none, and a note on standard error, where it cannot be read."""
    if config.shadow.file is None:
        return Recorded()
    try:
        return Store(config.shadow.file).recorded()
    except StoreError as error:
        click.echo(f"note: {config.shadow.file}: {error}", err=True)
        return Recorded()


def tell(lists: Lists) -> None:
    """Tell on standard error what the operator should know of the lists."""
    for notice in (*lists.notices, *lists.problems):
        click.echo(f"note: {notice}", err=True)


def load_config(path: Path | None, required: bool) -> Config:
    """The configuration, or the built-in one where none is required; ends the command when it is bad."""
    if path is None and not required and not DEFAULT_CONFIG.exists():
        return Config()
    with input_errors():
        return load(path or DEFAULT_CONFIG)


@contextmanager
def input_errors() -> Iterator[None]:
    """End the command with every problem when something in the files given is wrong."""
    try:
        yield
    except (ConfigError, ListError) as error:
        fail(INPUT, [str(problem) for problem in error.problems])
    except TableError as error:
        fail(MACHINE, [str(error)])


@contextmanager
def machine_errors() -> Iterator[None]:
    """End the command when this machine cannot do what was asked."""
    try:
        yield
    except nft.CommandError as error:
        fail(MACHINE, [str(error)])

"""What the commands share: options, loading with its errors, and exit codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import click

from enforcer.config import Config
from enforcer.config_file import ConfigError, load
from enforcer.gateway import nft
from enforcer.gateway.control import ControlError, ask
from enforcer.gateway.exempt_keeper import remembered
from enforcer.lists import ListError, Lists, load_lists
from enforcer.mobile_networks import TableError
from enforcer.policy import Policy
from enforcer.shadow.coverage import Recorded
from enforcer.shadow.store import Store, StoreError

DEFAULT_CONFIG = Path("/etc/enforcer/enforcer.yaml")

INPUT, MACHINE, FAULT = 1, 3, 70
"""Exit codes: something in the files given is wrong; this machine cannot do it; the daemon met with what no code
foresaw, and is worth starting again. 2 is click's, for usage."""

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(required: bool) -> Callable[[Command], Command]:
    """The --config option; ``required`` says that there is no built-in fallback."""
    path = click.Path(path_type=Path, readable=False)
    fallback = "" if required else ", or what is built in"
    text = f"The configuration. Default: {DEFAULT_CONFIG}{fallback}."
    return click.option("--config", "-c", "config_path", type=path, help=text)


def lenient_option() -> Callable[[Command], Command]:
    """The --lenient option."""
    return click.option(
        "--lenient", is_flag=True, help="Leave bad rows of the lists out instead of refusing the whole file."
    )


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


class Failed(click.ClickException):
    """A command cannot go on: why, in one message or several, and the exit code."""

    def __init__(self, code: int, messages: Iterable[str]) -> None:
        self.exit_code = code  # type: ignore[misc]  # click asks the instance
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the messages on standard error, as click asks for at the end."""
        for message in self.messages:
            click.echo(f"enforcer: {message}", file=file, err=file is None)


def fail(code: int, messages: Iterable[str]) -> NoReturn:
    """End the command with messages on standard error."""
    raise Failed(code, messages)

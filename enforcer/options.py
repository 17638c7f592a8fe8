"""What every command has, and imports at no cost: its options, its end, its exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import click

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

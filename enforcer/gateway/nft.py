"""nft(8) and iptables(8), run as they are: their own words in every error.

Only a few elements more or fewer go to the kernel without them.
"""

from __future__ import annotations

import json
import logging
import subprocess
from typing import Any

from enforcer.gateway import elements
from enforcer.log_events import named

log = logging.getLogger(__name__)

LONGEST = 60.0
"""Seconds a tool may take: a set of a million elements takes some, a lock that another program holds might take
for ever."""


class CommandError(Exception):
    """A tool is missing or refused; the message carries what it printed."""


def foreseen(error: Exception) -> CommandError:
    """The error itself, or one in place of an error that no code foresaw: that is logged, less its words.

    They may quote an address.
    """
    if isinstance(error, CommandError):
        return error
    log.error("a fault while the kernel was asked or written", exc_info=error, extra=named("fault"))
    return CommandError(f"a fault of this program ({type(error).__name__}): the log has where")


def run(arguments: list[str], text: str | None = None) -> str:
    """Run a tool with ``text`` on its standard input and return what it printed.

    Raises CommandError when it is not installed, exits non-zero, or takes longer than LONGEST.
    """
    try:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False, timeout=LONGEST)
    except FileNotFoundError:
        raise CommandError(
            f"{arguments[0]} is not installed; install it (Debian: apt install {_PACKAGES[arguments[0]]})"
        ) from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"{' '.join(arguments)}: not done within {LONGEST:.0f} s") from None
    except OSError as error:
        raise CommandError(f"{arguments[0]} cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        printed = done.stderr.strip() or done.stdout.strip()
        # Below an error's place nft quotes the statement, and with it addresses, which no log is to hold.
        placed = [line for line in printed.splitlines() if line.startswith("/dev/stdin:")]
        detail = "\n".join(placed) or printed or f"exit code {done.returncode}"
        raise CommandError(f"{' '.join(arguments)}: {detail}")
    return done.stdout


def load(text: str) -> None:
    """Load nft statements, if any, as one transaction. Raises CommandError; then nothing of it was loaded."""
    if not text:
        return
    try:
        written = elements.written(text)
    except OSError as error:
        raise CommandError(f"nf_tables refuses elements: {error.strerror or error}") from None
    if not written:
        run(["nft", "-f", "-"], text)


def check(text: str) -> None:
    """Ask the kernel whether it would load nft statements. Raises CommandError when not."""
    run(["nft", "-c", "-f", "-"], text)


def objects(*what: str) -> list[dict[str, Any]]:
    """What `nft -j list` answers, without its header. Raises CommandError."""
    try:
        answer: list[dict[str, Any]] = json.loads(run(["nft", "-j", "list", *what]))["nftables"]
    except (ValueError, KeyError):
        raise CommandError(f"nft -j list {' '.join(what)}: the answer is not understood") from None
    return [item for item in answer if "metainfo" not in item]


_PACKAGES = {"nft": "nftables", "iptables-nft": "iptables", "ip6tables-nft": "iptables"}

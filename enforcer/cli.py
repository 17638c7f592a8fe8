"""The command line. A command's module is imported when the command is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from enforcer import __version__

_MODULES = {
    "check": "enforcer.file_commands",
    "explain": "enforcer.explain_command",
    "log": "enforcer.log_command",
    "reload": "enforcer.daemon_commands",
    "replay": "enforcer.file_commands",
    "report": "enforcer.report_command",
    "ruleset": "enforcer.file_commands",
    "run": "enforcer.run_command",
    "status": "enforcer.daemon_commands",
}


class Commands(click.Group):
    """A group of the functions named as their commands, each in its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in order."""
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name."""
        if cmd_name not in _MODULES:
            return None
        command: click.Command = getattr(import_module(_MODULES[cmd_name]), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="enforcer %(version)s")
def main() -> None:
    """Applies a VPN registration scheme fairly on a gateway.

    Recognises the handshakes of WireGuard, OpenVPN and IPsec in their standard form, asks who is behind them, and
    accepts, or rejects with a clear error. The default mode only watches.

    \b
    A first day:
      enforcer check --config enforcer.yaml       is everything in order?
      enforcer replay capture.pcap                what would it see in this capture?
      enforcer run --config enforcer.yaml         watch (mode: monitor), read /metrics
      enforcer explain 203.0.113.7                why would this address be refused?
      enforcer log --since 2h                     what did it say lately?
      enforcer report                             what would enforcing do, and what to mend first?
    """

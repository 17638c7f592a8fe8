"""The daemon's command."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import click

from enforcer import core_dumps, logs
from enforcer.gateway import forgetting
from enforcer.log_events import named
from enforcer.options import DEFAULT_CONFIG, FAULT, INPUT, MACHINE, Failed, config_option, fail, lenient_option

log = logging.getLogger(__name__)


@click.command()
@config_option(required=True)
@lenient_option()
def run(config_path: Path | None, lenient: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; SIGHUP reloads the configuration and the lists.

    Needs CAP_NET_ADMIN: start it under systemd, as its own user, or as root. Loads one nft table, gives verdicts,
    and takes everything out again when it stops. A daemon that is dead or stalled stops nobody: the kernel lets
    pass what it would have judged.
    """
    forgetting.ensure()
    core_dumps.forbid()
    logs.to_standard_error()
    try:
        _run(config_path, lenient)
    except Failed as failed:
        for message in failed.messages:
            log.error("%s", message, extra=named("not_started"))
        raise SystemExit(failed.exit_code) from None
    except Exception:
        log.exception(
            "stopped by a fault of this program, everything taken out of the kernel", extra=named("fault")
        )
        raise SystemExit(FAULT) from None


def _run(config_path: Path | None, lenient: bool) -> None:
    # Only now: what is imported before the process starts anew is imported twice.
    from enforcer.commands import input_errors, load_config
    from enforcer.gateway import nft, preflight
    from enforcer.gateway.control import ControlError
    from enforcer.gateway.daemon import Daemon, StartError
    from enforcer.gateway.nfqueue import QueueError
    from enforcer.gateway.watch import watch_lists
    from enforcer.lists import ListError, load_lists
    from enforcer.problems import Notice, Problem
    from enforcer.subscribers.radius.process import RadiusError

    config = load_config(config_path, required=True)
    obstacles = list(preflight.obstacles(config))
    if obstacles:
        fail(MACHINE, obstacles)
    watch = watch_lists(config)
    with input_errors():
        try:
            lists = load_lists(config, lenient, time.time(), config_path or DEFAULT_CONFIG, aside=True)
        except ListError as error:
            fail(INPUT, [problem.logged() for problem in error.problems])
    for warning in preflight.warnings(config):
        log.warning("%s", warning, extra=named("machine_notice"))
    told: list[Notice | Problem] = [*lists.notices, *lists.problems]
    for notice in told:
        log.warning("%s", notice.logged(), extra=named("list_notice"))
    with input_errors():
        daemon = Daemon(config_path or DEFAULT_CONFIG, config, lists, lenient, watch)
    try:
        daemon.run()
    except (StartError, QueueError, RadiusError, ControlError, nft.CommandError) as error:
        fail(MACHINE, [str(error)])

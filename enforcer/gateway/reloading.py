"""Reloads of a running daemon: what was loaded is put in force as a whole, or everything stays as it was."""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from enforcer.config import Config
from enforcer.exemptions import Exemptions
from enforcer.gateway.control import Answer
from enforcer.gateway.exempt_keeper import reconfigured
from enforcer.gateway.followers import forget_all
from enforcer.gateway.kernel import Everything, Exempt, Registered
from enforcer.gateway.loader import Loaded, Loader, Refused, Result
from enforcer.gateway.ruleset import enforcing
from enforcer.gateway.sets import exempt
from enforcer.gateway.watch import Watch
from enforcer.lists import Lists
from enforcer.log_events import named
from enforcer.problems import Notice, Problem
from enforcer.registry.standing import Listed
from enforcer.subscribers.radius.process import RadiusError

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon

log = logging.getLogger(__name__)


class Reloads:
    """How reloads went. The start counts as the first."""

    def __init__(self) -> None:
        self.successful = True
        self.at = time.time()
        self.counts = {"success": 0, "failure": 0}

    def succeeded(self, now: float) -> None:
        """A reload took effect at ``now``, epoch seconds."""
        self.successful, self.at = True, now
        self.counts["success"] += 1

    def failed(self) -> None:
        """A reload was refused."""
        self.successful = False
        self.counts["failure"] += 1


class _Before(NamedTuple):
    config: Config
    lists: Lists
    exemptions: Exemptions
    listed: Listed


class Reloading:
    """Brings one configuration and its lists at a time into force. All in the loop's thread."""

    def __init__(self, daemon: Daemon, path: Path, lenient: bool, watch: Watch) -> None:
        self._daemon = daemon
        self.loader = Loader(path, lenient, self._loaded)
        self.watch = watch
        self.wanted: deque[tuple[str, Future[Answer]]] = deque()
        self._asking: list[Future[Answer]] = []

    def request(self, by: str) -> Future[Answer]:
        """Have configuration and lists loaded anew; the future answers when they are in force, or refused."""
        future: Future[Answer] = Future()
        self.wanted.append((by, future))
        return future

    @property
    def busy(self) -> bool:
        """Whether something is being loaded or put in force."""
        return self.loader.busy or bool(self._asking)

    def begin(self) -> None:
        """Begin what was requested, unless something is under way."""
        if self.wanted and not self.busy:
            by = ", ".join(dict.fromkeys(by for by, _ in self.wanted))
            self._asking = [future for _, future in self.wanted]
            self.wanted.clear()
            self._daemon.manager.reloading()
            self.loader.reload(self._daemon.config, self._daemon.lists, by)

    def look(self) -> None:
        """Request a reload when a file has changed."""
        if self.watch.changed():
            self.request("a changed file")

    def reconsider(self, now: float) -> None:
        """Look again at the list in force when the clock has changed how an entry stands."""
        daemon = self._daemon
        # Not beside a reload: what follows from the list before would come after the new one.
        if not (daemon.listed.at <= now < daemon.listed.valid_until or self.busy):
            self.loader.reconsider(daemon.lists.registry, float(daemon.config.registry.grace))

    def _loaded(self, result: Result) -> None:
        """Called in the loader's thread."""
        self._daemon.mailbox.post(lambda: self._take(result))

    def _take(self, result: Result) -> None:
        if isinstance(result, Loaded):
            self._put_in_force(result)
        elif isinstance(result, Refused):
            self._refuse(result.error, result.logged)
        else:
            self._daemon.listed = result
            self._daemon.kernel.post(Registered(self._daemon.registered(time.time())))

    def _put_in_force(self, loaded: Loaded) -> None:
        daemon = self._daemon
        before = _Before(daemon.config, daemon.lists, daemon.exemptions, daemon.listed)
        now = time.time()
        try:
            if loaded.config.exempt != before.config.exempt:
                daemon.exemptions = reconfigured(loaded.config.exempt, daemon.exemptions)
            daemon.follower.reconfigure(loaded.lists.radius)
        except Exception as error:
            daemon.exemptions = before.exemptions
            self._refuse(str(error), str(error))
            return
        daemon.config, daemon.lists, daemon.listed = loaded.config, loaded.lists, loaded.listed
        self._forget_foreign_tags(before.lists)
        daemon.judge_anew(now)
        everything = Everything(
            daemon.config,
            daemon.registered(now),
            frozenset(exempt(daemon.exemptions)),
            table=not _same_table(loaded.config, before.config),
        )

        def written(future: Future[None]) -> None:
            error = future.exception()
            daemon.mailbox.post(
                (lambda: self._in_force(loaded, before.config))
                if error is None
                else (lambda: self._undo(before, error))
            )

        everything.done.add_done_callback(written)
        daemon.kernel.post(everything)

    def _in_force(self, loaded: Loaded, before: Config) -> None:
        daemon = self._daemon
        now = time.time()
        daemon.took_effect(before, now)
        daemon.audit.reloaded(now, loaded.by, loaded.changes)
        if self.watch.paths != loaded.watch.paths:
            self.watch = loaded.watch
        self.loader.keep(daemon.config, daemon.lists.registry)
        notices: list[Notice | Problem] = [*daemon.lists.notices, *daemon.lists.problems]
        for notice in notices:
            log.warning("%s", notice.logged(), extra=named("list_notice"))
        daemon.reloads.succeeded(now)
        changes = ", ".join(f"{len(ids)} {what.replace('_', ' ')}" for what, ids in loaded.changes.items())
        log.info(
            "reloaded (%s): mode %s, %d registrations, %s",
            loaded.by, daemon.config.mode, len(daemon.lists.registry), changes,
            extra=named(
                "reloaded", by=loaded.by, mode=daemon.config.mode, registrations=len(daemon.lists.registry),
                **{what: len(ids) for what, ids in loaded.changes.items()},
            ),
        )  # fmt: skip
        self._tell_asking({"lines": [("reloaded", changes)]})

    def _undo(self, before: _Before, error: BaseException) -> None:
        daemon = self._daemon
        now = time.time()
        refused = daemon.lists
        daemon.config, daemon.lists, daemon.exemptions, daemon.listed = before
        try:
            daemon.follower.reconfigure(daemon.lists.radius)
        except RadiusError as failure:
            log.error("%s", failure, extra=named("accounting_failed"))
        self._forget_foreign_tags(refused)
        daemon.judge_anew(now)
        daemon.kernel.post(Registered(daemon.registered(now)))
        daemon.kernel.post(Exempt(frozenset(exempt(daemon.exemptions))))
        told = f"the kernel refuses it: {error}"
        self._refuse(told, told)

    def _refuse(self, error: str, logged: str) -> None:
        self._daemon.reloads.failed()
        log.error("reload refused, everything stays as it was:\n%s", logged, extra=named("reload_refused"))
        self._tell_asking({"error": f"reload refused, everything stays as it was:\n{error}"})

    def _tell_asking(self, told: Answer) -> None:
        # Also after a refusal: what was in force goes on.
        self._daemon.manager.ready(self._daemon.summary(time.time()))
        asking, self._asking = self._asking, []
        for future in asking:
            future.set_result(told)

    def _forget_foreign_tags(self, lists: Lists) -> None:
        daemon = self._daemon
        old, new = lists.tagger, daemon.lists.tagger
        if old is not None and (new is None or not new.knows(old)) and daemon.config.sessions.file is None:
            forget_all(daemon.follower)


def _same_table(one: Config, other: Config) -> bool:
    return (enforcing(one), one.gateway) == (enforcing(other), other.gateway)

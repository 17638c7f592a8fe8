"""The life of `enforcer run`: start, verdicts, reload, stop; nothing of ours is left in the kernel at the end."""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from enforcer import __version__
from enforcer.config import Config, ConfigError, load
from enforcer.config_fields import split_listen
from enforcer.engine import Engine
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Family
from enforcer.gateway import nft
from enforcer.gateway.backend import Installation, detect
from enforcer.gateway.exempt_keeper import ExemptKeeper
from enforcer.gateway.interfaces import InterfaceNames
from enforcer.gateway.nfqueue import Queue
from enforcer.gateway.ruleset import marks
from enforcer.gateway.sets import Contents, KernelSets, desired
from enforcer.gateway.status import Reloads, sources
from enforcer.gateway.worker import Worker
from enforcer.lists import ListError, Lists, load_lists
from enforcer.observe.metrics import DecisionCounts, GatewayCollector, serve
from enforcer.observe.refusals import RefusalLog
from enforcer.policy import Decision, HeldBack, Policy

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at what changes by the clock."""

SETS_RETRY = 5.0
"""Seconds until the kernel's sets are tried again after it refused."""


class StartError(Exception):
    """The daemon cannot start on this machine; the message says why and what to do."""


class Daemon:
    """One gateway. ``run`` returns after SIGTERM or SIGINT, with the kernel as it was before."""

    def __init__(self, path: Path, config: Config, lists: Lists, lenient: bool) -> None:
        self._path = path
        self._lenient = lenient
        self.config = config
        self.lists = lists
        self.exemptions = Exemptions(config.exempt)
        self.decisions = DecisionCounts()
        self.reloads = Reloads()
        self._refusals = RefusalLog()
        self._engine = Engine(self._policy())
        self._sets = KernelSets()
        self._wake_read, self._wake_write = socket.socketpair()
        self.keeper: ExemptKeeper | None = None
        self._stopping = False
        self._reloading = False
        self._held_back: dict[Family, HeldBack | None] = {}
        self._sets_due = 0.0
        self.worker = Worker(self._engine, marks(config.gateway.mark_mask), InterfaceNames(), self._observe)

    def run(self) -> None:
        """Install, give verdicts until told to stop, remove.

        Raises StartError, QueueError or CommandError when it cannot start; then nothing is left behind.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._wake_read.close)
            stack.callback(self._wake_write.close)
            queues = [stack.enter_context(contextlib.closing(queue)) for queue in self._bind()]
            self._serve_metrics(stack)
            installation = Installation(detect(self.config))
            stack.enter_context(self._signals())
            now = time.time()
            contents = self._desired(now)
            installation.install(self.config, self._sets.fill(contents))
            self._sets.done(contents)
            stack.callback(self._remove, installation)
            self._start_resolving()
            stack.callback(self._stop_resolving, wait=True)
            self._report_stance(now)
            log.info("enforcer %s ready: mode %s", __version__, self.config.mode)
            self._loop(queues, installation)
            log.info("stopping")

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._engine.policy

    def _bind(self) -> Iterator[Queue]:
        gateway = self.config.gateway
        for number in range(gateway.queue, gateway.queue + gateway.queues):
            yield Queue(number, gateway.queue_length, self.worker.handle)

    def _serve_metrics(self, stack: contextlib.ExitStack) -> None:
        listen = self.config.metrics.listen
        if listen is None:
            return
        host, port = split_listen(listen)
        try:
            server = serve(host, port, GatewayCollector(sources(self)))
        except OSError as error:
            raise StartError(
                f"metrics.listen {listen}: {error.strerror}; is another enforcer running? "
                "(name another address:port, or null for none)"
            ) from None
        stack.callback(server.server_close)
        stack.callback(server.shutdown)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            self._stopping = True

        def reload(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            self._reloading = True

        self._wake_write.setblocking(False)
        handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        wakeup = signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _loop(self, queues: list[Queue], installation: Installation) -> None:
        with selectors.DefaultSelector() as selector:
            for queue in queues:
                selector.register(queue, selectors.EVENT_READ, queue.handle)
            selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
            next_tick = time.monotonic() + TICK
            while not self._stopping:
                for key, _ in selector.select(max(0.0, next_tick - time.monotonic())):
                    handle: Callable[[], None] = key.data
                    handle()
                if self._reloading:
                    self._reloading = False
                    self._reload(installation)
                if time.monotonic() >= next_tick:
                    next_tick = time.monotonic() + TICK
                    self._tick()

    def _woken(self) -> None:
        self._wake_read.recv(4096)
        if self.keeper is not None and self.keeper.take(time.time()):
            # With the next tick, which then reports: names are resolved by the thousand, and many bring something.
            self._sets_due = 0.0

    def _tick(self) -> None:
        now = time.time()
        if now >= self._sets_due:
            self._sync_sets(now)
        self._report_stance(now)

    def _reload(self, installation: Installation) -> None:
        before = self.config, self.lists, self.exemptions
        now = time.time()
        try:
            config = load(self._path)
            lists = load_lists(config, self._lenient, now, keep=True, in_force=self.lists.registry)
            self._refuse_restart_only(config)
            self.config, self.lists = config, lists
            if config.exempt != before[0].exempt:
                self.exemptions = Exemptions(config.exempt)
            contents = self._desired(now)
            if _same_table(config, before[0]):
                nft.load(self._sets.update(contents))
            else:
                installation.replace(config, self._sets.fill(contents))
        except (ConfigError, ListError, StartError, nft.CommandError) as error:
            self.config, self.lists, self.exemptions = before
            self.reloads.failed()
            log.error("reload refused, everything stays as it was:\n%s", error)
            return
        self._sets.done(contents)
        self._engine.policy = self._policy()
        if self.exemptions is not before[2]:
            self._stop_resolving()
            self._start_resolving()
        for notice in lists.notices:
            log.warning("%s", notice)
        self.reloads.succeeded(now)
        self._held_back.clear()
        self._report_stance(now)
        log.info("reloaded: mode %s, %d registrations", config.mode, len(lists.registry))

    def _refuse_restart_only(self, config: Config) -> None:
        before, after = self.config.gateway, config.gateway
        for name in ("queue", "queues", "queue_length", "mark_mask"):
            if getattr(before, name) != getattr(after, name):
                raise StartError(f"{self._path}: gateway.{name} changes only with a restart")
        if self.config.metrics != config.metrics:
            raise StartError(f"{self._path}: metrics.listen changes only with a restart")

    def _policy(self) -> Policy:
        return Policy(self.config, self.lists.registry, self.lists.sessions, self.exemptions)

    def _observe(self, decision: Decision) -> None:
        self.decisions(decision)
        self._refusals(decision)

    def _desired(self, now: float) -> Contents:
        grace = float(self.config.registry.grace)
        self._sets_due = self.lists.registry.next_change(now, grace)
        return desired(self.lists.registry, self.lists.sessions, self.exemptions, now, grace)

    def _sync_sets(self, now: float) -> None:
        contents = self._desired(now)
        try:
            nft.load(self._sets.update(contents))
        except nft.CommandError as error:
            self._sets_due = now + SETS_RETRY
            log.error("the kernel's sets could not be brought up to date, trying again: %s", error)
        else:
            self._sets.done(contents)

    def _start_resolving(self) -> None:
        self.keeper = ExemptKeeper(self.config.exempt, None, self.exemptions, self._wake)
        self.keeper.start()

    def _wake(self) -> None:
        # Full means woken already; closed, that a lookup outlived the daemon.
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def _stop_resolving(self, wait: bool = False) -> None:
        if self.keeper is not None:
            self.keeper.stop(wait)
            self.keeper = None

    def _report_stance(self, now: float) -> None:
        """Say once, whenever it changes, whether each family named is really refused."""
        for family in self.config.enforce:
            held_back = self._engine.policy.held_back(family, now)
            if family in self._held_back and self._held_back[family] == held_back:
                continue
            self._held_back[family] = held_back
            if held_back is HeldBack.WIFI_CALLING:
                missing = self.exemptions.wifi_calling_missing(now)
                log.warning(
                    "IPSEC IS NOT ENFORCED: it carries everyone's Wi-Fi calling, emergency calls among it, and "
                    "the exemptions for it are not known (%s). It is monitored until they are.",
                    missing,
                )
            elif held_back is None:
                log.info("enforcing %s", family)

    def _remove(self, installation: Installation) -> None:
        installation.remove()
        log.info("removed everything from the kernel")


def _same_table(one: Config, other: Config) -> bool:
    return (one.mode, one.enforce, one.gateway) == (other.mode, other.enforce, other.gateway)

"""The life of `enforcer run`: start, verdicts, reload, stop; nothing of ours is left in the kernel at the end."""

from __future__ import annotations

import contextlib
import gc
import logging
import selectors
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import Future
from pathlib import Path

from enforcer import __version__
from enforcer.config import Config
from enforcer.config_fields import split_listen
from enforcer.engine import Engine
from enforcer.gateway import nft
from enforcer.gateway.answers import answer
from enforcer.gateway.backend import Installation, detect
from enforcer.gateway.control import Answer, Asker, ControlServer, Request
from enforcer.gateway.exempt_keeper import ExemptKeeper, remembered
from enforcer.gateway.followers import SessionFollower
from enforcer.gateway.interfaces import InterfaceNames
from enforcer.gateway.kernel import Change, Exempt, KernelWriter
from enforcer.gateway.mailbox import Mailbox
from enforcer.gateway.nfqueue import Queue
from enforcer.gateway.notify import ServiceManager
from enforcer.gateway.readiness import Readiness
from enforcer.gateway.reloading import Reloading, Reloads
from enforcer.gateway.ruleset import marks, quieting, removal
from enforcer.gateway.sets import exempt, unconditional
from enforcer.gateway.signals import handled
from enforcer.gateway.stance import Stance
from enforcer.gateway.status import sources
from enforcer.gateway.watch import LOOK, Watch
from enforcer.gateway.worker import Worker
from enforcer.lists import Lists
from enforcer.log_events import named
from enforcer.observe.audit import AuditLog
from enforcer.observe.http import Endpoint
from enforcer.observe.metrics import DecisionCounts, registry_of
from enforcer.observe.recent import KEPT, RecentRefusals
from enforcer.observe.refusals import RefusalLog
from enforcer.policy import Decision, Policy
from enforcer.registry.model import Network
from enforcer.registry.standing import listed
from enforcer.shadow.keeper import Shadow

log = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between two looks at what changes by the clock, and between two batches for the kernel's sets."""

FORGOTTEN_AT_ONCE = 4096
"""Flows of either kind forgotten in one look: some milliseconds' work."""

SWITCH = 0.001
"""Seconds a thread that loads a list may hold the interpreter while verdicts wait."""


class StartError(Exception):
    """The daemon cannot start on this machine; the message says why and what to do."""


class Daemon:
    """One gateway. ``run`` returns after SIGTERM or SIGINT, with the kernel as it was before."""

    def __init__(self, path: Path, config: Config, lists: Lists, lenient: bool, watch: Watch) -> None:
        """``watch`` was begun before the lists were loaded: what was written meanwhile is loaded too."""
        now = time.time()
        self.started = now
        self.config = config
        self.lists = lists
        self.exemptions = remembered(config.exempt, config.exempt.memory, now)
        self.decisions = DecisionCounts()
        self.recent = RecentRefusals()
        self.reloads = Reloads()
        self.audit = AuditLog(config.audit.file)
        self.follower = SessionFollower(config)
        self.keeper: ExemptKeeper | None = None
        self._refusals = RefusalLog()
        self.listed = listed(lists.registry, now, float(config.registry.grace))
        self.mailbox = Mailbox()
        self.shadow = Shadow(config.shadow, now, self.mailbox.post)
        self.reloading = Reloading(self, path, lenient, watch)
        self.stopping = False
        self.turned: float | None = None
        """When the loop that gives the verdicts last turned, by the monotonic clock; None before it begins."""
        self._hung_up = False
        self._stance = Stance()
        self.manager = ServiceManager()
        self._exempt_changed = False
        self._next_look = 0.0
        self._use_file(lists, now)
        # Only to their favour: who began a session while this daemon was away was not heard, and somebody else's
        # limited registration would be held against them.
        self.follower.restore(self.listed.tags, now)
        self._engine = Engine(self._policy())
        self.worker = Worker(self._engine, marks(config.gateway.mark_mask), InterfaceNames(), self._observe)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._engine.policy

    @property
    def flows(self) -> tuple[int, int]:
        """Flows remembered: candidates, and proven ones."""
        return self._engine.flows

    def run(self) -> None:
        """Install, give verdicts until told to stop, remove.

        Raises StartError, QueueError, RadiusError, ControlError or CommandError when it cannot start; then
        nothing is left behind.
        """
        switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        with contextlib.ExitStack() as stack:
            stack.callback(sys.setswitchinterval, switch)
            stack.callback(self.mailbox.close)
            stack.callback(self._refusals.close)
            stack.callback(self.manager.close)
            queues = [stack.enter_context(contextlib.closing(queue)) for queue in self._bind()]
            clear(queues)
            self._serve_metrics(stack)
            stack.callback(self._close_sessions)
            self.shadow.start(time.monotonic())
            stack.callback(lambda: self.shadow.stop(time.time()))
            self.follower.start(self.lists.radius, self.lists.store)
            self._listen_to_control(stack)
            stack.enter_context(handled(self.mailbox.wakeup, self._stop, self._hang_up))
            self.installation = Installation(detect(self.config))
            self.kernel = KernelWriter(self.installation)
            now = time.time()
            # At the end nothing is queued any more, what was gets its verdict, and the rules go: nobody waits for
            # the rest.
            stack.callback(self._stop_resolving, wait=True)
            self.kernel.start(self.config, self.registered(now), exempt(self.exemptions))
            stack.callback(self._remove)
            for queue in queues:
                stack.callback(queue.drain)
            stack.callback(self.kernel.quiet)
            self.reloading.loader.keep(self.config, self.lists.registry)
            self._start_resolving()
            self._stance.report(self.config, self.policy, now)
            self._spare_collections()
            log.info(
                "enforcer %s ready: mode %s",
                __version__,
                self.config.mode,
                extra=named("ready", version=__version__, mode=self.config.mode),
            )
            self.manager.ready(self.summary(now))
            self.follower.breathe = lambda: _handle(queues)
            self._loop(queues)
            log.info("stopping", extra=named("stopping"))
            self.manager.stopping()

    def _spare_collections(self) -> None:
        # A full collection looks at every session and entry: of a million, verdicts would wait for a second. What
        # holds them frees itself.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], 1_000_000)

    def _bind(self) -> Iterator[Queue]:
        gateway = self.config.gateway
        for number in range(gateway.queue, gateway.queue + gateway.queues):
            yield Queue(number, gateway.queue_length, self.worker.handle)

    def _serve_metrics(self, stack: contextlib.ExitStack) -> None:
        listen = self.config.metrics.listen
        if listen is None:
            return
        host, port = split_listen(listen)
        readiness = Readiness(self)
        registry = registry_of(sources(self, readiness))
        try:
            endpoint = Endpoint(host, port, registry, readiness.unhealthy, readiness.unready)
        except OSError as error:
            raise StartError(
                f"metrics.listen {listen}: {error.strerror}; is another enforcer running? "
                "(name another address:port, or null for none)"
            ) from None
        stack.callback(endpoint.stop)

    def _listen_to_control(self, stack: contextlib.ExitStack) -> None:
        control = self.config.control
        if control.socket is not None:
            server = ControlServer(control.socket, control.group, self._asked)
            stack.callback(server.close)

    def _stop(self) -> None:
        self.stopping = True

    def _hang_up(self) -> None:
        self._hung_up = True

    def _loop(self, queues: list[Queue]) -> None:
        with selectors.DefaultSelector() as selector:
            for queue in queues:
                selector.register(queue, selectors.EVENT_READ, queue.handle)
            selector.register(self.mailbox, selectors.EVENT_READ, self._woken)
            if self.follower.radius is not None:
                selector.register(self.follower.radius, selectors.EVENT_READ, self.follower.take_accounting)
            if self.follower.store is not None:
                selector.register(self.follower.store, selectors.EVENT_READ, self.follower.take_shared)
            next_tick = time.monotonic() + TICK
            while not self.stopping:
                self.turned = time.monotonic()
                for key, _ in selector.select(max(0.0, next_tick - time.monotonic())):
                    handle: Callable[[], None] = key.data
                    handle()
                if self._hung_up:
                    self._hung_up = False
                    self.reloading.request("SIGHUP")
                if time.monotonic() >= next_tick:
                    next_tick = time.monotonic() + TICK
                    self._tick()
                self.reloading.begin()

    def _woken(self) -> None:
        self.mailbox.empty()
        if self.keeper is not None and self.keeper.take(time.time()):
            # With the next tick: names are resolved by the thousand, and many bring something.
            self._exempt_changed = True

    def _tick(self) -> None:
        now = time.time()
        self._refusals.flush()
        self.follower.tick(now)
        self.follower.save(self.listed.holders, now, wait=False)
        self._follow_sessions(now)
        if self._exempt_changed:
            self._exempt_changed = False
            self.kernel.post(Exempt(frozenset(exempt(self.exemptions))))
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK
            self.reloading.look()
            self.recent.expire(time.monotonic())
            self._engine.expire(now, FORGOTTEN_AT_ONCE)
        self.reloading.reconsider(now)
        self.shadow.tick(now, time.monotonic(), self.policy)
        self._stance.report(self.config, self.policy, now)
        self.manager.turn(self.summary(now))

    def _asked(self, request: Request, asker: Asker) -> Future[Answer]:
        """Called in the control socket's thread; answered in the loop's."""
        future: Future[Answer] = Future()

        def work() -> None:
            try:
                found = answer(self, request, asker, time.time())
            except Exception as error:
                future.set_exception(error)
                return
            if isinstance(found, Future):
                found.add_done_callback(lambda done: future.set_result(done.result()))
            else:
                future.set_result(found)

        self.mailbox.post(work)
        return future

    def summary(self, now: float) -> str:
        """One line of how things stand at ``now``, epoch seconds."""
        return self._stance.summary(self.config, self.policy, now)

    def judge_anew(self, now: float) -> None:
        """Judge by what config, lists and exemptions are since now."""
        self._use_file(self.lists, now)
        self.shadow.reconfigure(self.config.shadow)
        self._engine.policy = self._policy()

    def took_effect(self, before: Config, now: float) -> None:
        """The kernel has what config and lists are since a reload; ``before`` was the configuration until then."""
        self.audit = AuditLog(self.config.audit.file)
        if self.config.exempt != before.exempt:
            self._stop_resolving()
            self._start_resolving()
        self._stance.say_again()
        self._stance.report(self.config, self.policy, now)

    def registered(self, now: float) -> Set[Network]:
        """What the kernel lets pass: networks registered without conditions, by address or by session."""
        return self.listed.networks | self.follower.networks_of(self.listed.tags, now)

    def _follow_sessions(self, now: float) -> None:
        """Bring the kernel's sets after the sessions that changed: whoever is registered without conditions."""
        changed = self.follower.take_changed()
        if not changed:
            return
        grace = float(self.config.registry.grace)
        add: set[Network] = set()
        remove: set[Network] = set()
        occupied: set[Network] = set()
        for network in changed:
            tag = self.follower.table.holder(network.network_address.packed, now).tag
            if tag is not None:
                occupied.add(network)
            held = tag is not None and unconditional(self.lists.registry.match_tag(tag), now, grace)
            (add if held or network in self.listed.networks else remove).add(network)
        # Who was rejected a moment ago may be somebody else by now.
        clock = time.monotonic()
        forget = hold_any(changed, self.recent.addresses(clock - self.config.gateway.remember_rejected))
        if occupied:
            self.recent.forget(list(held_by(occupied, self.recent.addresses(clock - KEPT))))
        self.kernel.post(Change(frozenset(add), frozenset(remove), forget))

    def _use_file(self, lists: Lists, now: float) -> None:
        if self.config.sessions.file is not None:
            self.follower.replace_all(lists.sessions, now)

    def _policy(self) -> Policy:
        return Policy(self.config, self.lists.registry, self.follower, self.exemptions, True, self.shadow)

    def _observe(self, decision: Decision) -> None:
        self.decisions(decision)
        self._refusals(decision)
        self.recent.add(decision, time.time(), time.monotonic())
        self.shadow.observe(decision)

    def _start_resolving(self) -> None:
        self.keeper = ExemptKeeper(
            self.config.exempt, self.config.exempt.memory, self.exemptions, self.mailbox.wake
        )
        self.keeper.start()

    def _stop_resolving(self, wait: bool = False) -> None:
        if self.keeper is not None:
            self.keeper.stop(wait)
            self.keeper = None

    def _close_sessions(self) -> None:
        self.follower.save(self.listed.holders, time.time(), wait=True)
        self.follower.close()

    def _remove(self) -> None:
        self.kernel.remove()
        log.info("removed everything from the kernel", extra=named("stopped"))


def clear(queues: list[Queue]) -> None:
    """Take out the table that a killed daemon left, once what it queued since we are bound has its verdict."""
    with contextlib.suppress(nft.CommandError):
        nft.load(quieting())
        for queue in queues:
            queue.drain()
        nft.load(removal())


def _handle(queues: list[Queue]) -> None:
    for queue in queues:
        queue.handle()


def hold_any(networks: Iterable[Network], addresses: Iterable[bytes]) -> bool:
    """Whether one of the networks holds one of the addresses, each 4 or 16 bytes."""
    return next(held_by(networks, addresses), None) is not None


def held_by(networks: Iterable[Network], addresses: Iterable[bytes]) -> Iterator[bytes]:
    """Those of the addresses (4 or 16 bytes) that the networks hold: thousands of both in no time."""
    prefixes: dict[tuple[int, int], set[int]] = {}
    for network in networks:
        bits = network.max_prefixlen
        shift = bits - network.prefixlen
        prefixes.setdefault((bits, shift), set()).add(int(network.network_address) >> shift)
    return (
        address
        for address in addresses
        if any(
            bits == len(address) * 8 and int.from_bytes(address) >> shift in starts
            for (bits, shift), starts in prefixes.items()
        )
    )

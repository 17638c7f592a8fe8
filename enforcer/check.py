"""`enforcer check`: everything that is wrong or doubtful, found without changing anything."""

from __future__ import annotations

import grp
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from enforcer.config import Config
from enforcer.exemptions import Exemptions
from enforcer.fingerprints.detection import Family
from enforcer.gateway import nft, preflight
from enforcer.gateway.backend import detect
from enforcer.gateway.exempt_keeper import remembered
from enforcer.gateway.own_addresses import own_addresses
from enforcer.gateway.resolver import Lookup
from enforcer.gateway.ruleset import Backend, table
from enforcer.gateway.sets import statements
from enforcer.lists import ListError, Lists, load_lists
from enforcer.policy import AHEAD
from enforcer.registry.model import Status
from enforcer.shadow.coverage import Recorded, progress
from enforcer.shadow.store import Store, StoreError
from enforcer.subscribers.claims import SessionState

SOCKET_PATH = 107
"""Bytes the kernel takes as the path of a socket (unix(7))."""

RESOLVING = 10.0
"""Seconds `check` spends on resolving exempt names at most."""


@dataclass(slots=True)
class Report:
    """What was found: problems (exit code 1), warnings, facts worth reading, and the families that are refused."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    enforced: tuple[Family, ...] = ()


def check(path: Path, config: Config, lenient: bool) -> Report:
    """Validate the lists, the exemptions and the ruleset of a valid configuration, read from ``path``."""
    report = Report()
    now = time.time()
    lists = _lists(path, config, lenient, now, report)
    _lines(config, report)
    _control(config, report)
    _shadow(config, report)
    # Own names only are asked here; what the daemon learnt of them and of the world's others is in its memory.
    exemptions = remembered(config.exempt, config.exempt.memory, now, aside=False)
    _resolve(config, exemptions, report)
    _kernel(config, lists, exemptions, now, report)
    return report


def _lists(path: Path, config: Config, lenient: bool, now: float, report: Report) -> Lists | None:
    try:
        lists = load_lists(config, lenient, now, path)
    except ListError as error:
        report.problems.extend(str(problem) for problem in error.problems)
        report.warnings.extend(str(notice) for notice in error.notices)
        return None
    report.warnings.extend(str(notice) for notice in lists.notices)
    report.warnings.extend(f"{problem} (row left out: --lenient)" for problem in lists.problems)
    if config.sessions.file is not None:
        _sessions(config, lists, now, report)
    if not config.registry.files:
        report.warnings.append("registry.files is empty: without a list nobody is ever refused")
        return lists
    for address in own_addresses():
        for entry in lists.registry.match_address(address):
            if entry.network is not None and entry.network.prefixlen == entry.network.max_prefixlen:
                report.warnings.append(
                    f"{entry.source}: address: {entry.network} is this gateway's own, so no subscriber's"
                )
    census = lists.registry.census(now, float(config.registry.grace))
    counted = ", ".join(f"{count} {status}" for status, count in census.items() if count)
    report.facts.append(f"{len(lists.registry)} registrations: {counted}")
    if census[Status.GRACE]:
        report.warnings.append(
            f"{census[Status.GRACE]} registrations have ended and count for their grace period only"
        )
    if lists.registry.as_of is not None and now - lists.registry.as_of > config.registry.max_age:
        report.warnings.append("the list is older than registry.max_age: nobody is refused")
    if lists.registry.as_of is not None and lists.registry.as_of - now > AHEAD:
        report.warnings.append(
            "the list was written in the future, by this machine's clock: nobody is refused; set the clock, or "
            "the files' times"
        )
    if config.registry.memory is None:
        report.warnings.append(
            "registry.memory is not set: an entry that vanishes from the list loses its grace period at a restart"
        )
    return lists


def _sessions(config: Config, lists: Lists, now: float, report: Report) -> None:
    held = len(lists.sessions)
    lists.sessions.expire(now, held)
    live = lists.sessions.census()[SessionState.LIVE]
    report.facts.append(f"{held} sessions, {live} of them live and with a number")
    if held and not live:
        report.warnings.append(
            f"no session of {config.sessions.file} is live (sessions.ttl): nobody on a line of class mobile is "
            "ever refused, and a registered number frees no address"
        )


def _lines(config: Config, report: Report) -> None:
    if not config.lines:
        report.warnings.append("lines is empty: no line has a registration route, so nobody is ever refused")
    sources = (config.sessions.file, config.sessions.store, config.radius.clients or None)
    if any(line.kind == "mobile" for line in config.lines) and not any(sources):
        report.warnings.append(
            "neither radius.clients, sessions.store nor sessions.file is set: nobody on a line of class mobile is "
            "ever refused"
        )
    if config.mode == "enforce" and not config.enforce:
        report.warnings.append("mode is enforce, but enforce names no family: nothing is refused")


def _control(config: Config, report: Report) -> None:
    socket, group = config.control.socket, config.control.group
    if socket is not None and len(os.fsencode(socket)) > SOCKET_PATH:
        report.problems.append(f"control.socket {socket}: the path is longer than {SOCKET_PATH} bytes; shorten it")
    if group is not None:
        try:
            grp.getgrnam(group)
        except KeyError:
            report.problems.append(f"control.group: there is no group {group!r} on this machine: groupadd {group}")
    audit = config.audit.file
    if audit is not None and audit.is_dir():
        report.problems.append(f"audit.file {audit}: is a directory; name a file in it")
    elif audit is not None and not audit.parent.is_dir():
        report.problems.append(
            f"audit.file {audit}: there is no folder {audit.parent}: mkdir -p -m 700 {audit.parent}"
        )


def _shadow(config: Config, report: Report) -> None:
    shadow = config.shadow
    named = tuple(dict.fromkeys(config.enforce)) if config.mode == "enforce" else ()
    recorded = Recorded()
    if shadow.file is None:
        if named and shadow.period:
            report.problems.append(
                "shadow.file is not set: no shadow time is recorded, so what enforce names is never refused; name "
                "a file (shadow: {file: /var/lib/enforcer/shadow.sqlite}), or refuse without having watched "
                "(shadow: {period: 0s})"
            )
        elif shadow.period:
            report.warnings.append(
                "shadow.file is not set: there is nothing for `enforcer report` to read, and no time is recorded "
                "towards shadow.period, before which nothing is refused"
            )
    elif not shadow.file.parent.is_dir():
        folder = shadow.file.parent
        report.problems.append(f"shadow.file {shadow.file}: there is no folder {folder}: mkdir -p -m 700 {folder}")
    else:
        try:
            recorded = Store(shadow.file).recorded()
        except StoreError as error:
            report.warnings.append(f"{shadow.file}: {error}; without it no shadow time counts as recorded")
    report.enforced = tuple(each for each in named if recorded.suffices(each, shadow.period))
    for family in named:
        if shadow.file is not None and family not in report.enforced:
            report.warnings.append(
                f"{family} is not refused yet: {progress(shadow, recorded.shadowed(family))} (shadow.period); "
                "read what refusing it will do: enforcer report"
            )


def _resolve(config: Config, exemptions: Exemptions, report: Report) -> None:
    if not exemptions.names:
        if Family.IPSEC in config.enforce:
            report.problems.append(
                "enforce names ipsec, but exempt.wifi_calling names no mobile network: IPsec carries Wi-Fi "
                "calling, emergency calls among it, and stays in monitor until its ePDG names are known"
            )
        return
    lookup = Lookup(config.exempt.resolvers)
    deadline = time.monotonic() + RESOLVING
    unanswered: list[str] = []
    # Of the derived names many have no address, for not every network has every service.
    written = {*config.exempt.names, *config.exempt.wifi_calling.names}
    for name in exemptions.names:
        if time.monotonic() > deadline:
            unanswered.append(f"{name}: not asked within {RESOLVING:.0f} s")
            continue
        found = lookup.find(name)
        exemptions.answer(name, found.addresses, time.time(), complete=found.failure is None)
        if found.failure is not None:
            unanswered.append(found.failure)
        elif not found.addresses and name in written:
            unanswered.append(f"{name}: it has no address: is it misspelt?")
    report.facts.append(f"{len(exemptions.names)} exempt names, {len(exemptions.addresses)} addresses")
    report.warnings.extend(f"exempt name without an answer: {text}" for text in unanswered)
    missing = exemptions.wifi_calling_missing(time.time())
    if Family.IPSEC in config.enforce and missing is not None:
        report.problems.append(
            f"enforce names ipsec, but Wi-Fi calling is not known ({missing}): it stays in monitor"
        )


def _kernel(config: Config, lists: Lists | None, exemptions: Exemptions, now: float, report: Report) -> None:
    if not preflight.may_administer_the_network():
        report.warnings.append("not root: the ruleset was not tried against the kernel")
        return
    obstacles = list(preflight.obstacles(config))
    report.problems.extend(obstacles)
    report.warnings.extend(preflight.warnings(config))
    if obstacles:
        return
    try:
        backend = detect(config)
        contents = ""
        if lists is not None:
            contents = statements(config, lists, exemptions, now)
        nft.check(table(config, backend) + contents)
    except nft.CommandError as error:
        report.problems.append(f"the kernel refuses the ruleset: {error}")
    else:
        how = "its own queue statement" if backend is Backend.NATIVE else "a paired iptables rule"
        report.facts.append(f"the kernel takes the ruleset, queueing by {how}")

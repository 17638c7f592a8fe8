"""What the running daemon answers on its control socket: status, explain, reload."""

from __future__ import annotations

import time
from concurrent.futures import Future
from ipaddress import ip_address
from typing import TYPE_CHECKING

from enforcer import __version__
from enforcer.explain import Clock, Source, explain_address, explain_number, span
from enforcer.explanation import GatewayFacts, RecentRefusal
from enforcer.fingerprints.detection import Family
from enforcer.gateway.control import Answer, Asker, Request
from enforcer.observe.recent import KEPT
from enforcer.reasons import HELD_BACK, REASONS
from enforcer.shadow.coverage import progress
from enforcer.subscribers.number import normalise
from enforcer.subscribers.radius.codec import Outcome
from enforcer.subscribers.radius.process import RadiusProcess

if TYPE_CHECKING:
    from enforcer.gateway.daemon import Daemon


def answer(daemon: Daemon, request: Request, asker: Asker, now: float) -> Answer | Future[Answer]:
    """The answer to a request at ``now``, epoch seconds; a future where it takes time."""
    match request:
        case {"what": "status"}:
            return {"lines": _status(daemon, now)}
        case {"what": "reload"}:
            return daemon.reloading.request(f"{asker.name} (enforcer reload)")
        case {"what": "explain", "address": str(address)}:
            return _explain_address(daemon, address, request.get("protocol"), asker, now)
        case {"what": "explain", "number": str(number)}:
            return _explain_number(daemon, number, asker, now)
    return {"error": "not a question this daemon knows: is the command of another version?"}


def _explain_address(daemon: Daemon, text: str, protocol: object, asker: Asker, now: float) -> Answer:
    try:
        address = ip_address(text).packed
        families = list(Family) if protocol is None else [Family(str(protocol))]
    except ValueError as error:
        return {"error": str(error)}
    daemon.audit.asked(now, asker.name, asker.uid, {"address": text})
    clock = Clock(daemon.config)
    monotonic = time.monotonic()
    recent = [
        RecentRefusal(
            at=clock.at(refusal.at),
            seconds_ago=round(monotonic - refusal.clock),
            protocol=refusal.family,
            variant=refusal.variant,
            reason=refusal.reason,
            meaning=REASONS[refusal.reason].meaning,
        )
        for refusal in daemon.recent.of(address, monotonic)
    ]
    gateway = GatewayFacts(
        mode=daemon.config.mode,
        started_at=clock.at(daemon.started),
        remembers_since=clock.at(max(daemon.started, now - KEPT)),
    )
    told = explain_address(daemon.policy, address, families, now, Source(gateway, recent))
    return {"explanation": told.model_dump(mode="json", by_alias=True)}


def _explain_number(daemon: Daemon, text: str, asker: Asker, now: float) -> Answer:
    tagger = daemon.lists.tagger
    if tagger is None:
        return {"error": "numbers.key_file is not set: without it no number can be looked up"}
    try:
        number = normalise(text, daemon.config.numbers.region)
    except ValueError as error:
        return {"error": str(error)}
    entries = daemon.lists.registry.match_tag(tagger.tag(number))
    ids = [entry.id for entry in entries]
    daemon.audit.asked(now, asker.name, asker.uid, {"number_of": ids})
    told = explain_number(daemon.config, entries, now, not_asked=None)
    return {"explanation": told.model_dump(mode="json", by_alias=True)}


def _status(daemon: Daemon, now: float) -> list[tuple[str, str]]:
    config, registry = daemon.config, daemon.lists.registry
    lines = [
        ("version", __version__),
        ("up for", span(now - daemon.started)),
        ("mode", config.mode),
    ]
    for family in Family:
        held_back = daemon.policy.held_back(family, now)
        stance = "enforced" if held_back is None else f"not enforced: {HELD_BACK[held_back].meaning}"
        lines.append((str(family), stance))
    lines.append(("shadow", _shadow(daemon)))
    missing = daemon.exemptions.wifi_calling_missing(now)
    lines.append(("Wi-Fi calling", f"not known: {missing}" if missing else "known"))
    census = registry.census(now, float(config.registry.grace))
    counted = ", ".join(f"{count} {status}" for status, count in census.items() if count)
    age = (
        "no list loaded"
        if registry.as_of is None
        else f"{counted or 'no entry'}; {span(now - registry.as_of)} old"
    )
    lines.append(("list", age))
    table = daemon.follower.table
    states = ", ".join(f"{count} {state}" for state, count in table.census().items() if count)
    lines.append(("sessions", states or "none"))
    radius = daemon.follower.radius
    lines.append(("accounting", _radius(radius)))
    store = daemon.follower.store
    if store is not None:
        state = store.state
        lines.append(("store", "connected" if state.connected else f"NOT CONNECTED: {state.failure}"))
    lines.append(("judged", f"{daemon.worker.packets} packets, {daemon.worker.errors} errors"))
    lines.append(("last reload", "in force" if daemon.reloads.successful else "refused: see the log"))
    return lines


def _shadow(daemon: Daemon) -> str:
    shadow, config = daemon.shadow, daemon.config.shadow
    if not config.period:
        return "no shadow period is asked for"
    if config.file is None:
        return f"NOTHING IS RECORDED: {progress(config, 0.0)}"
    waiting = [
        f"{family} {progress(config, shadow.shadowed(family))}"
        for family in Family
        if not daemon.policy.shadow_suffices(family)
    ]
    return "; ".join(waiting) or "complete for every family; read it with: enforcer report"


def _radius(radius: RadiusProcess | None) -> str:
    if radius is None:
        return "not configured"
    counts = dict(radius.counts)
    total = sum(count for (_, what), count in counts.items() if what in set(Outcome))
    taken = sum(count for (_, what), count in counts.items() if what == Outcome.ACCEPTED)
    return f"{'listening' if radius.running else 'NOT RUNNING'}, {total} datagrams, {taken} taken in"

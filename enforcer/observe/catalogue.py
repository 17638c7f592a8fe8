"""Every metric of the daemon. Base units, ``_total`` on counters, bounded labels, and nothing of a subscriber.

The help says what to do where something can be done. docs/metrics.md is made from this.
"""

from __future__ import annotations

from enforcer.fingerprints.detection import Family
from enforcer.gateway.ruleset import OUTCOMES, SEEN
from enforcer.observe.definition import Definition, counter, gauge, histogram
from enforcer.policy import HeldBack, Reason
from enforcer.registry.model import Status
from enforcer.subscribers.claims import SessionState
from enforcer.subscribers.radius.codec import Flaw, Outcome

PROTOCOL = {"protocol": ", ".join(Family)}
QUEUE = {"queue": "the queue's number"}
WHOSE = {"whose": "own: names the operator configured; others: those of the world's other mobile networks"}

ACTIONS = {
    "accept": "passed",
    "reject": "refused",
    "would_reject": "passed, but only because of the mode, the families named, or what holds enforcement back",
}

BUILD_INFO = gauge("enforcer_build_info", "The version that runs; always 1.", {"version": "the version's number"})
READY = gauge(
    "enforcer_ready",
    "1 while the gateway decides: queues bound, rules in the kernel, verdict loop turning. At 0 every tunnel "
    "passes: /readyz says why.",
)
LOOP_LAG = gauge(
    "enforcer_loop_lag_seconds",
    "Seconds since the loop that gives the verdicts last turned; above some seconds it is stuck, packets wait, "
    "and then pass. If it does not recover, restart the daemon and report its log.",
)

DECISIONS = counter(
    "enforcer_decisions",
    "Decisions of user space on packets in which a family was found. would_reject: accepted only because of the "
    "mode or the families named. The reasons and what to do about each: docs/reason-codes.md.",
    {
        **PROTOCOL,
        "action": "; ".join(f"{action}: {meaning}" for action, meaning in ACTIONS.items()),
        "reason": ", ".join(Reason),
    },
)
JUDGED = counter("enforcer_judged_packets", "Packets user space gave a verdict on.")
UNRECOGNISED = counter(
    "enforcer_unrecognised_packets",
    "Packets the kernel's sieve let through in which user space found no family; accepted. A few are normal.",
)
JUDGING_ERRORS = counter(
    "enforcer_judging_errors", "Packets accepted because judging them failed. Any is a bug: report the log."
)
VERDICT_SECONDS = histogram(
    "enforcer_verdict_seconds",
    "Time from taking a packet off the queue to its verdict. If it grows, look at the CPU and at what else the "
    "machine does.",
)
FLOWS = gauge(
    "enforcer_flows",
    "Flows whose handshake is remembered: proven, or candidate (waiting for the peer's answer). Very many "
    "candidates are a flood of half-open handshakes; the oldest are forgotten, which harms nobody.",
    {"standing": "candidate, proven"},
)

HANDSHAKES = counter(
    "enforcer_kernel_handshake_packets",
    "Handshake-shaped packets by what the kernel did with them. queued ones went to user space, or passed if it "
    "could not take them (see enforcer_unjudged_packets_total). Starts anew when the rules are loaded anew.",
    {**PROTOCOL, "outcome": ", ".join(OUTCOMES)},
)
SEEN_PACKETS = counter(
    "enforcer_kernel_seen_packets",
    "Packets of a family's data shape, counted and never acted on.",
    {"kind": ", ".join(SEEN)},
)
QUEUE_PACKETS = gauge(
    "enforcer_queue_packets",
    "Packets that wait for a verdict. Near enforcer_queue_length_packets, look at the CPU: what does not fit "
    "passes.",
    QUEUE,
)
QUEUE_LENGTH = gauge("enforcer_queue_length_packets", "Packets one queue holds (gateway.queue_length).")
QUEUE_DROPPED = counter(
    "enforcer_queue_dropped_packets",
    "Packets the kernel dropped instead of queueing. Must stay 0, for queues fail open; if not, stop the daemon "
    "(everything then passes) and report it.",
    {**QUEUE, "where": "kernel: the queue had no room; user: the socket had none"},
)
UNJUDGED = counter(
    "enforcer_unjudged_packets",
    "Handshake-shaped packets that passed without a verdict, as far as the kernel's counters tell. A burst of "
    "handshakes does that; if it lasts, raise gateway.queue_length or look at the CPU.",
    {
        "why": "not_queued: the queue was full, or another program's rules took the packet first; "
        "not_delivered: the socket's buffer was full"
    },
)
KERNEL_WRITE_FAILURES = counter(
    "enforcer_kernel_write_failures",
    "Changes of rules or sets that the kernel refused; everything is written anew soon after. The log has the "
    "kernel's words.",
)
KERNEL_REPAIRS = counter(
    "enforcer_kernel_repairs",
    "What was put right in the kernel because another program had changed it. If it goes on, find that program: "
    "often a firewall's script that flushes every table.",
    {
        "what": "rules: the table was put back; elements: addresses that were missing or too many (prefixes of a "
        "kind count as one)"
    },
)

ENFORCING = gauge("enforcer_enforcing", "1 when unregistered tunnels of the protocol are refused now.", PROTOCOL)
HELD_BACK = gauge(
    "enforcer_held_back",
    "1 for what keeps unregistered tunnels of the protocol from being refused now.",
    {**PROTOCOL, "why": ", ".join(HeldBack)},
)
SHADOW_RECORDED = gauge(
    "enforcer_shadow_recorded_seconds",
    "Time for which the family was watched before anybody of it is refused, as far as it is on disk.",
    PROTOCOL,
)
SHADOW_PERIOD = gauge(
    "enforcer_shadow_period_seconds",
    "What shadow.period says: how much of enforcer_shadow_recorded_seconds a family needs before it is refused.",
)
WIFI_CALLING_KNOWN = gauge(
    "enforcer_wifi_calling_known",
    "1 when the Wi-Fi calling exemptions, emergency names included, are configured and resolved. While 0, IPsec "
    "is only monitored: `enforcer status` says what is missing.",
)
EXEMPT_ADDRESSES = gauge(
    "enforcer_exempt_addresses", "Addresses left alone because an exempt name resolved to them."
)
EXEMPT_NAMES = gauge("enforcer_exempt_names", "Names to resolve.", WHOSE)
EXEMPT_NAMES_ANSWERED = gauge(
    "enforcer_exempt_names_answered", "Names with a definite answer, be it that they do not exist.", WHOSE
)
EXEMPT_NAMES_RESOLVED = gauge(
    "enforcer_exempt_names_resolved", "Names that have addresses, be they from an earlier answer.", WHOSE
)
EXEMPT_OLDEST_ANSWER = gauge(
    "enforcer_exempt_oldest_answer_age_seconds",
    "Age of the oldest among the names' last definite answers. An own one older than 7 days counts as unknown.",
    WHOSE,
)
EXEMPT_NAMES_REFUSED = gauge(
    "enforcer_exempt_names_refused",
    "Names in whose last answer were addresses not believed (private, too many). See the log, and the resolver.",
)
EXEMPT_QUESTIONS = counter("enforcer_exempt_questions", "DNS questions asked for exempt names.")
EXEMPT_LOOKUP_FAILURES = counter(
    "enforcer_exempt_lookup_failures", "Lookups without a definite answer; the name keeps its last addresses."
)
EXEMPT_OUTAGE = gauge("enforcer_exempt_outage", "1 while no DNS server answers: look at exempt.resolvers.")

REGISTRY_ENTRIES = gauge(
    "enforcer_registry_entries",
    "Registrations by how they stand. Those in grace have expired or vanished, and need renewing.",
    {"status": ", ".join(Status)},
)
REGISTRY_EXPIRING = gauge(
    "enforcer_registry_expiring_entries",
    "Registrations that change within so many days: current ones expire, those in grace cease to count. Remind "
    "their holders by public notice.",
    {"status": f"{Status.CURRENT}, {Status.GRACE}", "days": "1, 7, 30: within so many days"},
)
REGISTRY_AGE = gauge(
    "enforcer_registry_age_seconds",
    "Age of the oldest list file. Above enforcer_registry_max_age_seconds nobody is refused: deliver the list. "
    "Below 0 the machine's clock is behind: from an hour on nobody is refused.",
)
REGISTRY_MAX_AGE = gauge("enforcer_registry_max_age_seconds", "What registry.max_age says.")

SESSIONS = gauge(
    "enforcer_sessions",
    "Sessions by how they stand; only live ones identify anybody.",
    {"state": ", ".join(SessionState)},
)
RADIUS_LISTENING = gauge(
    "enforcer_radius_listening", "0 while the process that receives accounting is not running; it is started anew."
)
RADIUS_DATAGRAMS = counter(
    "enforcer_radius_datagrams",
    "Accounting by access server and result. bad_authenticator is a wrong secret; unknown_client is missing from "
    "radius.clients, and is never answered.",
    {"client": "names of radius.clients; unknown for all others", "result": ", ".join(Outcome)},
)
RADIUS_FLAWS = counter(
    "enforcer_radius_flaws",
    "What accepted accounting lacked; without a number or an address it identifies nobody: mend the access "
    "server.",
    {"client": "names of radius.clients", "flaw": ", ".join(Flaw)},
)
RADIUS_RESTARTS = counter(
    "enforcer_radius_restarts",
    "Times the process that receives accounting died and was started again: see the log.",
)
STORE_CONNECTED = gauge(
    "enforcer_store_connected",
    "0 while the shared store cannot be reached; after a minute no session proves anything against anybody.",
)
STORE_CURRENT = gauge(
    "enforcer_store_current_timestamp_seconds", "When this gateway last knew all that the store did (Unix time)."
)
STORE_WAITING = gauge("enforcer_store_waiting_events", "Events that wait to be sent to the shared store.")
STORE_EVENTS = counter(
    "enforcer_store_events",
    "Events by what became of them. dropped: the queue was full while the store was away; unreadable: sealed with "
    "another key than ours, give every gateway the same.",
    {"what": "sent, received, dropped, unreadable, offered (again, to a store that may have lost them)"},
)
STORE_RESYNCS = counter("enforcer_store_resyncs", "Times every record was read from the store, after a gap.")

RELOAD_SUCCESSFUL = gauge(
    "enforcer_config_last_reload_successful",
    "0 when the last reload was refused and what was in force before goes on: see the log, or run "
    "`enforcer check`.",
)
RELOAD_TIMESTAMP = gauge(
    "enforcer_config_last_reload_success_timestamp_seconds",
    "When configuration and lists last took effect (Unix time).",
)
RELOADS = counter(
    "enforcer_config_reloads", "Reloads by result; the start counts as none.", {"result": "success, failure"}
)
SOURCE_FAILED = gauge(
    "enforcer_scrape_source_failed",
    "1 when a source of metrics could not be read at this scrape, and its metrics are missing: see the log for "
    "why.",
    {
        "source": "build, readiness, decisions, flows, worker, kernel, enforcement, exemptions, registry, "
        "sessions, reloads"
    },
)

SECTIONS: dict[str, tuple[Definition, ...]] = {
    "Is it well?": (BUILD_INFO, READY, LOOP_LAG, RELOAD_SUCCESSFUL, RELOAD_TIMESTAMP, RELOADS, SOURCE_FAILED),
    "Decisions": (DECISIONS, JUDGED, UNRECOGNISED, JUDGING_ERRORS, VERDICT_SECONDS, FLOWS),
    "Kernel": (
        HANDSHAKES, SEEN_PACKETS, QUEUE_PACKETS, QUEUE_LENGTH, QUEUE_DROPPED, UNJUDGED, KERNEL_WRITE_FAILURES,
        KERNEL_REPAIRS,
    ),
    "Enforcement and exemptions": (
        ENFORCING, HELD_BACK, SHADOW_RECORDED, SHADOW_PERIOD, WIFI_CALLING_KNOWN,
        EXEMPT_ADDRESSES, EXEMPT_NAMES, EXEMPT_NAMES_ANSWERED,
        EXEMPT_NAMES_RESOLVED, EXEMPT_OLDEST_ANSWER, EXEMPT_NAMES_REFUSED, EXEMPT_QUESTIONS,
        EXEMPT_LOOKUP_FAILURES, EXEMPT_OUTAGE,
    ),
    "List": (REGISTRY_ENTRIES, REGISTRY_EXPIRING, REGISTRY_AGE, REGISTRY_MAX_AGE),
    "Sessions": (
        SESSIONS, RADIUS_LISTENING, RADIUS_DATAGRAMS, RADIUS_FLAWS, RADIUS_RESTARTS, STORE_CONNECTED,
        STORE_CURRENT, STORE_WAITING, STORE_EVENTS, STORE_RESYNCS,
    ),
}  # fmt: skip
"""The metrics as the reference lists them."""

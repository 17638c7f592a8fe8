"""Every event of the daemon's log: its name, which stays, its level, its fields, and what it says.

The one definition: calls of the log name an event of it, `enforcer log` filters by it, docs/logs.md lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Event(NamedTuple):
    """``level`` as in logging, in lower case; ``fields`` beside the ones that every line has."""

    level: str
    meaning: str
    fields: tuple[str, ...] = ()


EVENTS: Mapping[str, Event] = {
    # The life of the daemon.
    "queue_backend": Event("info", "How packets are queued here: by nft alone, or with iptables.", ("backend",)),
    "ready": Event("info", "It decides now.", ("version", "mode")),
    "not_started": Event("error", "It cannot start, and says why and what to do. Nothing is left behind."),
    "enforcing": Event("info", "A family is refused from now on.", ("family",)),
    "not_enforcing": Event(
        "warning", "A family that `enforce` names is only monitored, and why.", ("family", "reason")
    ),
    "stopping": Event("info", "It was told to stop."),
    "stopped": Event("info", "Everything of its is out of the kernel."),
    "fault": Event("error", "It met with what no code foresaw. Please report it; no packet was held up."),
    "machine_notice": Event("warning", "Something to know of this machine before relying on it."),
    # Configuration and lists.
    "reloaded": Event(
        "info",
        "Configuration and lists were loaded anew and are in force.",
        ("by", "mode", "registrations", "added", "ended", "in_grace"),
    ),
    "reload_refused": Event("error", "Something in the files is wrong. Everything stays as it was."),
    "list_notice": Event("warning", "Something to look at in a list that is in force, or a row left out of it."),
    "list_memory_unwritten": Event("warning", "The memory of vanished entries could not be written."),
    # Decisions.
    "refused": Event(
        "info",
        "A tunnel was refused. `suppressed` counts refusals before it that have no line.",
        ("family", "variant", "reason", "line", "suppressed"),
    ),
    "refusals_suppressed": Event(
        "info", "Refusals that have no line: more than ten came in a second.", ("suppressed",)
    ),
    "packet_fault": Event("error", "A packet could not be judged and was accepted.", ("errors",)),
    # Questions.
    "asked": Event(
        "info",
        "Somebody asked the daemon about an address or a number. What about stands in audit.file alone.",
        ("question", "about", "user", "uid"),
    ),
    "audit_unwritten": Event("error", "audit.file cannot be written."),
    "control_failed": Event("error", "The control socket has an error, or a question on it failed."),
    # The kernel.
    "rules_taken": Event("error", "Another program took rules of ours out of the kernel. They are put back."),
    "sets_repaired": Event(
        "error",
        "Another program changed our sets of registered or exempt addresses. They are as they should be again.",
        ("missing", "extra"),
    ),
    "sets_unread": Event("error", "The kernel's sets cannot be read, to see whether they are as they should be."),
    "sets_behind": Event("error", "The kernel refused a change of its sets. It is tried again."),
    # Exempt destinations.
    "exempt_notice": Event("warning", "A name left alone does not resolve as it should.", ("name",)),
    "exempt_in_order": Event("info", "A name left alone resolves again.", ("name",)),
    "dns_silent": Event("warning", "No DNS server answers. Names keep their last addresses."),
    "dns_answers": Event("warning", "DNS answers again."),
    "exempt_memory_damaged": Event("warning", "The memory of names was damaged, and was set aside."),
    "exempt_memory_unwritten": Event("error", "The memory of names cannot be written."),
    # Sessions.
    "sessions_restored": Event("info", "Sessions of registered holders survived the restart.", ("sessions",)),
    "sessions_notice": Event("warning", "The snapshot of sessions could not be read or written."),
    "sessions_forgotten": Event("warning", "The numbers' key changed: all sessions are unknown."),
    "accounting_ended": Event("error", "The accounting listener ended. It is started again.", ("exit_code",)),
    "accounting_failed": Event("error", "The accounting listener cannot be had, or met with a fault."),
    "store_connected": Event("info", "The shared store answers."),
    "store_away": Event("warning", "The shared store does not answer, or takes no writes."),
    "store_writable": Event("info", "The shared store takes writes again."),
    "store_reread": Event("info", "Every session in the shared store is read anew."),
    # The shadow report.
    "shadow_notice": Event("warning", "The totals of the shadow report cannot be read or written."),
    "shadow_written": Event("info", "The totals of the shadow report are written again."),
    "shadow_fault": Event("error", "Totals of the shadow report were lost by a fault. Please report it."),
    # What others say.
    "metrics_left_out": Event("warning", "Some metrics could not be read at this scrape.", ("source",)),
    "other": Event("warning", "A library's own word."),
}


def named(name: str, /, **fields: object) -> dict[str, object]:
    """Name a line of the log: ``extra`` of its call. Raises KeyError for an event that is not defined."""
    _ = EVENTS[name]
    return {"event": name, "fields": fields}

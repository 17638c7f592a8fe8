"""From one table of ours to another in one transaction that leaves the base chains where they are.

Whenever a hook is taken away, by whomever, the kernel drops each packet of this network namespace that waits for a
verdict (nf_queue_nf_hook_drop in net/netfilter/nf_queue.c). So the rules go and the base chains stay: what waits
gets its verdict under the new rules.
"""

from __future__ import annotations

import re

from enforcer.config import Config
from enforcer.gateway.ruleset import TABLE, Backend, table

_PARTS = re.compile(r"^ *(chain|set|map) (\w+) (.*)$", re.MULTILINE)


def replacement(before: Config, after: Config, backend: Backend) -> str:
    """The statements that turn the table of one configuration into that of another.

    Sets that are the same in both keep what they hold, and counters go on. Where the kernel has something else
    than the table of ``before``, it may refuse them.
    """
    wanted = table(after, backend)
    lines = [f"flush table {TABLE}"]
    # A chain's first line says nothing of it, so what both have stays; a set's says all of it.
    lines += (f"delete {kind} {TABLE} {name}" for kind, name in _gone(table(before, backend), wanted))
    return "\n".join(lines) + "\n" + wanted[wanted.index(f"table {TABLE} {{") :]


def _gone(before: str, after: str) -> list[tuple[str, str]]:
    stays = set(_PARTS.findall(after))
    return [(kind, name) for kind, name, text in _PARTS.findall(before) if (kind, name, text) not in stays]

"""The core imports no edge: what decides must be callable without a socket, a file or a clock."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "enforcer"

CORE = (
    "enforcer.bulk",
    "enforcer.aloud",
    "enforcer.config",
    "enforcer.config_fields",
    "enforcer.engine",
    "enforcer.exemptions",
    "enforcer.explain",
    "enforcer.explanation",
    "enforcer.fingerprints",
    "enforcer.log_events",
    "enforcer.policy",
    "enforcer.problems",
    "enforcer.reasons",
    "enforcer.registry.difference",
    "enforcer.registry.index",
    "enforcer.registry.lookup",
    "enforcer.registry.memory",
    "enforcer.registry.model",
    "enforcer.registry.networks",
    "enforcer.registry.prefixes",
    "enforcer.registry.registrations",
    "enforcer.registry.standing",
    "enforcer.replay",
    "enforcer.shadow.advice",
    "enforcer.shadow.chart",
    "enforcer.shadow.coverage",
    "enforcer.shadow.ledger",
    "enforcer.shadow.report",
    "enforcer.shadow.sketch",
    "enforcer.shadow.totals",
    "enforcer.subscribers.events",
    "enforcer.subscribers.model",
    "enforcer.subscribers.store.encoding",
    "enforcer.subscribers.store.schema",
    "enforcer.subscribers.table",
    "enforcer.wire.batch",
    "enforcer.wire.ip",
    "enforcer.wire.link",
    "enforcer.wire.packet",
    "enforcer.wire.reassembly",
    "enforcer.wire.transport",
)

EDGES = ("enforcer.gateway", "enforcer.observe", "enforcer.cli", "enforcer.check", "enforcer.lists")

FORBIDDEN = frozenset(
    {
        "asyncio", "click", "dns", "multiprocessing", "netfilterqueue", "prometheus_client", "pyrad",
        "pyroute2", "redis", "rich", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess",
        "tempfile", "threading", "time", "urllib",
    }
)  # fmt: skip


def modules(repository: Path) -> dict[str, Path]:
    found = {}
    for path in sorted((repository / PACKAGE).rglob("*.py")):
        parts = path.relative_to(repository).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def reached(start: str, known: dict[str, Path]) -> set[str]:
    """Every module that importing ``start`` imports, of ours and of others."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        if module in known:
            todo.extend(imports(known[module]))
    return seen


@pytest.mark.parametrize("room", CORE)
def test_the_core_reaches_no_edge(repository: Path, room: str) -> None:
    known = modules(repository)
    rooms = [module for module in known if within(module, (room,))]
    assert rooms, f"{room} is not there"
    for module in rooms:
        everything = reached(module, known)
        assert not {name for name in everything if within(name, EDGES)}, module
        tops = {name.partition(".")[0] for name in everything}
        assert not tops & FORBIDDEN, module


def test_the_check_can_fail(repository: Path) -> None:
    known = modules(repository)
    assert "subprocess" in reached("enforcer.gateway.daemon", known)
    assert FORBIDDEN & set(sys.stdlib_module_names)

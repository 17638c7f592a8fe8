"""What only shows when all rows are seen together: duplicates, overlaps, revocations of nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from enforcer.problems import Findings
from enforcer.registry.entries import Revoked
from enforcer.registry.model import Registration
from enforcer.registry.prefixes import PrefixMap
from enforcer.registry.rows import Row


class Entry(NamedTuple):
    """A registration and where each of its fields stands; ``shown`` is its address, or its number masked."""

    registration: Registration
    file: str
    line: int
    shown: str


def unique_id(row: Row, column: str, seen: dict[str, str], findings: Findings) -> bool:
    """Whether the row's ``column`` is the first of its value; ``seen`` maps values to ``file:line``."""
    id = row.cells.get(column)
    if id is None:
        return True
    first = seen.setdefault(id, f"{row.file}:{row.line}")
    if first == f"{row.file}:{row.line}":
        return True
    told = (
        f"is already revoked in {first}: keep one of the two rows"
        if column == "revokes"
        else f"already stands in {first}: extend that entry, or give this one an id of its own"
    )
    findings.problem(row.file, row.line_of(column), column, id, told)
    return False


def apply_revocations(
    entries: list[Entry], revoked: Iterable[Revoked], ids: dict[str, str], findings: Findings
) -> list[Entry]:
    """The entries with their revocations. ``ids`` are all that stand in the files, good rows and bad."""
    by_id = {revocation.id: revocation for revocation in revoked}
    for id, (row, _, _) in by_id.items():
        if id not in ids:
            findings.problem(
                row.file,
                row.line_of("revokes"),
                "revokes",
                id,
                "no entry has this id: keep the row of the revoked entry in the list beside this one",
            )
    if not by_id:
        return entries
    return [
        entry._replace(registration=replace(entry.registration, revocation=by_id[id].revocation))
        if (id := entry.registration.id) in by_id
        else entry
        for entry in entries
    ]


def without_duplicates(entries: list[Entry], findings: Findings) -> list[Entry]:
    """The entries less those whose address or number an earlier one has for some of the same time.

    A renewal, whose time begins when the earlier entry's ends or was revoked, is no duplicate. Prefixes that
    cover other entries are legal and told once each.
    """
    by_network: PrefixMap[Entry] = PrefixMap()
    by_tag: dict[bytes, tuple[Entry, ...]] = {}
    kept: list[Entry] = []
    for entry in entries:
        registration = entry.registration
        network, tag = registration.network, registration.tag
        earlier = by_network.at(network) if network is not None else by_tag.get(tag or b"", ())
        twin = next((other for other in earlier if _share_time(other.registration, registration)), None)
        if twin is not None:
            column = "address" if network is not None else "number"
            findings.problem(
                entry.file, entry.line, column, entry.shown,
                f"the same {column} stands in {twin.file}:{twin.line} for some of the same time: "
                "keep one of the two entries, or let one begin after the other has ended",
            )  # fmt: skip
            continue
        kept.append(entry)
        if network is not None:
            by_network.add(network, entry)
        elif tag is not None:
            by_tag[tag] = (*earlier, entry)
    _tell_overlaps(kept, by_network, findings)
    return kept


def _share_time(one: Registration, other: Registration) -> bool:
    return _begin(one) < _end(other) and _begin(other) < _end(one)


def _begin(registration: Registration) -> float:
    return -math.inf if registration.valid_from is None else registration.valid_from


def _end(registration: Registration) -> float:
    end = math.inf if registration.valid_to is None else registration.valid_to
    return end if registration.revocation is None else min(end, registration.revocation.effective_at)


def _tell_overlaps(entries: list[Entry], by_network: PrefixMap[Entry], findings: Findings) -> None:
    covered: dict[str, tuple[Entry, Entry, int]] = {}
    for entry in entries:
        if entry.registration.network is None:
            continue
        for broader in by_network.around(entry.registration.network):
            id = broader.registration.id
            _, first, count = covered.get(id, (broader, entry, 0))
            covered[id] = (broader, first, count + 1)
    for broader, first, count in covered.values():
        others = "" if count == 1 else f" and {count - 1:,} more"
        findings.notice(
            broader.file, broader.line, "address",
            f"{broader.shown} also covers {first.shown} in {first.file}:{first.line}{others}: "
            "make sure that both belong to the same holder",
        )  # fmt: skip

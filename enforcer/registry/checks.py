"""What only shows when all rows are seen together: duplicates, overlaps, revocations of nothing.

All rows are sorted to find the few that may have to do with one another; those are looked at one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from enforcer.problems import Findings, Problem
from enforcer.registry.entries import Revoked
from enforcer.registry.index import spread
from enforcer.registry.model import Network, Registration, Revocation
from enforcer.registry.parts import BadRow, Part
from enforcer.registry.prefixes import PrefixMap
from enforcer.registry.registrations import HALF, TAG, V6, Registrations, hashes, network_of
from enforcer.registry.rows import Row


def unique_revocation(row: Row, seen: dict[str, str], findings: Findings) -> bool:
    """Whether the row is the first that revokes its entry; ``seen`` maps ids to ``file:line``."""
    id = row.cells["revokes"]
    place = f"{row.file}:{row.line}"
    first = seen.setdefault(id, place)
    if first == place:
        return True
    told = f"is already revoked in {first}: keep one of the two rows"
    findings.problem(row.file, row.line_of("revokes"), "revokes", id, told)
    return False


def with_unique_ids(part: Part, bad: Sequence[BadRow], before: Sequence[int], findings: Findings) -> Part:
    """The rows less those whose id an earlier row has, good or bad, told among the problems of their place.

    ``before`` are the numbers of problems found before each file.
    """
    registrations = part.registrations
    count = len(registrations)
    found: dict[str, list[tuple[int, int, int]]] = {}
    of_bad = hashes(row.id.encode("utf-8", "surrogatepass") for row in bad)
    for position in _shared(np.concatenate((registrations.id_hash, of_bad))):
        if position < count:
            id, file, line = registrations.id_at(position), part.file[position], registrations.line[position]
        else:
            id, _, file, line, _ = bad[position - count]
        found.setdefault(id, []).append((int(file), int(line), position))
    told: list[tuple[int, int, Problem]] = []
    dropped: list[int] = []
    for id, places in found.items():
        first, *others = sorted(places)
        first_file, _ = _file_and_id_line(part, bad, first[2])
        message = (
            f"already stands in {first_file}:{first[1]}: extend that entry, or give this one an id of its own"
        )
        for number, line, position in others:
            file, id_line = _file_and_id_line(part, bad, position)
            told.append((number, line, Problem(file, id_line, "id", id, message)))
            if position < count:
                dropped.append(position)
    _insert(told, before, findings)
    return part.take(np.delete(np.arange(count), dropped)) if dropped else part


def apply_revocations(part: Part, revoked: Iterable[Revoked], bad: Iterable[BadRow], findings: Findings) -> Part:
    """The rows with their revocations; one whose entry's own row is bad revokes nothing, and is no error."""
    revocations: dict[int, Revocation] = {}
    bad_ids = {row.id for row in bad}
    for row, id, revocation in revoked:
        rows = part.registrations.rows_of(id)
        if not rows and id not in bad_ids:
            findings.problem(
                row.file,
                row.line_of("revokes"),
                "revokes",
                id,
                "no entry has this id: keep the row of the revoked entry in the list beside this one",
            )
        for each in rows:
            revocations[each] = revocation
    return replace(part, registrations=replace(part.registrations, revocations=revocations))


def without_duplicates(part: Part, findings: Findings) -> Part:
    """The rows less those whose address or number an earlier one has for some of the same time.

    A renewal, whose time begins when the earlier entry's ends or was revoked, is no duplicate. Prefixes that
    cover other entries are legal and told once each.
    """
    registrations = part.registrations
    entry = registrations.reader()
    seen: dict[tuple[int, int, int], list[tuple[int, Registration]]] = {}
    dropped: list[int] = []
    for row in sorted(_shared(spread(registrations.form, registrations.high, registrations.low))):
        identity = (int(registrations.form[row]), int(registrations.high[row]), int(registrations.low[row]))
        registration = entry(row)
        earlier = seen.setdefault(identity, [])
        twin = next((other for other, before in earlier if _share_time(before, registration)), None)
        if twin is None:
            earlier.append((row, registration))
            continue
        column = "number" if identity[0] == TAG else "address"
        file, line = part.place(row)
        findings.problem(
            file, line, column, part.shown(row),
            f"the same {column} stands in {':'.join(map(str, part.place(twin)))} for some of the same time: "
            "keep one of the two entries, or let one begin after the other has ended",
        )  # fmt: skip
        dropped.append(row)
    kept = part.take(np.delete(np.arange(len(part)), dropped)) if dropped else part
    _tell_overlaps(kept, findings)
    return kept


def _shared(values: NDArray[np.int64] | NDArray[np.uint64]) -> list[int]:
    """The positions of values that stand more than once."""
    order = np.argsort(values)
    same = values[order[1:]] == values[order[:-1]]
    found: list[int] = np.unique(np.concatenate((order[1:][same], order[:-1][same]))).tolist()
    return found


def _file_and_id_line(part: Part, bad: Sequence[BadRow], position: int) -> tuple[str, int]:
    count = len(part)
    if position >= count:
        return bad[position - count].file, bad[position - count].id_line
    return part.place(position)[0], int(part.id_line[position])


def _insert(told: list[tuple[int, int, Problem]], before: Sequence[int], findings: Findings) -> None:
    """Put problems of rows, each with its file's place and its row's line, before the others of their rows."""
    problems = findings.problems
    for file, line, problem in sorted(told, key=lambda each: each[:2], reverse=True):
        first = before[file]
        last = before[file + 1] if file + 1 < len(before) else len(problems)
        place = next(
            (n for n in range(first, last) if (problems[n].line or 0) >= line),
            last,
        )
        problems.insert(place, problem)


def _share_time(one: Registration, other: Registration) -> bool:
    return _begin(one) < _end(other) and _begin(other) < _end(one)


def _begin(registration: Registration) -> float:
    return -math.inf if registration.valid_from is None else registration.valid_from


def _end(registration: Registration) -> float:
    end = math.inf if registration.valid_to is None else registration.valid_to
    return end if registration.revocation is None else min(end, registration.revocation.effective_at)


def _tell_overlaps(part: Part, findings: Findings) -> None:
    registrations = part.registrations
    inner, outer = _overlapping(registrations)
    by_network: PrefixMap[int] = PrefixMap()
    for row in outer:
        by_network.add(_network(registrations, row), row)
    covered: dict[int, tuple[int, int]] = {}
    for row in inner:
        for broader in by_network.around(_network(registrations, row)):
            first, count = covered.get(broader, (row, 0))
            covered[broader] = (first, count + 1)
    for broader, (first, count) in covered.items():
        others = "" if count == 1 else f" and {count - 1:,} more"
        file, line = part.place(broader)
        findings.notice(
            file, line, "address",
            f"{part.shown(broader)} also covers {part.shown(first)} in "
            f"{':'.join(map(str, part.place(first)))}{others}: make sure that both belong to the same holder",
        )  # fmt: skip


def _network(registrations: Registrations, row: int) -> Network:
    return network_of(int(registrations.form[row]), int(registrations.high[row]), int(registrations.low[row]))


def _overlapping(registrations: Registrations) -> tuple[list[int], list[int]]:
    """The rows that a broader prefix covers, and the rows of those prefixes, ascending, perhaps a few more."""
    form, high, low = registrations.form, registrations.high, registrations.low
    perhaps = _perhaps_covered(registrations)
    inner: set[int] = set()
    outer: set[int] = set()
    if len(perhaps):
        for one in np.flatnonzero(np.bincount(form)).tolist():
            least, most = (0, V6 - 1) if one < V6 else (V6, TAG - 1)
            rows = np.flatnonzero(form == one)
            narrower = perhaps[(form[perhaps] > one) & (form[perhaps] <= most)]
            if one == TAG or not len(narrower):
                continue
            ones = ((1 << 128) - (1 << 128 - (one - least))) if least else (1 << 32) - (1 << 32 - one)
            around = spread(
                np.full(len(narrower), one, np.uint8),
                high[narrower] & np.uint64(ones >> 64),
                low[narrower] & np.uint64(ones & HALF),
            )
            prefixes = spread(form[rows], high[rows], low[rows])
            inside = np.isin(around, prefixes)
            inner.update(narrower[inside].tolist())
            outer.update(rows[np.isin(prefixes, around[inside])].tolist())
    return sorted(inner), sorted(outer)


def _perhaps_covered(registrations: Registrations) -> NDArray[np.intp]:
    """The rows that an earlier prefix reaches around, in order of address: all that are covered, and some more.

    Of IPv6 addresses, only the first half is looked at.
    """
    form = registrations.form
    found: list[NDArray[np.intp]] = []
    for least, most, address in ((0, V6, registrations.low << np.uint64(32)), (V6, TAG, registrations.high)):
        rows = np.flatnonzero((form >= least) & (form < most))
        length = np.minimum(form[rows] - np.uint8(least), 64).astype(np.uint64)
        first = address[rows]
        # A shift by 64 is undefined.
        last = first | (np.uint64(HALF) >> np.minimum(length, np.uint64(63))) * (length < 64)
        order = np.lexsort((length, first))
        reached = np.maximum.accumulate(last[order])
        found.append(rows[order][1:][last[order][1:] <= reached[:-1]])
    return np.concatenate(found)
